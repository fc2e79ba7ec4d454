"""The words that rules may use: relations, kinds, attributes and entities of a merged graph.

Must not: judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from llmos.knowledge.rules.syntax import Attribute, Entity, Fact, Kind, Mentioned, Rule, entity_terms

__all__ = ["Vocabulary", "named_entities", "read_vocabulary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a graph has."""

    relations: frozenset[str]
    kinds: frozenset[str]
    attributes: frozenset[str]
    entities: frozenset[str]
    """Of those that the rules name, the ones that exist."""

    kinds_together: frozenset[frozenset[str]] = frozenset()
    """Pairs of kinds that some entity has at once, in different partitions."""


def named_entities(rules: Sequence[Rule]) -> frozenset[str]:
    """Return the identifiers that rules name where a graph must have them: everywhere but in an answer, whose labels are the model's."""
    atoms = [atom for rule in rules for atom in (*rule.conditions, *rule.exceptions, rule.conclusion)]
    terms = {term for atom in atoms if needs_entity(atom) for term in entity_terms(atom)}
    return frozenset(term.id for term in terms if isinstance(term, Entity))


def needs_entity(atom: object) -> bool:
    """Say whether an entity that an atom names must be in the graph."""
    return isinstance(atom, Fact | Kind | Attribute | Mentioned)


def read_vocabulary(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> Vocabulary:
    """Read what these rules may name from the merged tables."""

    def column(query: str, *parameters: object) -> frozenset[str]:
        return frozenset(row[0] for row in connection.execute(query, list(parameters)).fetchall())

    pairs = connection.execute("""SELECT DISTINCT a.kind, b.kind FROM definition AS a JOIN definition AS b USING (entity)
        WHERE a.kind < b.kind LIMIT 10000""").fetchall()
    return Vocabulary(
        relations=column("SELECT DISTINCT predicate FROM fact"),
        kinds=column("SELECT DISTINCT kind FROM definition"),
        attributes=column("SELECT DISTINCT predicate FROM attribute"),
        entities=column("SELECT id FROM entity WHERE id IN (SELECT unnest(?))", sorted(named_entities(rules))),
        kinds_together=frozenset(frozenset(pair) for pair in pairs),
    )

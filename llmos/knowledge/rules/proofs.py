"""Derived facts → `derived`, each with its proof: the rule and its premises, as canonical JSON.

A premise is ["fact", subject, relation, object], ["kind", entity, kind] or ["attribute", entity, attribute, value].
Must not: derive.
"""

from collections.abc import Sequence

import duckdb

from llmos.knowledge.rules.body import Names, compile_body
from llmos.knowledge.rules.syntax import Atom, Attribute, Comparison, Entity, Fact, Kind, Rule, Term, Variable

__all__ = ["write_derived"]


def write_derived(connection: duckdb.DuckDBPyConnection, relation: str, rules: Sequence[Rule], names: Names) -> None:
    """Copy what was derived of a relation to `derived`.

    Args:
        connection: the merged tables and the store, in which the relation is complete.
        relation: which one.
        rules: as the fixpoint got them.
        names: of the store.
    """
    connection.execute("""CREATE TEMP TABLE IF NOT EXISTS quoted AS SELECT number, to_json(id)::VARCHAR AS id FROM entity""")
    for number, rule in enumerate(rules):
        if isinstance(rule.conclusion, Fact) and rule.conclusion.relation == relation:
            connection.execute(*_insert(rule, number, relation, names))


def _insert(rule: Rule, number: int, relation: str, names: Names) -> tuple[str, list[str]]:
    proof, joins = _proof(rule, names)
    # The names of a set of partitions: sorted, as `bits` was numbered.
    partitions = "coalesce((SELECT string_agg(partition, ',' ORDER BY partition) FROM bits WHERE mask <> 0 AND (mask & d.mask) <> 0), '')"
    shown = partitions if names.has_partitions else "''"
    query = f"""INSERT INTO derived SELECT d.s, ?, d.o, ?, d.confidence, {shown}, {proof}
        FROM store_{names.relations[relation]} AS d {" ".join(joins)} WHERE NOT d.stated AND d.rule = {number}"""  # noqa: S608 - our names
    return query, [relation, rule.name]


def _proof(rule: Rule, names: Names) -> tuple[str, list[str]]:
    """Return SQL for the canonical JSON of a rule's premises, and the joins it needs.

    The bindings of a proof are the rule's variables and literals, in the order in which `compile_body` binds them.
    """
    places: dict[str, int] = {binding: place for place, binding in enumerate(compile_body(rule, names).bindings, start=1)}
    columns = compile_body(rule, names).columns
    joins: dict[str, str] = {}

    def entity(term: Term) -> str:
        if isinstance(term, Entity):
            return f"to_json({_text(term.id)})::VARCHAR"
        assert isinstance(term, Variable)
        place = places[columns[term]]
        joins[f"e{place}"] = f"JOIN quoted AS e{place} ON e{place}.number = d.bindings[{place}]"
        return f"e{place}.id"

    def premise(index: int, atom: Atom) -> list[str]:
        match atom:
            case Fact():
                return ["'\"fact\"'", entity(atom.subject), _json(atom.relation), entity(atom.object)]
            case Kind():
                return ["'\"kind\"'", entity(atom.entity), _json(atom.kind)]
            case Attribute():
                place = places[f"t{index}.id"]
                joins[f"v{place}"] = f"JOIN values_{names.attributes[atom.attribute]} AS v{place} ON v{place}.id = d.bindings[{place}]"
                return ["'\"attribute\"'", entity(atom.entity), _json(atom.attribute), f"to_json(v{place}.value)::VARCHAR"]
            case _:
                raise AssertionError(f"{atom} is no premise of a build")

    premises = [premise(index, atom) for index, atom in enumerate(rule.conditions) if not isinstance(atom, Comparison)]
    listed = " || ',' || ".join("'[' || " + " || ',' || ".join(parts) + " || ']'" for parts in premises)
    return f"'[' || {listed} || ']'", list(joins.values())


def _json(text: str) -> str:
    return f"to_json({_text(text)})::VARCHAR"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

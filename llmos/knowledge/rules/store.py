"""The tables that a build's rules work on, made from the merged ones, and the derived facts as `derived` has them.

Must not: know the fixpoint.
"""

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from llmos.knowledge.rules.body import NUMBER_SQL, Names
from llmos.knowledge.rules.documents import invalid_rules
from llmos.knowledge.rules.syntax import Attribute, Comparison, Entity, Fact, Rule, entity_terms

__all__ = ["drop_store", "make_store"]

_MAXIMUM_PARTITIONS = 62
"""A set of partitions is the bits of a BIGINT."""


def make_store(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> Names:
    """Make the tables for these rules.

    Raises: ConfigError (InvalidRules) if the files have more partitions than can be told apart.
    """
    partitions = [row[0] for row in connection.execute("SELECT DISTINCT partition FROM file WHERE partition <> '' ORDER BY 1").fetchall()]
    if len(partitions) > _MAXIMUM_PARTITIONS:
        raise invalid_rules(f"the sources have {len(partitions)} partitions; rules can tell {_MAXIMUM_PARTITIONS} apart. Join some")
    connection.execute("CREATE OR REPLACE TEMP TABLE bits (partition VARCHAR, mask BIGINT)")
    connection.execute("INSERT INTO bits VALUES ('', 0)")
    for place, partition in enumerate(partitions):
        connection.execute("INSERT INTO bits VALUES (?, ?)", [partition, 1 << place])
    atoms = [atom for rule in rules for atom in (*rule.body, *rule.exceptions, rule.conclusion)]
    names = Names(
        relations=_numbered(atom.relation for atom in atoms if isinstance(atom, Fact)),
        attributes=_numbered(atom.attribute for atom in atoms if isinstance(atom, Attribute)),
        entities=_entities(connection, rules),
        has_partitions=bool(partitions),
    )
    for relation, number in names.relations.items():
        _store_facts(connection, relation, number)
    connection.execute("""CREATE OR REPLACE TEMP TABLE kinds AS
        SELECT d.entity, d.kind, b.mask FROM definition AS d JOIN bits AS b USING (partition)""")
    for attribute, number in names.attributes.items():
        _store_values(connection, attribute, number)
    return names


def drop_store(connection: duckdb.DuckDBPyConnection, names: Names) -> None:
    """Give the memory back."""
    for number in names.relations.values():
        connection.execute(f"DROP TABLE IF EXISTS store_{number}; DROP TABLE IF EXISTS changed_{number}")
    for number in names.attributes.values():
        connection.execute(f"DROP TABLE IF EXISTS values_{number}")
    connection.execute("DROP TABLE IF EXISTS kinds; DROP TABLE IF EXISTS bits")


def _numbered(names: Iterable[str]) -> Mapping[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)))}


def _entities(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> Mapping[str, int]:
    """Return the numbers of the entities that rules name; -1 for one that there is not, which only an answer may have."""
    ids = set()
    for rule in rules:
        for atom in (*rule.body, *rule.exceptions, rule.conclusion):
            terms = (atom.left, atom.right) if isinstance(atom, Comparison) else tuple(entity_terms(atom))
            ids |= {term.id for term in terms if isinstance(term, Entity)}
    found = connection.execute("SELECT id, number FROM entity WHERE id IN (SELECT unnest(?))", [sorted(ids)]).fetchall()
    return dict.fromkeys(ids, -1) | dict(found)


def _store_facts(connection: duckdb.DuckDBPyConnection, relation: str, number: int) -> None:
    """Keep each fact once for each partition that states it, with the best confidence it has there."""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE store_{number} AS
        SELECT f.subject AS s, f.object AS o, b.mask, max(e.confidence)::INTEGER AS confidence, 0 AS round, true AS stated
        FROM fact AS f JOIN evidence AS e ON e.number = f.evidence JOIN file ON file.number = e.file JOIN bits AS b USING (partition)
        WHERE f.predicate = ? GROUP BY ALL""",  # noqa: S608 - our own number
        [relation],
    )


def _store_values(connection: duckdb.DuckDBPyConnection, attribute: str, number: int) -> None:
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE values_{number} AS
        SELECT *, CASE WHEN number IS NULL THEN 't' || value ELSE 'n' || number END AS key,
          row_number() OVER (ORDER BY entity, value, mask)::INTEGER AS id
        FROM (SELECT DISTINCT a.subject AS entity, a.value, b.mask,
            CASE WHEN regexp_full_match(a.value, '{NUMBER_SQL}') THEN TRY_CAST(a.value AS DOUBLE) + 0.0 END AS number
          FROM attribute AS a JOIN file ON file.number = a.file JOIN bits AS b USING (partition) WHERE a.predicate = ?)""",  # noqa: S608
        [attribute],
    )

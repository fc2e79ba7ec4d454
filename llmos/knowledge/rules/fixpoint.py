"""Semi-naive evaluation in DuckDB: each round joins only what the last one changed, until nothing does.

Of all proofs of a fact for the same partitions the best is kept: highest confidence, then fewest rounds, then the smallest rule and
premises. A proof that needs more partitions and gives no more confidence is dropped. What a source states stays stated, with the source's
confidence. So the result depends on the content alone, and a kept proof never rests on the fact it proves.
Must not: know the merged tables.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import duckdb

from llmos.errors import ConfigError
from llmos.knowledge.rules.body import Names, compile_body
from llmos.knowledge.rules.strata import Stratum
from llmos.knowledge.rules.syntax import Entity, Fact, Rule, Term
from llmos.knowledge.sink import CERTAIN

__all__ = ["apply_stratum"]

_BETTER: Final = """
CREATE OR REPLACE TEMP TABLE next_{n} AS
WITH best AS (SELECT s, o, mask, min(ROW(-confidence, rule, bindings)) AS proof FROM ({candidates}) GROUP BY ALL),
  found AS (SELECT s, o, mask, (-proof[1])::INTEGER AS confidence, {round}::INTEGER AS round, false AS stated,
    proof[2]::INTEGER AS rule, proof[3] AS bindings FROM best)
SELECT * FROM found WHERE confidence > 0 AND NOT EXISTS (
  SELECT 1 FROM store_{n} AS k WHERE k.s = found.s AND k.o = found.o AND {within} AND (k.stated OR k.confidence >= found.confidence))
"""
_WITHIN_BATCH: Final = """
CREATE OR REPLACE TEMP TABLE next_{n} AS SELECT * FROM next_{n} AS f WHERE NOT EXISTS (
  SELECT 1 FROM next_{n} AS k WHERE k.s = f.s AND k.o = f.o AND k.mask <> f.mask AND (k.mask & f.mask) = k.mask
    AND k.confidence >= f.confidence)
"""
_REPLACE: Final = """
DELETE FROM store_{n} AS k USING changed_{n} AS c WHERE NOT k.stated AND c.s = k.s AND c.o = k.o AND (c.mask & k.mask) = c.mask
  AND c.confidence >= k.confidence
"""


def apply_stratum(connection: duckdb.DuckDBPyConnection, stratum: Stratum, rules: Sequence[Rule], names: Names, *, maximum: int) -> int:
    """Derive everything that a stratum's rules give.

    Args:
        connection: the database with the store.
        stratum: what to apply; what it depends on has been applied.
        rules: all rules, by name; a proof cites its rule by the place in them.
        names: of the store.
        maximum: how many facts may be derived.

    Returns: how many facts were derived.
    Raises: ConfigError (TooManyDerivedFacts).
    """
    for relation in stratum.relations:
        connection.execute(
            f"ALTER TABLE store_{names.relations[relation]} ADD COLUMN rule INTEGER; "
            f"ALTER TABLE store_{names.relations[relation]} ADD COLUMN bindings INTEGER[]"
        )
    round_number = 0
    changed = set(stratum.relations)
    while changed:
        round_number += 1
        queries = {
            relation: _candidates(relation, stratum, rules, names, changed, is_first=round_number == 1)
            for relation in sorted(stratum.relations)
        }
        # Every relation is derived from the state that the round began with, so that the number of a round means something.
        pending = {relation: _find_better(connection, names, relation, query, round_number) for relation, query in queries.items() if query}
        for relation in stratum.relations:
            _take_over(connection, names, relation, is_empty=not pending.get(relation))
        changed = {relation for relation, count in pending.items() if count}
        _refuse_too_many(connection, stratum, names, maximum)
    return _count(connection, stratum.relations, names)


def _candidates(relation: str, stratum: Stratum, rules: Sequence[Rule], names: Names, changed: Iterable[str], *, is_first: bool) -> str:
    """Return SQL for everything that the rules of a relation give in this round; empty if nothing can be new."""
    selects = []
    for rule in stratum.rules:
        assert isinstance(rule.conclusion, Fact)
        if rule.conclusion.relation != relation:
            continue
        recursive = [index for index, atom in enumerate(rule.conditions) if isinstance(atom, Fact) and atom.relation in changed]
        for index in [None] if is_first else recursive:
            selects.append(_select(rule, rules.index(rule), names, index))
    return " UNION ALL ".join(selects)


def _select(rule: Rule, number: int, names: Names, changed: int | None) -> str:
    body = compile_body(rule, names, changed=changed)
    assert isinstance(rule.conclusion, Fact)

    def column(term: Term) -> str:
        return str(names.entities[term.id]) if isinstance(term, Entity) else body.columns[term]  # type: ignore[index]

    confidence = body.confidence
    if rule.times != CERTAIN:
        confidence = f"{confidence} * {rule.times} // {CERTAIN}"
    if rule.limit != CERTAIN:
        confidence = f"least({confidence}, {rule.limit})"
    return (
        f"SELECT {column(rule.conclusion.subject)} AS s, {column(rule.conclusion.object)} AS o, {body.mask} AS mask, "
        f"({confidence})::INTEGER AS confidence, {number} AS rule, [{', '.join(body.bindings)}]::INTEGER[] AS bindings {body.source}"
    )


def _find_better(connection: duckdb.DuckDBPyConnection, names: Names, relation: str, candidates: str, round_number: int) -> int:
    """Fill `next_<n>` with what is new or better than what is known, and count it."""
    number = names.relations[relation]
    within = "(k.mask & found.mask) = k.mask" if names.has_partitions else "true"
    connection.execute(_BETTER.format(n=number, candidates=candidates, round=round_number, within=within))
    if names.has_partitions:
        connection.execute(_WITHIN_BATCH.format(n=number))
    return int((connection.execute(f"SELECT count(*) FROM next_{number}").fetchone() or (0,))[0])  # noqa: S608


def _take_over(connection: duckdb.DuckDBPyConnection, names: Names, relation: str, *, is_empty: bool) -> None:
    """Make what was found in this round what the next begins with."""
    number = names.relations[relation]
    if is_empty:
        connection.execute(f"DROP TABLE IF EXISTS next_{number}")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE changed_{number} AS SELECT * FROM store_{number} LIMIT 0")  # noqa: S608
        return
    connection.execute(f"DROP TABLE IF EXISTS changed_{number}; ALTER TABLE next_{number} RENAME TO changed_{number}")
    connection.execute(_REPLACE.format(n=number))
    connection.execute(f"INSERT INTO store_{number} BY NAME SELECT * FROM changed_{number}")  # noqa: S608


def _count(connection: duckdb.DuckDBPyConnection, relations: Iterable[str], names: Names) -> int:
    return sum(
        int((connection.execute(f"SELECT count(*) FROM store_{names.relations[relation]} WHERE NOT stated").fetchone() or (0,))[0])  # noqa: S608
        for relation in relations
    )


def _refuse_too_many(connection: duckdb.DuckDBPyConnection, stratum: Stratum, names: Names, maximum: int) -> None:
    count = _count(connection, stratum.relations, names)
    if count > maximum:
        applied = ", ".join(f"`{rule.name}`" for rule in stratum.rules[:5])
        raise ConfigError(
            f"the rules {applied} derive more than {maximum} facts; ask more of their premises, or raise the limit",
            reason="TooManyDerivedFacts",
        )

"""Names → the trie that finds them and the candidates of each key.

Must not: tokenise (that was done when a file was parsed), or search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from llmos.knowledge.building.content import stream
from llmos.knowledge.building.schema import SCOPE_RANK
from llmos.knowledge.linking.linker import Linker
from llmos.knowledge.linking.names import LinkingSettings, findable

__all__ = ["PLURAL_RANK", "Mentions", "build_mentions"]

PLURAL_RANK: Final = 10
"""Added to the rank of a name that only a plural was made of."""

_FOUND: Final = f"""
CREATE OR REPLACE TEMP TABLE spoken AS
SELECT n.entity, {SCOPE_RANK} AS rank, f.partition, k.key, k.plural, split_part(lower(n.language), '-', 1) AS spoken
FROM name AS n JOIN findable AS k ON k.text = n.text JOIN file AS f ON f.number = n.file
WHERE k.key <> '' AND k.characters >= $minimum AND (lower(n.language) IN $languages OR split_part(lower(n.language), '-', 1) IN $languages);
CREATE OR REPLACE TEMP TABLE candidate AS
SELECT key, partition, entity, min(rank)::INTEGER AS rank FROM spoken GROUP BY key, partition, entity;
"""  # noqa: S608 - our own expression

# A plural is a guess: it is no candidate of a key that everybody, or this partition, writes as a name. What another partition writes is
# looked at when text is linked, by who is asking.
_PLURALS: Final = f"""
INSERT INTO candidate SELECT s.plural, s.partition, s.entity, min(s.rank) + {PLURAL_RANK} FROM spoken AS s
WHERE s.spoken = 'en' AND s.plural <> ''
  AND NOT EXISTS (SELECT 1 FROM candidate AS c WHERE c.key = s.plural AND c.partition IN ('', s.partition))
GROUP BY s.plural, s.partition, s.entity
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Mentions:
    """What is looked for in text; the candidates are the table `mention (key, partition, rank, entity)`."""

    linker: Linker
    num_names: int
    num_plurals: int


def build_mentions(connection: duckdb.DuckDBPyConnection, settings: LinkingSettings) -> Mentions:
    """Make the table `mention` of the merged names, and the trie of its keys."""
    _complete_findable(connection)
    languages = sorted({language.lower() for language in settings.languages})
    parameters = {"minimum": settings.minimum_name_characters, "languages": languages}
    for statement in _FOUND.split(";")[:-1]:
        wanted = {name: value for name, value in parameters.items() if f"${name}" in statement}
        connection.execute(statement, wanted)
    if "en" in {language.partition("-")[0] for language in languages}:
        connection.execute(_PLURALS)
    keys = [key for batch in stream(connection, "SELECT DISTINCT key FROM candidate ORDER BY key") for key in _encoded(batch)]
    linker = Linker.build(keys)
    _number_keys(connection, keys, linker.numbers(keys))
    (num_keys, num_plurals) = connection.execute(
        f"SELECT count(*), count(*) FILTER (best >= {PLURAL_RANK}) FROM (SELECT min(rank) AS best FROM mention GROUP BY key)"  # noqa: S608
    ).fetchone() or (0, 0)
    return Mentions(linker, num_keys - num_plurals, num_plurals)


def _complete_findable(connection: duckdb.DuckDBPyConnection) -> None:
    """Tokenise the names that did not come from a file."""
    missing = connection.execute("SELECT DISTINCT text FROM name WHERE text NOT IN (SELECT text FROM findable)").fetchall()
    if missing:
        connection.executemany("INSERT INTO findable VALUES (?, ?, ?, ?)", [(text, *findable(text)) for (text,) in missing])


def _encoded(batch: pa.RecordBatch) -> list[bytes]:
    keys: list[bytes] = batch.column(0).cast(pa.binary()).to_pylist()
    return keys


def _number_keys(connection: duckdb.DuckDBPyConnection, keys: Sequence[bytes], numbers: Sequence[int]) -> None:
    """Put the trie's numbers in place of the keys."""
    numbered = pa.table({"key": pa.array(keys, pa.binary()).cast(pa.string()), "number": pa.array(numbers, pa.int32())})
    connection.register("numbered", numbered)
    connection.execute(
        """CREATE OR REPLACE TABLE mention AS SELECT n.number AS key, c.partition, c.rank, c.entity
        FROM candidate AS c JOIN numbered AS n ON n.key = c.key"""
    )
    connection.unregister("numbered")
    connection.execute("DROP TABLE candidate; DROP TABLE spoken")

"""How much of what a snapshot holds; the numbers that people and conditions see.

Must not: change anything.
"""

from typing import Final

import duckdb

from llmos.knowledge.building.mentions import Mentions

__all__ = ["count_content"]

_COUNTS: Final = """
SELECT (SELECT count(*) FROM entity) AS entities,
  (SELECT count(*) FROM entity WHERE kind = 'Term') AS terms,
  (SELECT count(*) FROM entity WHERE kind = 'Disease') AS diseases,
  (SELECT count(*) FROM name) AS names,
  (SELECT count(*) FROM name AS n JOIN entity AS e ON e.number = n.entity WHERE n.scope <> 'Preferred' AND e.kind = 'Term') AS synonyms,
  (SELECT count(*) FROM attribute) AS attributes,
  (SELECT count(*) FROM fact) AS evidence,
  (SELECT count(*) FROM (SELECT DISTINCT subject, predicate, object FROM derived)) AS derived,
  (SELECT count(*) FROM problem) AS problems
"""
_PREDICATES: Final = """
SELECT predicate, count(*) AS num FROM (SELECT DISTINCT subject, predicate, object FROM fact)
GROUP BY predicate ORDER BY num DESC, predicate
"""

_SHOWN: Final = 100
_SHOWN_CHARACTERS: Final = 200
"""The description is read by the operator, which reads 64 KiB; a knowledge base may have thousands of predicates."""


def count_content(connection: duckdb.DuckDBPyConnection, mentions: Mentions) -> dict[str, int]:
    """Count the sealed tables; `facts.<predicate>` only for the hundred most frequent."""
    cursor = connection.execute(_COUNTS)
    names = [column[0] for column in cursor.description or ()]
    counts = dict(zip(names, cursor.fetchone() or (), strict=True))
    predicates = connection.execute(_PREDICATES).fetchall()
    counts["facts"] = sum(count for _, count in predicates)
    counts["linkableNames"] = mentions.num_names
    counts["pluralNames"] = mentions.num_plurals
    for predicate, count in predicates[:_SHOWN]:
        if len(predicate) <= _SHOWN_CHARACTERS:
            counts[f"facts.{predicate}"] = count
    return counts

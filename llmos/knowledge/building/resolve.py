"""Identifiers → the entities that stand for them: entities numbered, aliases followed to their end.

Must not: read files, or look at statements.
"""

from typing import Final

import duckdb

from llmos.knowledge.sink import UNTYPED

__all__ = ["resolve_identifiers"]

# Everybody's definition decides the kind; of several, the smaller word, whichever file came first.
_NUMBER: Final = f"""
CREATE TEMP TABLE defined AS SELECT id, partition, coalesce(min(kind) FILTER (kind <> '{UNTYPED}'), '{UNTYPED}') AS kind
  FROM found_entity GROUP BY id, partition;
INSERT INTO entity SELECT row_number() OVER (ORDER BY id), id, kind, id FROM (
  SELECT id, coalesce(min(kind) FILTER (partition = ''), min(kind)) AS kind FROM defined GROUP BY id) ORDER BY id;
INSERT INTO definition SELECT e.number, d.partition, d.kind FROM defined AS d JOIN entity AS e USING (id);
CREATE TEMP TABLE lookup (partition VARCHAR, id VARCHAR, number INTEGER);
"""  # noqa: S608 - our own word

_FIRST_STEP: Final = """
CREATE OR REPLACE TEMP TABLE step AS SELECT a.alias AS id, min(a.entity) AS target FROM found_alias AS a
WHERE a.partition IN ('', $partition) AND NOT EXISTS (SELECT 1 FROM defined AS d WHERE d.id = a.alias AND d.partition IN ('', $partition))
GROUP BY a.alias
"""

# Each round doubles how far an alias has been followed. What is in a circle never reaches an entity.
_NEXT_STEP: Final = """
CREATE OR REPLACE TEMP TABLE step AS SELECT s.id, coalesce(t.target, s.target) AS target
FROM step AS s LEFT JOIN step AS t ON t.id = s.target
"""

_STANDING: Final = """
SELECT e.id, e.number FROM entity AS e JOIN defined AS d ON d.id = e.id WHERE d.partition = $partition
UNION ALL
SELECT s.id, e.number FROM step AS s JOIN entity AS e ON e.id = s.target
WHERE EXISTS (SELECT 1 FROM defined AS d WHERE d.id = s.target AND d.partition IN ('', $partition))
"""


def resolve_identifiers(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `entity` and `definition`, and make `lookup`: for an identifier in a file of a partition, the number of its entity.

    Rows of a partition are there only where it differs from everybody's.
    """
    connection.execute(_NUMBER)
    partitions = [row[0] for row in connection.execute("SELECT DISTINCT partition FROM file ORDER BY partition").fetchall()]
    for partition in dict.fromkeys(["", *partitions]):
        _follow_aliases(connection, partition)
        connection.execute(
            f"""INSERT INTO lookup SELECT $partition, s.id, s.number FROM ({_STANDING}) AS s
            WHERE NOT EXISTS (SELECT 1 FROM lookup AS l WHERE l.partition = '' AND l.id = s.id AND l.number = s.number)""",  # noqa: S608
            {"partition": partition},
        )


def _follow_aliases(connection: duckdb.DuckDBPyConnection, partition: str) -> None:
    connection.execute(_FIRST_STEP, {"partition": partition})
    (num_steps,) = connection.execute("SELECT count(*) FROM step").fetchone() or (0,)
    for _ in range(int(num_steps).bit_length()):
        connection.execute(_NEXT_STEP)

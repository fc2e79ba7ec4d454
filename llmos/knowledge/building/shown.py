"""By which name an entity is shown.

Must not: change names.
"""

from collections.abc import Sequence
from typing import Final

import duckdb

from llmos.knowledge.building.schema import SCOPE_RANK

__all__ = ["choose_shown_names"]

# The closest scope; of these the first language of the linking settings; of these the smallest text, whichever file came first.
_SHOWN: Final = f"""
CREATE OR REPLACE TABLE shown AS
SELECT entity, partition, best.text AS text, best.rank AS rank FROM (
  SELECT n.entity, f.partition, min({{
    'rank': {SCOPE_RANK}::INTEGER,
    'language': coalesce(list_position($languages, split_part(lower(n.language), '-', 1)), 1000),
    'text': n.text}}) AS best
  FROM name AS n JOIN file AS f ON f.number = n.file GROUP BY n.entity, f.partition)
"""  # noqa: S608 - our own expression

# Everybody's names come before a partition's; an identifier is shown where nothing else is known.
_ENTITY_NAMES: Final = """
CREATE OR REPLACE TABLE entity AS SELECT e.number, e.id, e.kind, coalesce(s.text, e.id) AS name FROM entity AS e
LEFT JOIN (SELECT entity, arg_min(text, partition) AS text FROM shown GROUP BY entity) AS s ON s.entity = e.number
"""


def choose_shown_names(connection: duckdb.DuckDBPyConnection, languages: Sequence[str]) -> None:
    """Make `shown` (for each partition that names an entity, its best name) and set `entity.name` from it."""
    primary = [language.partition("-")[0].lower() for language in languages]
    connection.execute(_SHOWN, {"languages": primary})
    connection.execute(_ENTITY_NAMES)

"""The snapshot's SQLite file while it is written.

Must not: know what the tables mean.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb
import pyarrow as pa
from adbc_driver_sqlite import dbapi

from llmos.knowledge.layout import INDEXES, SCHEMA

__all__ = ["SnapshotDatabase"]

_BATCH_ROWS: Final = 1 << 16

# No journal: the file is new, and a build that dies starts again in an empty folder.
_PRAGMAS: Final = (
    "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA auto_vacuum=NONE; PRAGMA encoding='UTF-8';"
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536;"
)


class SnapshotDatabase:
    """A new database with the snapshot's tables; leave it, and it is whole and closed."""

    def __init__(self, path: Path, rows: duckdb.DuckDBPyConnection) -> None:
        """Create the file; `rows` is where rows come from, a connection that nobody else uses meanwhile."""
        self._rows = rows
        self._connection = dbapi.connect(str(path), autocommit=True)
        self._cursor = self._connection.cursor()
        self._run(_PRAGMAS + SCHEMA)
        self._run("BEGIN;")

    def _run(self, script: str) -> None:
        for statement in filter(None, map(str.strip, script.split(";"))):
            self._cursor.execute(statement)

    def write_tables(self, queries: Mapping[str, str]) -> None:
        """Fill tables, in this order, with what their queries give: columns by name, rows in the query's order."""
        for table, query in queries.items():
            self._ingest(table, self._rows.sql(query).to_arrow_reader(_BATCH_ROWS))

    def index(self) -> None:
        """Make the indexes; after the tables they are of."""
        self._run(INDEXES)

    def write_texts(self, table: str, texts: Mapping[str, str], *, columns: Sequence[str]) -> None:
        """Fill a table of two columns with names and texts, by name."""
        names = sorted(texts)
        values = [names, [texts[name] for name in names]]
        self._ingest(table, pa.table([pa.array(value, pa.string()) for value in values], list(columns)))

    def _ingest(self, table: str, rows: pa.RecordBatchReader | pa.Table) -> None:
        self._cursor.adbc_ingest(table, rows, mode="append")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._run("COMMIT;")
        finally:
            self._cursor.close()
            self._connection.close()

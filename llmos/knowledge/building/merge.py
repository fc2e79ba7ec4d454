"""Fragments → the tables of a knowledge base, in DuckDB: identifiers resolved, entities numbered, statements about nothing counted.

A file is read against what its own partition and everybody say, never against somebody else's partition: a private file can neither
complete nor redirect a statement of a public one, so it changes nothing of what others get.
Must not: parse, decide what is derived, or write a snapshot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from llmos.knowledge.building.fragment import Fragment, parquet_schema
from llmos.knowledge.building.resolve import resolve_identifiers
from llmos.knowledge.building.schema import FRAGMENT_COLUMNS, TABLES
from llmos.knowledge.building.shown import choose_shown_names

__all__ = ["MergedFile", "merge_fragments"]

_EVIDENCE: Final = "reference, code, frequency, method, sentence, confidence"
_UNKNOWN: Final = "' is not defined in any file of this knowledge base'"


@dataclass(frozen=True, slots=True)
class MergedFile:
    """A file as facts will cite it, and what it says."""

    source: str
    version: str
    path: str
    partition: str
    fragment: Fragment

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What distinguishes it, in the order of its number."""
        return self.source, self.version, self.path, self.partition


def merge_fragments(connection: duckdb.DuckDBPyConnection, files: Sequence[MergedFile], *, languages: Sequence[str], scratch: Path) -> None:
    """Create and fill the tables; the order of `files` leaves no trace.

    Args:
        connection: an empty in-process database.
        files: what to merge.
        languages: of an entity's preferred names, the one in the first of these is shown.
        scratch: an existing folder for a few small files.
    """
    connection.execute(TABLES)
    numbers = {identity: number for number, identity in enumerate(sorted({file.identity for file in files}), start=1)}
    connection.executemany("INSERT INTO file VALUES (?, ?, ?, ?, ?)", [(number, *identity) for identity, number in numbers.items()])
    for table in FRAGMENT_COLUMNS:
        _open_table(connection, table, files, numbers, scratch)
    resolve_identifiers(connection)
    _merge_facts(connection)
    _merge_attributes(connection)
    _merge_names(connection)
    choose_shown_names(connection, languages)
    connection.execute("""INSERT INTO problem SELECT DISTINCT f.source, f.path, p.line, p.message FROM found_problem AS p
        JOIN file AS f ON f.number = p.file""")


def _open_table(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    files: Iterable[MergedFile],
    numbers: dict[tuple[str, str, str, str], int],
    scratch: Path,
) -> None:
    """Make `found_<table>`: the rows of every fragment, each with its file and partition. Nothing is read yet."""
    present = [file for file in files if file.fragment.rows.get(table)]
    paths = [str(file.fragment.path(table)) for file in present]
    if not paths:
        empty = scratch / f"empty_{table}.parquet"
        pq.write_table(parquet_schema(table).empty_table(), empty)
        paths = [str(empty)]
    piece = pa.table(
        {
            "index": pa.array(range(len(present)), pa.uint64()),
            "file": pa.array([numbers[file.identity] for file in present], pa.int32()),
            "partition": pa.array([file.partition for file in present], pa.string()),
        }
    )
    connection.register("arriving", piece)
    connection.execute(f"CREATE TEMP TABLE piece_{table} AS SELECT * FROM arriving")  # noqa: S608 - our own tables
    connection.unregister("arriving")
    columns = ", ".join(f"r.{name}" for name in FRAGMENT_COLUMNS[table])
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    connection.execute(
        f"""CREATE TEMP VIEW found_{table} AS SELECT {columns}, piece.file, piece.partition
        FROM read_parquet([{listed}]) AS r JOIN piece_{table} AS piece ON piece.index = r.file_index"""  # noqa: S608 - our own paths
    )


def _resolved(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> str:
    """Return SQL for `found_<table>` with the number of the entity that stands for each of these columns, NULL where none does."""
    (is_partitioned,) = connection.execute("SELECT count(*) > 0 FROM lookup WHERE partition <> ''").fetchone() or (False,)
    numbers, joins = [], []
    for column in columns:
        joins.append(f"LEFT JOIN lookup AS {column}_0 ON {column}_0.id = r.{column} AND {column}_0.partition = ''")
        if is_partitioned:
            joins.append(f"LEFT JOIN lookup AS {column}_1 ON {column}_1.id = r.{column} AND {column}_1.partition = r.partition")
        own = f"{column}_1.number, " if is_partitioned else ""
        numbers.append(f"coalesce({own}{column}_0.number) AS {column}_number")
    return f"SELECT r.*, {', '.join(numbers)} FROM found_{table} AS r {' '.join(joins)}"  # noqa: S608 - our own names


def _report_unknown(connection: duckdb.DuckDBPyConnection, stated: str, columns: Sequence[str]) -> None:
    """Count each statement about something that no visible file defines, by the first such identifier."""
    missing = " ".join(f"WHEN {column}_number IS NULL THEN {column}" for column in columns)
    anywhere = " OR ".join(f"{column}_number IS NULL" for column in columns)
    connection.execute(
        f"""INSERT INTO problem SELECT DISTINCT f.source, f.path, s.line, CASE {missing} END || {_UNKNOWN}
        FROM {stated} AS s JOIN file AS f ON f.number = s.file WHERE {anywhere}"""  # noqa: S608
    )
    connection.execute(f"DELETE FROM {stated} WHERE {anywhere}")  # noqa: S608


def _merge_facts(connection: duckdb.DuckDBPyConnection) -> None:
    stated = _resolved(connection, "fact", ("subject", "object"))
    connection.execute(f"CREATE TEMP TABLE stated AS {stated}")
    _report_unknown(connection, "stated", ("subject", "object"))
    connection.execute(
        f"""INSERT INTO evidence SELECT row_number() OVER (ORDER BY file, {_EVIDENCE}), file, {_EVIDENCE}
        FROM (SELECT DISTINCT file, {_EVIDENCE} FROM stated)"""  # noqa: S608
    )
    connection.execute(
        f"""INSERT INTO fact SELECT DISTINCT s.subject_number, s.predicate, s.object_number, e.number
        FROM stated AS s JOIN evidence AS e USING (file, {_EVIDENCE})"""  # noqa: S608
    )
    connection.execute("DROP TABLE stated")


def _merge_attributes(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE TEMP TABLE stated AS {_resolved(connection, 'attribute', ('subject',))}")
    _report_unknown(connection, "stated", ("subject",))
    connection.execute("INSERT INTO attribute SELECT DISTINCT subject_number, predicate, value, datatype, language, file FROM stated")
    connection.execute("DROP TABLE stated")


def _merge_names(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE TEMP TABLE stated AS {_resolved(connection, 'name', ('entity',))}")
    _report_unknown(connection, "stated", ("entity",))
    connection.execute("INSERT INTO name SELECT DISTINCT entity_number, text, scope, tag, language, file FROM stated")
    connection.execute("INSERT INTO findable SELECT DISTINCT text, key, plural, characters FROM stated")
    connection.execute("DROP TABLE stated")

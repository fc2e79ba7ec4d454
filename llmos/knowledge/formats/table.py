"""Tables (CSV, TSV, JSONL, Parquet) → what a mapping says that their rows mean.

Must not: read bytes, or judge a row; `table_rows`, `table_parquet` and `table_apply` do.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from llmos.knowledge.formats.table_apply import MappedRows, Row
from llmos.knowledge.formats.table_mapping import TableMapping
from llmos.knowledge.formats.table_rows import Report, read_delimited, read_json_lines
from llmos.knowledge.sink import Sink

__all__ = ["TABLE_FORMATS", "parse_table"]

TABLE_FORMATS: Final = ("CSV", "JSONL", "Parquet", "TSV")
"""Format names in the resource."""

_Read = Callable[[Path, Sequence[str], Report], Iterator[tuple[int, Row]]]


def parse_table(location: Path, *, package_version: str, sink: Sink, format: str, options: TableMapping) -> None:
    """Read a table.

    Raises: ConfigError (InvalidSource) if it lacks a column that the mapping names, or is not what it claims to be; OSError if it cannot
    be read.
    """
    del package_version
    rows = MappedRows(options, sink)
    for line, row in _reader(format, options)(location, rows.columns, sink.problem):
        rows.add(row, line)


def _reader(format: str, options: TableMapping) -> _Read:
    if format == "CSV":
        return partial(read_delimited, delimiter=options.delimiter or ",", is_quoted=True)
    if format == "TSV":
        return partial(read_delimited, delimiter="\t", is_quoted=False)
    if format == "JSONL":
        return read_json_lines
    # Arrow is a heavy import, and most builds have no Parquet among their sources.
    from llmos.knowledge.formats.table_parquet import read_parquet

    return read_parquet

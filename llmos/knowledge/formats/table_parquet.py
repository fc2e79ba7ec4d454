"""Parquet files → rows of the columns that are wanted; the row's number, from 1, stands for its line.

Compressed data can be far larger than its file: how large it says it becomes is looked at first, and texts are read as dictionaries, so
that one long text that a million rows share is there once.
Must not: know what a column means.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llmos.errors import ConfigError
from llmos.knowledge.formats.table_apply import Cell, Row
from llmos.knowledge.formats.table_rows import MAXIMUM_CELL_CHARACTERS, Report, missing_columns, to_cell

__all__ = ["read_parquet"]

_BATCH_ROWS: Final = 4096
_MAXIMUM_GROUP_BYTES: Final = 1 << 30


def read_parquet(path: Path, columns: Sequence[str], report: Report) -> Iterator[tuple[int, Row]]:
    """Return number and cells of each row.

    Raises: ConfigError (InvalidSource) if it lacks a column, is no Parquet, or a row group is larger than a gigabyte.
    """
    try:
        with pq.ParquetFile(path, read_dictionary=_texts(path)) as file:
            names = file.schema_arrow.names
            if any(column not in names for column in columns):
                raise missing_columns(path, columns, names)
            _refuse_large(path, file, columns)
            number = 1
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
                yield from _rows(batch, columns, number, report)
                number += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read as Parquet: {error}", reason="InvalidSource") from error


def _texts(path: Path) -> list[str]:
    schema = pq.read_schema(path)
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def _refuse_large(path: Path, file: pq.ParquetFile, columns: Sequence[str]) -> None:
    for index in range(file.num_row_groups):
        group = file.metadata.row_group(index)
        parts = [group.column(place) for place in range(group.num_columns)]
        size = sum(part.total_uncompressed_size for part in parts if part.path_in_schema.partition(".")[0] in columns)
        if size > _MAXIMUM_GROUP_BYTES:
            raise ConfigError(
                f"row group {index} of {path.name} becomes {size} bytes, more than {_MAXIMUM_GROUP_BYTES}; write it in smaller row groups",
                reason="InvalidSource",
            )


def _rows(batch: pa.RecordBatch, columns: Sequence[str], first: int, report: Report) -> Iterator[tuple[int, Row]]:
    cells = [_cells(batch.column(name), name) for name in columns]
    for number, row in enumerate(zip(*cells, strict=True), start=first):
        wrong = next((value for value in row if isinstance(value, ValueError)), None)
        if wrong is not None:
            report(number, str(wrong))
        else:
            yield number, row


def _cells(column: pa.Array, name: str) -> list[Any]:
    """Return a column's cells, a ValueError in place of one that cannot be used."""
    if isinstance(column, pa.DictionaryArray):
        # Its texts once; rows only point at them.
        texts = _values(column.dictionary, name)
        return [None if place is None else texts[place] for place in column.indices.to_pylist()]
    return _values(column, name)


def _values(array: pa.Array, name: str) -> list[Any]:
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        lengths = pc.utf8_length(array)
        too_long = pc.greater(lengths, MAXIMUM_CELL_CHARACTERS)
        short = pc.if_else(too_long, pa.scalar(None, array.type), array).to_pylist()
        pairs = zip(short, lengths.to_pylist(), strict=True)
        return [
            ValueError(f"column {name!r} has {length} characters, more than {MAXIMUM_CELL_CHARACTERS}")
            if length is not None and length > MAXIMUM_CELL_CHARACTERS
            else text
            for text, length in pairs
        ]
    return [_cell_or_error(value, name) for value in array.to_pylist()]


def _cell_or_error(value: Any, name: str) -> Cell | ValueError:
    try:
        return to_cell(value, name)
    except ValueError as error:
        return error

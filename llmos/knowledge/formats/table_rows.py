"""Tables in text (CSV, TSV, JSONL) → rows of the columns that are wanted; a row that cannot be used is reported with its line.

Lines and cells are bounded before they are read whole, so a cell of 100 MB costs a message, not its size.
Must not: know what a column means.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from llmos.errors import ConfigError
from llmos.knowledge.formats.table_apply import Cell, Row

__all__ = ["MAXIMUM_CELL_CHARACTERS", "Report", "missing_columns", "read_delimited", "read_json_lines", "to_cell"]

Report = Callable[[int, str], None]
"""Told the line, and what is wrong there."""

MAXIMUM_CELL_CHARACTERS: Final = 131_072
"""Longer cells make their row unusable; it is also what Python's csv allows."""

_MAXIMUM_LINE_CHARACTERS: Final = 4 << 20
_PIECE_CHARACTERS: Final = 1 << 20
_REPLACEMENT: Final = "\ufffd"


def missing_columns(path: Path, columns: Sequence[str], found: Sequence[str]) -> ConfigError:
    """Return the error for a mapping that names columns a table lacks."""
    lacks = ", ".join(repr(column) for column in columns if column not in found)
    has = ", ".join(repr(column[:64]) for column in found[:32]) or "none"
    return ConfigError(f"the mapping of {path.name} names columns that it lacks: {lacks}; it has {has}", reason="InvalidSource")


class _BoundedLines:
    """The lines of a file; in place of a line that is too long comes an empty one. `number` is that of the last line."""

    def __init__(self, file: IO[str], report: Report) -> None:
        self._file = file
        self._report = report
        self.number = 0

    def __iter__(self) -> "_BoundedLines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(_MAXIMUM_LINE_CHARACTERS)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) < _MAXIMUM_LINE_CHARACTERS or line.endswith("\n"):
            return line
        while line and not line.endswith("\n"):
            line = self._file.readline(_PIECE_CHARACTERS)
        self._report(self.number, f"a line of more than {_MAXIMUM_LINE_CHARACTERS} characters")
        return "\n"


def _open(path: Path) -> IO[str]:
    # newline="": csv itself must see which line ends stand inside quotes. Bad bytes become U+FFFD, which makes their row a bad one.
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def read_delimited(path: Path, columns: Sequence[str], report: Report, *, delimiter: str, is_quoted: bool) -> Iterator[tuple[int, Row]]:
    """Return line and cells of each row of CSV or TSV; its first row names the columns.

    Args:
        path: the file.
        columns: which are wanted, in the order wanted.
        report: told what is wrong where.
        delimiter: between two cells.
        is_quoted: a cell may be in double quotes, and then hold delimiters and line ends; TSV has none.

    Raises: ConfigError (InvalidSource) if the header lacks a column.
    """
    with _open(path) as file:
        lines = _BoundedLines(file, report)
        quoting: Any = {"quoting": csv.QUOTE_MINIMAL, "strict": True} if is_quoted else {"quoting": csv.QUOTE_NONE}
        reader = csv.reader(lines, delimiter=delimiter, **quoting)
        places: list[int] | None = None
        num_cells = 0
        for line, cells in _records(reader, lines, report):
            if places is None:
                header = [cell.strip() for cell in cells]
                places, num_cells = _places(path, columns, header), len(header)
            elif len(cells) != num_cells:
                report(line, f"{len(cells)} cells where the header has {num_cells}")
            elif any(_REPLACEMENT in cell for cell in cells):
                report(line, "the row has bytes that are no UTF-8")
            else:
                yield line, [cells[place] for place in places]
        if places is None:
            raise missing_columns(path, columns, ())


def _records(reader: Iterator[list[str]], lines: _BoundedLines, report: Report) -> Iterator[tuple[int, list[str]]]:
    """Return the rows that are none of them empty, with the line they begin at."""
    while True:
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The reader forgets what it had and begins anew at the next line.
            report(line, f"not a row: {error}")
            continue
        if any(cells):
            yield line, cells


def _places(path: Path, columns: Sequence[str], header: Sequence[str]) -> list[int]:
    if any(column not in header for column in columns):
        raise missing_columns(path, columns, header)
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise ConfigError(f"the header of {path.name} has the column {twice[0]!r} twice; rename one", reason="InvalidSource")
    return [header.index(column) for column in columns]


def read_json_lines(path: Path, columns: Sequence[str], report: Report) -> Iterator[tuple[int, Row]]:
    """Return line and cells of each object of a JSONL file; a key that an object lacks is an empty cell.

    Raises: ConfigError (InvalidSource) if no object at all has one of the columns.
    """
    found: dict[str, None] = {}
    with _open(path) as file:
        lines = _BoundedLines(file, report)
        for text in lines:
            if not text.strip():
                continue
            try:
                row = _object(text)
                cells = [to_cell(row.get(column), column) for column in columns]
            except (ValueError, RecursionError) as error:
                report(lines.number, str(error) if type(error) is ValueError else f"not a JSON object: {error}")
                continue
            if len(found) < len(columns):
                found.update(dict.fromkeys(column for column in columns if column in row))
            yield lines.number, cells
    if len(found) < len(columns):
        raise missing_columns(path, columns, list(found))


def _object(text: str) -> dict[str, Any]:
    row = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(row, dict):
        raise ValueError(f"a line must be a JSON object, not {type(row).__name__}")
    if _REPLACEMENT in text:
        raise ValueError("the row has bytes that are no UTF-8")
    return row


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def to_cell(value: Any, column: str) -> Cell:
    """Return a value as text, or a list of texts; ValueError if it has a structure of its own, or is too long."""
    if isinstance(value, list):
        return [text for each in value if (text := _to_text(each, column)) is not None]
    return _to_text(value, column)


def _to_text(value: Any, column: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | bytes):
        raise ValueError(f"column {column!r} holds a {type(value).__name__}; only texts, numbers and lists of them can be read")
    # Dates and times have isoformat, whose text does not depend on a locale.
    text = value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else str(value)
    if len(text) > MAXIMUM_CELL_CHARACTERS:
        raise ValueError(f"column {column!r} has {len(text)} characters, more than {MAXIMUM_CELL_CHARACTERS}")
    return text

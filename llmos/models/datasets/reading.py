"""Reading labelled items from JSONL or CSV, row by row; the first bad row is one error that names row, column and value.

Must not: guess. A missing column, an empty text or a number where text belongs is an error, never a skipped row.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from llmos.errors import ConfigError
from llmos.models.datasets.examples import Dataset, Example, LabelKind

__all__ = ["Columns", "read_csv", "read_jsonl"]

MAX_ROWS: Final = 1_000_000
MAX_BYTES: Final = 256 << 20
"""Of the file; a set this large is measured on a sample of it anyway."""

MAX_TEXT: Final = 100_000
"""Characters of one text; longer ones are cut by any model long before."""

MAX_TEXTS: Final = 64
"""Facts of one item, and texts that would be right."""

MAX_VALUE: Final = 256
"""Characters of a label, group or slice."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column means what."""

    text: str = "text"
    label: str = "label"
    label_kind: LabelKind = LabelKind.ID
    second_text: str | None = None
    facts: str | None = None
    group: str | None = None
    slices: tuple[str, ...] = ()


def read_jsonl(path: Path, columns: Columns, *, name: str = "dataset") -> Dataset:
    """Read a file of one JSON object a line. With tags, the text is a list of tokens; facts and answers may be lists.

    Args:
        name: of the file, in messages.

    Raises: ConfigError (InvalidDataset).
    """

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for number, line in _lines(path, name):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{name}, row {number}: is no JSON: {error}", reason="InvalidDataset") from None
            if not isinstance(row, dict):
                raise ConfigError(f"{name}, row {number}: must be a JSON object, found {line.strip()!r:.80}", reason="InvalidDataset")
            yield number, row

    return _collect(rows(), columns, name)


def read_csv(path: Path, columns: Columns, *, name: str = "dataset") -> Dataset:
    """Read a file of comma-separated values (RFC 4180, UTF-8) whose first line names the columns.

    Raises: ConfigError (InvalidDataset).
    """

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        reader = csv.reader((line for _, line in _lines(path, name)), strict=True)
        header: list[str] | None = None
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                if header is None:
                    header = _check_header(cells, name)
                elif cells and len(cells) != len(header):
                    raise ConfigError(
                        f"{name}, row {number}: has {len(cells)} cells, and the first row names {len(header)} columns",
                        reason="InvalidDataset",
                    )
                elif cells:
                    yield number, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise ConfigError(f"{name}, row {number + 1}: is no CSV: {error}", reason="InvalidDataset") from None

    return _collect(rows(), columns, name)


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(
            f"{name} has {path.stat().st_size:,} bytes, and at most {MAX_BYTES:,} are read; give a part of it", reason="InvalidDataset"
        )
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}, after row {number}: is not UTF-8: {error}", reason="InvalidDataset") from None


def _check_header(cells: list[str], name: str) -> list[str]:
    if doubled := {cell for cell in cells if cells.count(cell) > 1}:
        raise ConfigError(f"{name}, row 1: names the column {sorted(doubled)[0]!r} twice", reason="InvalidDataset")
    return cells


def _collect(rows: Iterable[tuple[int, Mapping[str, Any]]], columns: Columns, name: str) -> Dataset:
    examples: list[Example] = []
    for number, row in rows:
        if len(examples) == MAX_ROWS:
            raise ConfigError(f"{name} has more than {MAX_ROWS:,} rows; give a part of it", reason="InvalidDataset")
        examples.append(_Row(row, number, name).to_example(columns))
    if not examples:
        raise ConfigError(f"{name} has no rows", reason="InvalidDataset")
    return Dataset(tuple(examples))


@dataclass(frozen=True, slots=True)
class _Row:
    """One row, which knows where it stands when something is wrong with it."""

    values: Mapping[str, Any]
    number: int
    file: str

    def to_example(self, columns: Columns) -> Example:
        given, kind = self._get(columns.text), columns.label_kind
        tokens = self._tokens(columns.text, given) if kind is LabelKind.TAGS else ()
        return Example(
            text=" ".join(tokens) if tokens else self._text(columns.text, given, MAX_TEXT),
            label=self._word(columns.label, self._get(columns.label)) if kind is LabelKind.ID else None,
            second_text=self._text(columns.second_text, self._get(columns.second_text), MAX_TEXT) if columns.second_text else None,
            tokens=tokens,
            tags=self._tags(columns.label, self._get(columns.label), len(tokens)) if tokens else (),
            answers=self._texts(columns.label) if kind is LabelKind.TEXTS else (),
            facts=self._texts(columns.facts, may_be_empty=True) if columns.facts else (),
            groups=self._groups(columns.group),
            slices={column: self._word(column, self._get(column), may_be_empty=True) for column in columns.slices},
        )

    def _get(self, column: str) -> Any:
        if column not in self.values:
            raise ConfigError(
                f"{self.file}, row {self.number}: has no column {column!r}; it has {', '.join(map(repr, self.values))}",
                reason="InvalidDataset",
            )
        return self.values[column]

    def _groups(self, column: str | None) -> tuple[str, ...]:
        if column is None:
            return ()
        value = self._get(column)
        values = value if isinstance(value, list) else [value]
        return tuple(sorted({self._word(column, item) for item in values}))

    def _tokens(self, column: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            self._refuse(column, value, "must be a list of tokens, which JSONL can hold")
        return tuple(self._text(column, token, MAX_TEXT) for token in value)

    def _texts(self, column: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
        given = self._get(column)
        value = given if isinstance(given, list) else [given] if given != "" or not may_be_empty else []
        if len(value) > MAX_TEXTS or not (value or may_be_empty):
            self._refuse(column, given, f"must be a text, or a list of at most {MAX_TEXTS} and not empty")
        return tuple(self._text(column, item, MAX_TEXT) for item in value)

    def _tags(self, column: str, value: Any, count: int) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) != count:
            self._refuse(column, value, f"must be a list of {count} tags, one for each token")
        return tuple(self._word(column, tag) for tag in value)

    def _text(self, column: str, value: Any, limit: int) -> str:
        if not isinstance(value, str) or not value.strip():
            self._refuse(column, value, "must be text, and not empty")
        if len(value) > limit:
            self._refuse(column, value, f"must have at most {limit:,} characters and has {len(value):,}")
        return value

    def _word(self, column: str, value: Any, *, may_be_empty: bool = False) -> str:
        # Ids are often written as numbers; a float or a truth value never is one.
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return value if may_be_empty and value == "" else self._text(column, value, MAX_VALUE)

    def _refuse(self, column: str, value: Any, must: str) -> NoReturn:
        raise ConfigError(f"{self.file}, row {self.number}, column {column!r}: {must}, found {value!r:.100}", reason="InvalidDataset")

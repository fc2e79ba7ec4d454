"""A mapping, applied to rows: each row's entities, names, attributes and facts are told to a sink.

Must not: know where rows come from.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.formats.table_mapping import EntityRule, FactRule, Split, TableMapping, columns_of, parse_template
from llmos.knowledge.sink import Sink

__all__ = ["Cell", "MappedRows", "Row"]

Cell = str | list[str] | None
"""A text, several, or nothing."""

Row = Sequence[Cell]
"""The cells of `columns_of(mapping)`, in that order."""

_Fill = Callable[[Row], str]


class _MissingCell(Exception):
    """A template's cell is empty."""


class _SeveralValues(Exception):
    """A template's cell is a list that no `split` takes apart."""


@dataclass(frozen=True, slots=True)
class _Splitter:
    column: int
    separator: str | None

    def rows(self, row: Row) -> Iterator[Row]:
        """Return the row once for each value of the cell; once as it is where there is none."""
        values = _several(row[self.column], self.separator)
        if not values:
            yield [*row[: self.column], None, *row[self.column + 1 :]]
        for value in values:
            yield [*row[: self.column], value, *row[self.column + 1 :]]


def _several(cell: Cell, separator: str | None) -> list[str]:
    if cell is None:
        return []
    if isinstance(cell, list):
        return [text for each in cell if (text := each.strip())]
    return [text for part in (cell.split(separator) if separator else (cell,)) if (text := part.strip())]


def _identifier(text: str) -> str:
    """Make a value fit into an identifier: one form for what looks the same (NFC), and no white space."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return "_".join(text.split()) if " " in text or not text.isprintable() else text


def _filler(text: str, place: dict[str, int]) -> _Fill:
    template = parse_template(text)
    pairs = [(place[column], after) for column, after in zip(template.columns, template.texts[1:], strict=True)]
    first = template.texts[0]

    def fill(row: Row) -> str:
        parts = first
        for column, after in pairs:
            value = row[column]
            if isinstance(value, list):
                raise _SeveralValues(column)
            if value is None:
                raise _MissingCell(column)
            parts += _identifier(value) + after
        return parts

    return fill


class MappedRows:
    """Applies a mapping to one row after another."""

    def __init__(self, mapping: TableMapping, sink: Sink) -> None:
        self.columns: Final = columns_of(mapping)
        self._sink = sink
        self._missing = frozenset(mapping.missing_values)
        self._place = {column: index for index, column in enumerate(self.columns)}
        self._rules = [self._bind(rule, self._entity(rule)) for rule in mapping.entities]
        self._rules += [self._bind(rule, self._fact(rule)) for rule in mapping.facts]

    def add(self, row: Row, line: int) -> None:
        """Tell the sink what a row says."""
        cells = [self._clean(cell) for cell in row]
        for rule in self._rules:
            rule(cells, line)

    def _clean(self, cell: Cell) -> Cell:
        if isinstance(cell, str):
            cell = cell.strip()
            return None if not cell or cell in self._missing else cell
        return [text for text in cell if text.strip() not in self._missing] if cell else None

    def _bind(self, rule: EntityRule | FactRule, tell: Callable[[Row, int], None]) -> Callable[[Row, int], None]:
        """Wrap what a rule tells with its `split` and `whenMissing`."""
        splitter = self._splitter(rule.split) if rule.split else None
        reports = rule.when_missing == "Report"

        def apply(row: Row, line: int) -> None:
            for one in splitter.rows(row) if splitter else (row,):
                try:
                    tell(one, line)
                except _MissingCell as error:
                    if reports:
                        self._sink.problem(line, f"column {self.columns[error.args[0]]!r} is empty")
                except _SeveralValues as error:
                    self._sink.problem(line, f"column {self.columns[error.args[0]]!r} holds a list; the mapping needs a `split` for it")

        return apply

    def _splitter(self, split: Split) -> _Splitter:
        return _Splitter(self._place[split.column], split.separator)

    def _entity(self, rule: EntityRule) -> Callable[[Row, int], None]:
        sink, place = self._sink, self._place
        fill_id, fill_kind = _filler(rule.id, place), _filler(rule.kind, place)
        names = [(place[name.column], name) for name in rule.names]
        attributes = [(place[attribute.column], attribute) for attribute in rule.attributes]
        aliases = [_filler(alias, place) for alias in rule.aliases]

        def tell(row: Row, line: int) -> None:
            id = fill_id(row)
            sink.entity(id, fill_kind(row))
            for column, name in names:
                for text in _several(row[column], name.separator):
                    sink.name(id, " ".join(text.split()), scope=name.scope, tag=name.tag, language=name.language, line=line)
            for column, attribute in attributes:
                for text in _several(row[column], None):
                    sink.attribute(id, attribute.predicate, text, datatype=attribute.datatype, language=attribute.language, line=line)
            for fill_alias in aliases:
                try:
                    alias = fill_alias(row)
                except _MissingCell:
                    continue
                if alias != id:
                    sink.alias(alias, id)

        return tell

    def _fact(self, rule: FactRule) -> Callable[[Row, int], None]:
        sink, place = self._sink, self._place
        subject, predicate, object = (_filler(text, place) for text in (rule.subject, rule.predicate, rule.object))
        reference, code, frequency = (place[column] if column else None for column in (rule.reference, rule.code, rule.frequency))

        def text(row: Row, column: int | None) -> str:
            return "; ".join(_several(row[column], None)) if column is not None else ""

        def tell(row: Row, line: int) -> None:
            sink.fact(
                subject(row),
                predicate(row),
                object(row),
                reference=text(row, reference),
                code=text(row, code),
                frequency=text(row, frequency),
                line=line,
            )

        return tell

"""How the columns of a table become knowledge: `files[].mapping` of a source, checked before a file is opened.

An identifier is a template such as `ICD:{code}`: text, with names of columns in braces. A rule applies to every row; one with `split`
applies once for each value in a cell that holds several.
Must not: read a table.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from llmos.errors import ConfigError
from llmos.knowledge.formats.identifiers import OPTIONS
from llmos.knowledge.sink import Scope

__all__ = ["AttributeColumn", "EntityRule", "FactRule", "NameColumn", "Split", "TableMapping", "Template", "columns_of", "parse_template"]

Column = Annotated[str, Field(min_length=1, max_length=256)]
TemplateText = Annotated[str, Field(min_length=1, max_length=512)]
Separator = Annotated[str, Field(min_length=1, max_length=8)]
WhenMissing = Literal["Report", "Skip"]

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class Split:
    """A cell with several values: the rule applies to each of them as if it stood there alone."""

    column: Column
    separator: Separator | None = None
    """Between two values; None where the cell is a list already (JSONL, Parquet)."""


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class NameColumn:
    """A column with a name, or several."""

    column: Column
    language: Annotated[str, Field(min_length=1, max_length=35)] = "en"
    scope: Scope = Scope.Preferred
    tag: Annotated[str, Field(max_length=64)] = ""
    separator: Separator | None = None
    """Between two names of a cell; None for one name, or a list."""


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class AttributeColumn:
    """A column with a literal."""

    column: Column
    predicate: Annotated[str, Field(min_length=1, max_length=256)]
    datatype: Annotated[str, Field(max_length=256)] = ""
    """An absolute IRI; empty for text."""

    language: Annotated[str, Field(max_length=35)] = ""


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class EntityRule:
    """Something that each row is about."""

    id: TemplateText
    kind: TemplateText
    names: Annotated[tuple[NameColumn, ...], Field(max_length=32)] = ()
    attributes: Annotated[tuple[AttributeColumn, ...], Field(max_length=64)] = ()
    aliases: Annotated[tuple[TemplateText, ...], Field(max_length=8)] = ()
    """Other identifiers of the same thing; one whose cell is empty is left out."""

    split: Split | None = None
    when_missing: WhenMissing = "Report"
    """What an empty cell of `id` or `kind` means: a malformed row, or a row that has no such entity."""


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class FactRule:
    """A statement that each row makes."""

    subject: TemplateText
    predicate: TemplateText
    object: TemplateText
    reference: Column | None = None
    code: Column | None = None
    frequency: Column | None = None
    split: Split | None = None
    when_missing: WhenMissing = "Report"
    """What an empty cell of `subject`, `predicate` or `object` means: a malformed row, or a row that does not say this."""


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class TableMapping:
    """What a table's rows say."""

    entities: Annotated[tuple[EntityRule, ...], Field(max_length=16)] = ()
    facts: Annotated[tuple[FactRule, ...], Field(max_length=32)] = ()
    missing_values: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=16)] = ()
    """Cells that mean nothing, such as `NA`; empty ones always do."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """Between the cells of CSV; None: a comma."""

    def __post_init__(self) -> None:
        if not self.entities and not self.facts:
            raise ConfigError("a mapping must have `entities` or `facts`: without them a table says nothing", reason="InvalidSpec")
        for rule in _rules(self):
            for text in _templates(rule):
                parse_template(text)
        for entity in self.entities:
            if not parse_template(entity.id).columns:
                raise ConfigError(f"the id {entity.id!r} names no column: all rows would be one entity", reason="InvalidSpec")


@dataclass(frozen=True, slots=True)
class Template:
    """Text before, between and after columns."""

    texts: tuple[str, ...]
    columns: tuple[str, ...]


def parse_template(text: str) -> Template:
    """Split a template at its braces; ConfigError (InvalidSpec) if they do not pair."""
    parts = _PLACEHOLDER.split(text)
    if any("{" in part or "}" in part for part in parts) or not all(parts[1::2]):
        raise ConfigError(f"the template {text!r} must have names of columns in braces, as in 'ICD:{{code}}'", reason="InvalidSpec")
    return Template(tuple(parts[::2]), tuple(parts[1::2]))


def _rules(mapping: TableMapping) -> tuple[EntityRule | FactRule, ...]:
    return (*mapping.entities, *mapping.facts)


def _templates(rule: EntityRule | FactRule) -> tuple[str, ...]:
    if isinstance(rule, EntityRule):
        return (rule.id, rule.kind, *rule.aliases)
    return (rule.subject, rule.predicate, rule.object)


def _columns(rule: EntityRule | FactRule) -> Iterator[str]:
    for text in _templates(rule):
        yield from parse_template(text).columns
    if rule.split:
        yield rule.split.column
    if isinstance(rule, EntityRule):
        yield from (name.column for name in rule.names)
        yield from (attribute.column for attribute in rule.attributes)
    else:
        yield from (column for column in (rule.reference, rule.code, rule.frequency) if column)


def columns_of(mapping: TableMapping) -> tuple[str, ...]:
    """Return the columns that a mapping names, each once, in the order it names them."""
    return tuple(dict.fromkeys(column for rule in _rules(mapping) for column in _columns(rule)))

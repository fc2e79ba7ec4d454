"""How a file of a KnowledgeBase's source is read: parsed field by field, so that what the API server fills in and what a user leaves out
have one inputs hash.

Must not: judge; the API server did, and the build checks again.
"""

from llmos_operator.api.parts import Part

__all__ = ["SourceFile"]


class Prefix(Part):
    """A short form of IRIs."""

    prefix: str
    iri: str


class RdfReading(Part):
    """How RDF is understood."""

    prefixes: tuple[Prefix, ...] | None = None
    language: str = "en"
    aliases: tuple[str, ...] | None = None
    blank_nodes: str = "Canonical"
    base: str | None = None


class Split(Part):
    """A cell with several values."""

    column: str
    separator: str | None = None


class NameColumn(Part):
    """A column with names."""

    column: str
    language: str = "en"
    scope: str = "Preferred"
    tag: str | None = None
    separator: str | None = None


class AttributeColumn(Part):
    """A column with literals."""

    column: str
    predicate: str
    datatype: str | None = None
    language: str | None = None


class EntityRule(Part):
    """What each row is about."""

    id: str
    kind: str
    names: tuple[NameColumn, ...] | None = None
    attributes: tuple[AttributeColumn, ...] | None = None
    aliases: tuple[str, ...] | None = None
    split: Split | None = None
    when_missing: str = "Report"


class FactRule(Part):
    """What each row says."""

    subject: str
    predicate: str
    object: str
    reference: str | None = None
    code: str | None = None
    frequency: str | None = None
    split: Split | None = None
    when_missing: str = "Report"


class TableMapping(Part):
    """What the rows of a table mean."""

    entities: tuple[EntityRule, ...] | None = None
    facts: tuple[FactRule, ...] | None = None
    missing_values: tuple[str, ...] | None = None
    delimiter: str | None = None


class SourceFile(Part):
    """A file of a source."""

    path: str
    format: str
    rdf: RdfReading | None = None
    mapping: TableMapping | None = None

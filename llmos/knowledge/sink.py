"""What a parser gives its findings to: the one interface between a format and a build.

A parser calls these methods in the order of its file and keeps nothing; who listens decides where the rows go. `ListSink` keeps them in
lists, for tests and small notebooks; the build has one that writes columns to disk, so that ten million facts need no more memory than one.
Must not: resolve identifiers or know other files.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

__all__ = ["CERTAIN", "UNTYPED", "FoundAttribute", "FoundFact", "FoundName", "ListSink", "Scope", "Sink"]

CERTAIN: Final = 1000
"""Confidence is counted in thousandths: canonical JSON has no floats."""

UNTYPED: Final = "Thing"
"""Kind of an entity of which a file does not say what it is; any other file's word for it counts more."""


class Scope(StrEnum):
    """How closely a name fits its entity, closest first."""

    Preferred = "Preferred"
    Exact = "Exact"
    Narrow = "Narrow"
    Broad = "Broad"
    Related = "Related"


class Sink(Protocol):
    """Takes what a file says. `line` is where it stands, counted from 1; 0 where the format has no lines."""

    def version(self, text: str) -> None:
        """Take the version that the file calls itself, in place of its package's."""

    def entity(self, id: str, kind: str) -> None:
        """Take something that can be named and have facts; the same one may come again."""

    def name(self, entity: str, text: str, *, scope: Scope = Scope.Preferred, tag: str = "", language: str = "en", line: int = 0) -> None:
        """Take one name of an entity. `language` is BCP 47; `tag` is what the source calls this kind of name."""

    def fact(
        self,
        subject: str,
        predicate: str,
        object: str,
        *,
        reference: str = "",
        code: str = "",
        frequency: str = "",
        confidence: int = CERTAIN,
        method: str = "",
        sentence: str = "",
        line: int = 0,
    ) -> None:
        """Take a statement about two entities and why the source says so.

        `reference` is where it was published, `code` the source's grade, `frequency` as written; `confidence` (thousandths), `method` and
        `sentence` are set where it was extracted from text.
        """

    def attribute(self, subject: str, predicate: str, value: str, *, datatype: str = "", language: str = "", line: int = 0) -> None:
        """Take a literal: `datatype` is an absolute IRI or empty for plain text, whose `language` may be given."""

    def alias(self, alias: str, entity: str) -> None:
        """Take another identifier (alternative, or replaced) of an entity."""

    def problem(self, line: int, message: str) -> None:
        """Take a place that could not be used: it is counted and shown, and is fatal only above a threshold."""


@dataclass(frozen=True, slots=True, order=True)
class FoundName:
    """A call of `Sink.name`."""

    entity: str
    text: str
    scope: Scope
    tag: str
    language: str


@dataclass(frozen=True, slots=True, order=True)
class FoundFact:
    """A call of `Sink.fact`."""

    subject: str
    predicate: str
    object: str
    reference: str
    code: str
    frequency: str
    confidence: int
    method: str
    sentence: str
    line: int


@dataclass(frozen=True, slots=True, order=True)
class FoundAttribute:
    """A call of `Sink.attribute`."""

    subject: str
    predicate: str
    value: str
    datatype: str
    language: str
    line: int


@dataclass(slots=True)
class ListSink:
    """A sink that keeps everything, in the order it came."""

    versions: list[str] = field(default_factory=list)
    entities: list[tuple[str, str]] = field(default_factory=list)
    names: list[FoundName] = field(default_factory=list)
    facts: list[FoundFact] = field(default_factory=list)
    attributes: list[FoundAttribute] = field(default_factory=list)
    aliases: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def version(self, text: str) -> None:
        """Keep it."""
        self.versions.append(text)

    def entity(self, id: str, kind: str) -> None:
        """Keep it."""
        self.entities.append((id, kind))

    def name(self, entity: str, text: str, *, scope: Scope = Scope.Preferred, tag: str = "", language: str = "en", line: int = 0) -> None:
        """Keep it."""
        self.names.append(FoundName(entity, text, scope, tag, language))

    def fact(
        self,
        subject: str,
        predicate: str,
        object: str,
        *,
        reference: str = "",
        code: str = "",
        frequency: str = "",
        confidence: int = CERTAIN,
        method: str = "",
        sentence: str = "",
        line: int = 0,
    ) -> None:
        """Keep it."""
        self.facts.append(FoundFact(subject, predicate, object, reference, code, frequency, confidence, method, sentence, line))

    def attribute(self, subject: str, predicate: str, value: str, *, datatype: str = "", language: str = "", line: int = 0) -> None:
        """Keep it."""
        self.attributes.append(FoundAttribute(subject, predicate, value, datatype, language, line))

    def alias(self, alias: str, entity: str) -> None:
        """Keep it."""
        self.aliases.append((alias, entity))

    def problem(self, line: int, message: str) -> None:
        """Keep it."""
        self.problems.append((line, message))

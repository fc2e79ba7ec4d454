"""OBO 1.2/1.4 files → terms, their names and synonyms, `is_a`, and identifiers that were merged or replaced.

A parser of our own, because it needs 200 lines less than it seems: we read nine tags of `[Term]` stanzas, need the line number of every
problem, and must not fail on a bad line. fastobo (Rust) stops at the first syntax error; pronto needs four times as long.
Must not: know the Human Phenotype Ontology; nothing here is particular to it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from llmos.knowledge.sink import Scope, Sink

__all__ = ["parse_obo"]

_SYNONYM: Final = re.compile(r'"((?:[^"\\]|\\.)*)"\s+(EXACT|BROAD|NARROW|RELATED)(?:\s+([^\s\[]+))?\s*\[')
_SCOPES: Final = {"EXACT": Scope.Exact, "BROAD": Scope.Broad, "NARROW": Scope.Narrow, "RELATED": Scope.Related}
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": " ", "t": " ", "W": " "}
_SPACE: Final = re.compile(r"\s+")
_IDENTIFIER: Final = re.compile(r"[^\s:]+:\S+|\S+\Z")
_LANGUAGE: Final = "en"


@dataclass(slots=True)
class _Term:
    """The stanza being read."""

    line: int
    id: str = ""
    name: str = ""
    is_obsolete: bool = False
    replaced_by: str = ""
    alternatives: list[str] = field(default_factory=list)
    synonyms: list[tuple[str, Scope, str]] = field(default_factory=list)
    parents: list[tuple[str, int]] = field(default_factory=list)


class _Parser:
    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.term: _Term | None = None
        self.in_header = True
        self.read_tag: dict[str, Callable[[_Term, str, int], None]] = {
            "id": self._id,
            "name": self._name,
            "alt_id": self._alternative,
            "synonym": self._synonym,
            "is_a": self._parent,
            "is_obsolete": self._obsolete,
            "replaced_by": self._replaced,
        }

    def feed(self, number: int, line: str) -> None:
        line = line.strip()
        if not line or line.startswith("!"):
            return
        if line.startswith("["):
            self.in_header = False
            self.finish()
            self.term = _Term(number) if line == "[Term]" else None
            return
        tag, colon, value = line.partition(":")
        if not colon:
            self.sink.problem(number, "a line must be `tag: value`")
        elif self.in_header and tag == "data-version":
            # `hp/releases/2025-01-16` and `releases/2025-01-16` are both written; the release is the last part.
            self.sink.version(value.strip().rsplit("/", 1)[-1])
        elif self.term and (read := self.read_tag.get(tag)):
            read(self.term, value.strip(), number)

    def _id(self, term: _Term, value: str, number: int) -> None:
        if term.id:
            self.sink.problem(number, f"a second id in the stanza of {term.id}")
        else:
            term.id = _identifier(value)

    def _name(self, term: _Term, value: str, _number: int) -> None:
        term.name = _clean(value.partition(" !")[0])

    def _alternative(self, term: _Term, value: str, _number: int) -> None:
        term.alternatives.append(_identifier(value))

    def _synonym(self, term: _Term, value: str, number: int) -> None:
        match = _SYNONYM.match(value)
        text = _clean(match[1]) if match else ""
        if not match or not text:
            self.sink.problem(number, 'a synonym must be `"text" EXACT|BROAD|NARROW|RELATED [...]`')
        else:
            term.synonyms.append((text, _SCOPES[match[2]], match[3] or ""))

    def _parent(self, term: _Term, value: str, number: int) -> None:
        parent = _identifier(value)
        if not parent:
            self.sink.problem(number, "is_a names no term")
        else:
            term.parents.append((parent, number))

    def _obsolete(self, term: _Term, value: str, _number: int) -> None:
        term.is_obsolete = value.startswith("true")

    def _replaced(self, term: _Term, value: str, _number: int) -> None:
        term.replaced_by = _identifier(value)

    def finish(self) -> None:
        """Tell what the stanza says; only at its end, because a term is known to be obsolete only there."""
        term, self.term = self.term, None
        if term is None:
            return
        if not term.id:
            self.sink.problem(term.line, "a [Term] without id")
        elif not term.is_obsolete:
            self._tell(term)
        elif term.replaced_by:
            self.sink.alias(term.id, term.replaced_by)

    def _tell(self, term: _Term) -> None:
        sink = self.sink
        if not term.name:
            sink.problem(term.line, f"{term.id} has no name; its identifier is used")
        sink.entity(term.id, "Term")
        sink.name(term.id, term.name or term.id, language=_LANGUAGE, line=term.line)
        for text, scope, tag in term.synonyms:
            sink.name(term.id, text, scope=scope, tag=tag, language=_LANGUAGE, line=term.line)
        for parent, line in term.parents:
            sink.fact(term.id, "is_a", parent, line=line)
        for alternative in term.alternatives:
            sink.alias(alternative, term.id)


def parse_obo(location: Path, *, package_version: str, sink: Sink) -> None:
    """Read an OBO file; `data-version` in its header is its version.

    Bytes that are no UTF-8 become U+FFFD, so that one of them cannot stop a build; a byte order mark is no part of the first tag.
    """
    del package_version  # the sink's owner has it already; we only know when the file calls itself something else
    parser = _Parser(sink)
    with location.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            parser.feed(number, line)
    parser.finish()


def _identifier(value: str) -> str:
    match = _IDENTIFIER.match(value)
    return match[0] if match else ""


def _clean(text: str) -> str:
    """Undo OBO's escapes and fold white space."""
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)
    return _SPACE.sub(" ", text).strip()

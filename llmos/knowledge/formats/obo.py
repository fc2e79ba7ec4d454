"""OBO 1.2/1.4 files → content: terms, their names and synonyms, `is_a`, and identifiers that were merged or replaced.

A parser of our own, because it needs 200 lines less than it seems: we read nine tags of `[Term]` stanzas, need the line number of every
problem, and must not fail on a bad line. fastobo (Rust) stops at the first syntax error; pronto needs four times as long.
Must not: know the Human Phenotype Ontology; nothing here is particular to it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from llmos.knowledge.building.content import Content, Entity, Evidence, FileOrigin, Name, Statement
from llmos.knowledge.problems import Problem, refuse_if_broken
from llmos.knowledge.sink import Scope

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
    def __init__(self, source: str, path: str, package_version: str) -> None:
        self.source = source
        self.path = path
        self.version = package_version
        self.content = Content()
        self.num_terms = 0
        self.term: _Term | None = None
        self.in_header = True
        self.terms: list[_Term] = []
        self.read_tag: dict[str, Callable[[_Term, str, int], None]] = {
            "id": self._id,
            "name": self._name,
            "alt_id": self._alternative,
            "synonym": self._synonym,
            "is_a": self._parent,
            "is_obsolete": self._obsolete,
            "replaced_by": self._replaced,
        }

    def problem(self, line: int, message: str) -> None:
        self.content.problems.append(Problem(self.source, self.path, line, message))

    def feed(self, number: int, line: str) -> None:
        line = line.strip()
        if not line or line.startswith("!"):
            return
        if line.startswith("["):
            self.in_header = False
            self.term = _Term(number) if line == "[Term]" else None
            if self.term:
                self.terms.append(self.term)
            return
        tag, colon, value = line.partition(":")
        if not colon:
            self.problem(number, "a line must be `tag: value`")
        elif self.in_header and tag == "data-version":
            # `hp/releases/2025-01-16` and `releases/2025-01-16` are both written; the release is the last part.
            self.version = value.strip().rsplit("/", 1)[-1]
        elif self.term and (read := self.read_tag.get(tag)):
            read(self.term, value.strip(), number)

    def _id(self, term: _Term, value: str, number: int) -> None:
        if term.id:
            self.problem(number, f"a second id in the stanza of {term.id}")
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
            self.problem(number, 'a synonym must be `"text" EXACT|BROAD|NARROW|RELATED [...]`')
        else:
            term.synonyms.append((text, _SCOPES[match[2]], match[3] or ""))

    def _parent(self, term: _Term, value: str, number: int) -> None:
        parent = _identifier(value)
        if not parent:
            self.problem(number, "is_a names no term")
        else:
            term.parents.append((parent, number))

    def _obsolete(self, term: _Term, value: str, _number: int) -> None:
        term.is_obsolete = value.startswith("true")

    def _replaced(self, term: _Term, value: str, _number: int) -> None:
        term.replaced_by = _identifier(value)

    def finish(self) -> Content:
        """Turn the stanzas into content; last, because `data-version` may come anywhere in the header."""
        origin = FileOrigin(self.source, self.version, self.path)
        for term in self.terms:
            if not term.id:
                self.problem(term.line, "a [Term] without id")
            elif term.is_obsolete:
                if term.replaced_by:
                    self.content.aliases[term.id] = term.replaced_by
            else:
                self._add(term, origin)
        refuse_if_broken(self.content.problems, num_records=len(self.terms), path=self.path, format_name="OBO")
        return self.content

    def _add(self, term: _Term, origin: FileOrigin) -> None:
        if not term.name:
            self.problem(term.line, f"{term.id} has no name; its identifier is used")
        content = self.content
        content.entities.append(Entity(term.id, "Term"))
        content.names.append(Name(term.id, term.name or term.id, Scope.Preferred, "", _LANGUAGE, origin))
        content.names += [Name(term.id, text, scope, tag, _LANGUAGE, origin) for text, scope, tag in term.synonyms]
        why = Evidence(origin)
        content.statements += [Statement(term.id, "is_a", parent, why, line) for parent, line in term.parents]
        content.aliases.update(dict.fromkeys(term.alternatives, term.id))


def parse_obo(lines: Iterable[str], *, source: str, path: str, package_version: str) -> Content:
    """Read an OBO file line by line.

    Args:
        lines: the file's lines.
        source: the source's name in the KnowledgeBase.
        path: the file's path in its package, for origins and problems.
        package_version: used as the file's version where it names none itself.

    Raises: ConfigError if it has no terms, or too many malformed lines.
    """
    parser = _Parser(source, path, package_version)
    for number, line in enumerate(lines, start=1):
        parser.feed(number, line)
    return parser.finish()


def _identifier(value: str) -> str:
    match = _IDENTIFIER.match(value)
    return match[0] if match else ""


def _clean(text: str) -> str:
    """Undo OBO's escapes and fold white space."""
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)
    return _SPACE.sub(" ", text).strip()

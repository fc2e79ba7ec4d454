"""RDF (Turtle, N-Triples, JSON-LD, RDF/XML) → entities, names, facts, attributes.

A file is read twice: first for what changes the meaning of statements elsewhere in it (which subjects are retired, what is said of
blank nodes), then to tell the sink, so that a file of any size needs memory only for its subjects and its blank nodes.
Must not: resolve identifiers, or fetch anything that a file points to.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final
from typing import Literal as OneOf

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass
from pyoxigraph import BlankNode, Literal, NamedNode, Quad, RdfFormat

from llmos.errors import ConfigError
from llmos.knowledge.formats.blank_nodes import MAXIMUM_BLANK_STATEMENTS, canonical_statements
from llmos.knowledge.formats.identifiers import OPTIONS, Prefix, shortener
from llmos.knowledge.formats.rdf_read import read_n_triples, read_statements, refuse_hostile
from llmos.knowledge.formats.rdf_vocabulary import ALIASES, DEPRECATED, EMPTY_TYPES, NAMES, RENAMED, REPLACED_BY, TYPE, XSD_STRING
from llmos.knowledge.sink import Sink

__all__ = ["RDF_FORMATS", "RdfOptions", "parse_rdf"]

RDF_FORMATS: Final = {
    "JSONLD": RdfFormat.JSON_LD,
    "NTriples": RdfFormat.N_TRIPLES,
    "RDFXML": RdfFormat.RDF_XML,
    "Turtle": RdfFormat.TURTLE,
}
"""Format name in the resource → syntax."""

_TO_SURVEY: Final = re.compile(rb"_:|deprecated|\\\\[uU]")
"""What a line of N-Triples must hold to matter to the survey: a blank node, `owl:deprecated`, or an escape that may hide it."""

_PREDICATES: Final = 10_000
"""So many properties are remembered; a file has a few dozen."""

UNTYPED: Final = "Thing"
"""Kind of a subject that the file gives no class."""


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class RdfOptions:
    """How a file of RDF is understood: `files[].rdf` of a source."""

    prefixes: Annotated[tuple[Prefix, ...], Field(max_length=64)] = ()
    """Short forms of IRIs; what no prefix fits stays an IRI."""

    language: Annotated[str, Field(min_length=1, max_length=35)] = "en"
    """Language of names that are given without one."""

    aliases: Annotated[tuple[OneOf["SameAs", "ExactMatch"], ...], Field(max_length=2)] = ()
    """Properties that make two identifiers one entity: the object is another name for the subject."""

    blank_nodes: OneOf["Canonical", "Ignore"] = "Canonical"
    """What is said with blank nodes is kept under canonical identifiers, or left out."""

    base: Annotated[str, Field(max_length=512)] = ""
    """What relative IRIs are relative to."""


_Handle = Callable[[str, str, Any, int], None]


def _quiet(_line: int, _message: str) -> None:
    """Report nothing: the other reading of the file does."""


@dataclass(slots=True)
class _Survey:
    """What has to be known before the first statement is told."""

    retired: set[str] = field(default_factory=set)
    blank: list[Quad] = field(default_factory=list)


def _survey(statements: Iterator[tuple[int, Quad]], options: RdfOptions, path: Path) -> _Survey:
    found = _Survey()
    keeps_blank = options.blank_nodes == "Canonical"
    for _line, quad in statements:
        subject, predicate, object, _graph = quad
        if type(subject) is BlankNode or type(object) is BlankNode:
            if keeps_blank:
                found.blank.append(quad)
                if len(found.blank) > MAXIMUM_BLANK_STATEMENTS:
                    raise ConfigError(
                        f"{path.name} has more than {MAXIMUM_BLANK_STATEMENTS} statements about blank nodes; give them IRIs, or set "
                        "`rdf.blankNodes: Ignore` for this file",
                        reason="InvalidSource",
                    )
        elif predicate.value == DEPRECATED and type(object) is Literal and object.value in ("true", "1"):
            found.retired.add(subject.value)
    return found


class _Teller:
    """Tells a sink what statements mean; one handler for each property, looked up by its IRI."""

    def __init__(self, options: RdfOptions, retired: set[str], sink: Sink) -> None:
        self.options = options
        self.retired = retired
        self.sink = sink
        self.shorten = shortener(options.prefixes)
        self.typed: set[str] = set()
        self.untyped: set[str] = set()
        self.handlers: dict[str, _Handle] = {TYPE: self._type, DEPRECATED: self._deprecated}
        self.handlers |= dict.fromkeys(NAMES, self._name)
        self.handlers |= dict.fromkeys((ALIASES[name] for name in options.aliases), self._same)
        self.handlers |= dict.fromkeys(REPLACED_BY, self._replaced)

    def identifier(self, term: NamedNode | BlankNode) -> str:
        return f"_:{term.value}" if type(term) is BlankNode else self.shorten(term.value)

    def tell(self, statements: Iterator[tuple[int, Quad]], *, with_blank: bool) -> None:
        """Tell all statements, those with blank nodes only if they are canonical ones."""
        plan, shorten = lru_cache(maxsize=_PREDICATES)(self._plan), self.shorten
        tell_fact, tell_attribute = self.sink.fact, self.sink.attribute
        previous, subject_id, is_retired = "", "", False
        for line, (subject, predicate, object, _graph) in statements:
            kind = type(object)
            if (type(subject) is BlankNode or kind is BlankNode) and not with_blank:
                continue
            if (value := subject.value) != previous:
                previous, subject_id, is_retired = value, self.identifier(subject), value in self.retired
                if not is_retired:
                    self.untyped.add(subject_id)
            handle, name = plan(predicate.value)
            if is_retired and handle != self._replaced:
                continue
            if handle:
                handle(subject_id, predicate.value, object, line)
            elif kind is NamedNode:
                tell_fact(subject_id, name, shorten(object.value), line=line)
            elif kind is Literal:
                language = object.language or ""
                datatype = "" if language else object.datatype.value
                datatype = "" if datatype == XSD_STRING else datatype
                tell_attribute(subject_id, name, object.value, datatype=datatype, language=language, line=line)
            elif kind is BlankNode:
                tell_fact(subject_id, name, f"_:{object.value}", line=line)
            else:
                self.sink.problem(line, f"{subject_id} {name}: a statement about a statement is not read")

    def _plan(self, iri: str) -> tuple[_Handle | None, str]:
        """Return what is done with a property, and what we call it."""
        return self.handlers.get(iri), RENAMED.get(iri) or self.shorten(iri)

    def finish(self) -> None:
        """Tell the subjects that were given no class; only now is it certain."""
        for subject in sorted(self.untyped - self.typed):
            self.sink.entity(subject, UNTYPED)

    def _type(self, subject: str, iri: str, object: Any, line: int) -> None:
        if type(object) is not NamedNode and type(object) is not BlankNode:
            self.sink.problem(line, f"{subject} has the literal {str(object)[:100]} as its class")
        elif object.value not in EMPTY_TYPES:
            self.typed.add(subject)
            self.sink.entity(subject, self.identifier(object))

    def _name(self, subject: str, iri: str, object: Any, line: int) -> None:
        if type(object) is not Literal:
            self.sink.problem(line, f"{subject} has a name ({self.shorten(iri)}) that is no text")
            return
        scope, tag = NAMES[iri]
        text = " ".join(object.value.split())
        if text:
            self.sink.name(subject, text, scope=scope, tag=tag, language=object.language or self.options.language, line=line)
        else:
            self.sink.problem(line, f"{subject} has an empty name ({self.shorten(iri)})")

    def _same(self, subject: str, iri: str, object: Any, line: int) -> None:
        if type(object) is NamedNode:
            self.sink.alias(self.shorten(object.value), subject)
        else:
            self.sink.problem(line, f"{subject} {self.shorten(iri)}: only an IRI can be another identifier")

    def _replaced(self, subject: str, iri: str, object: Any, line: int) -> None:
        # IAO_0100001 is written as an IRI, and in files that were made from OBO as the text `HP:0000001`.
        by = self.shorten(object.value) if type(object) is NamedNode else object.value.strip() if type(object) is Literal else ""
        if by:
            self.sink.alias(subject, by)
        else:
            self.sink.problem(line, f"{subject} {self.shorten(iri)}: only an IRI can replace an identifier")

    def _deprecated(self, subject: str, iri: str, object: Any, line: int) -> None:
        """Say nothing: the survey saw what is true, and what is false is as good as not said."""
        if type(object) is not Literal or object.value not in ("true", "false", "1", "0"):
            self.sink.problem(line, f"{subject} {self.shorten(iri)}: must be true or false")


def parse_rdf(location: Path, *, package_version: str, sink: Sink, syntax: RdfFormat, options: RdfOptions) -> None:
    """Read a file of RDF; of its literals, those that name their subject become names and all others attributes.

    Raises: ConfigError (InvalidSource) at an error of syntax, in N-Triples only where there are too many; OSError if it cannot be read.
    """
    del package_version
    if syntax == RdfFormat.N_TRIPLES:
        survey = _survey(read_n_triples(location, _quiet, holding=_TO_SURVEY), options, location)
        statements = read_n_triples(location, sink.problem)
    else:
        refuse_hostile(location, syntax)
        survey = _survey(read_statements(location, syntax, base=options.base), options, location)
        statements = read_statements(location, syntax, base=options.base)
    teller = _Teller(options, survey.retired, sink)
    teller.tell(statements, with_blank=False)
    canonical = canonical_statements(survey.blank, what=location.name)
    teller.tell(((0, quad) for quad in canonical), with_blank=True)
    teller.finish()

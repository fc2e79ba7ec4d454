"""What a knowledge base says, before it has a file format: entities, names, statements, and the digest over them.

Parsers produce a `Content` for each file; `merge` makes one of them, in an order that no longer depends on the order of the sources. The
content digest stands for this and for nothing derived from it: SQLite and the automaton may change their bytes, the knowledge has not.
Must not: read files or know a database.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llmos.knowledge.problems import Problem
from llmos.knowledge.sink import Scope

__all__ = ["FORMAT_VERSION", "Content", "Entity", "Evidence", "FileOrigin", "Name", "Statement", "content_digest", "merge"]

FORMAT_VERSION: Final = 1
"""Version of meaning: parsers, normaliser, plural forms and this digest. Raise it when the same source should give other content."""


@dataclass(frozen=True, slots=True, order=True)
class FileOrigin:
    """The file of a source that something was read from."""

    source: str
    version: str
    path: str


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """Something that can be named and can have facts."""

    id: str
    kind: str
    """`Term` of an ontology, or `Disease`."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """One name of one entity."""

    entity: str
    text: str
    scope: Scope
    tag: str
    """What the source calls this kind of name, for example `layperson`; empty if nothing."""

    language: str
    """BCP 47."""

    origin: FileOrigin


@dataclass(frozen=True, slots=True, order=True)
class Evidence:
    """Why a source says it. Empty strings where the source says nothing."""

    origin: FileOrigin
    reference: str = ""
    """Where it was published, for example `PMID:31675180`."""

    code: str = ""
    """The source's own grade, for example `PCS` (published clinical study)."""

    frequency: str = ""
    """As the source writes it: `1/2`, `30%`, or `Very frequent`."""


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """Subject, predicate, object and why; one source line gives one."""

    subject: str
    predicate: str
    object: str
    evidence: Evidence
    line: int = field(default=0, compare=False)
    """Where in the file, to report a bad reference; no part of the content."""


@dataclass(slots=True)
class Content:
    """Everything one file, or all files together, say."""

    entities: list[Entity] = field(default_factory=list)
    names: list[Name] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    """Another identifier (alternative, or replaced) → the identifier that stands now."""

    problems: list[Problem] = field(default_factory=list)


def merge(parts: Iterable[Content]) -> Content:
    """Join what the files say, resolve identifiers, and sort; the order of `parts` leaves no trace.

    A statement about an entity that no file defines is left out and counted as a problem of its line: rendering it would name nothing.
    """
    parts = list(parts)
    aliases = _join_aliases(parts)
    # Two files may call the same identifier a Term and a Disease: the smaller word wins, whichever file came first.
    kinds: dict[str, str] = {}
    for entity in sorted({entity for part in parts for entity in part.entities}, reverse=True):
        kinds[entity.id] = entity.kind
    joined = Content(
        entities=[Entity(id, kinds[id]) for id in sorted(kinds)],
        aliases=aliases,
        problems=[problem for part in parts for problem in part.problems],
    )
    joined.names = sorted({name for part in parts for name in part.names if name.entity in kinds})
    statements: set[Statement] = set()
    for part in parts:
        for statement in part.statements:
            resolved = _resolve(statement, kinds, aliases)
            if isinstance(resolved, Problem):
                joined.problems.append(resolved)
            else:
                statements.add(resolved)
    joined.statements = sorted(statements)
    joined.problems.sort()
    return joined


def _join_aliases(parts: Sequence[Content]) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for alias, target in sorted({pair for part in parts for pair in part.aliases.items()}, reverse=True):
        aliases[alias] = target
    return aliases


def _resolve(statement: Statement, kinds: Mapping[str, str], aliases: Mapping[str, str]) -> Statement | Problem:
    subject, object_ = (_standing(written, kinds, aliases) for written in (statement.subject, statement.object))
    for written, found in ((statement.subject, subject), (statement.object, object_)):
        if found not in kinds:
            origin = statement.evidence.origin
            return Problem(origin.source, origin.path, statement.line, f"{written} is not defined in any file of this knowledge base")
    if subject == statement.subject and object_ == statement.object:
        return statement
    return Statement(subject, statement.predicate, object_, statement.evidence, statement.line)


def _standing(id: str, kinds: Mapping[str, str], aliases: Mapping[str, str]) -> str:
    """Follow an identifier to the entity that stands for it now, over any number of replacements; '' if none does."""
    passed: set[str] = set()
    while id not in kinds:
        # A circle of replacements ends nowhere.
        if id in passed or id not in aliases:
            return ""
        passed.add(id)
        id = aliases[id]
    return id


def content_digest(content: Content, *, linking: Mapping[str, Any]) -> str:
    """Digest merged content and the settings that decide how it links.

    The records are hashed one JSON line at a time, in sorted order, so that ten million facts need no more memory than one.
    """
    state = hashlib.sha256()
    for record in _records(content, linking):
        state.update(json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())
        state.update(b"\n")
    return "sha256:" + state.hexdigest()


def _records(content: Content, linking: Mapping[str, Any]) -> Iterator[list[Any]]:
    yield ["snapshot", FORMAT_VERSION, dict(linking)]
    for entity in content.entities:
        yield ["entity", entity.id, entity.kind]
    for name in content.names:
        yield ["name", name.entity, name.text, name.scope.value, name.tag, name.language, *_origin(name.origin)]
    for item in content.statements:
        why = item.evidence
        yield ["fact", item.subject, item.predicate, item.object, *_origin(why.origin), why.reference, why.code, why.frequency]


def _origin(origin: FileOrigin) -> tuple[str, str, str]:
    return origin.source, origin.version, origin.path

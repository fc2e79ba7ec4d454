"""A snapshot as it is read: entities, facts, and names in text. What services and training share, so that both link alike.

Opening checks that the files are the ones described and that SQLite and automaton belong together; after that nothing changes, and every
method may be called from any thread (each has its own connection). Calls take microseconds to a few milliseconds and never wait.
Must not: reach a network or write.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from llmos.artifacts import digest_bytes, digest_file
from llmos.errors import PermanentError
from llmos.knowledge.layout import AUTOMATON_FILE, DATABASE_FILE, DESCRIPTION_FILE, Description, SourceVersion
from llmos.knowledge.linking.linker import Linker

__all__ = ["EntityReference", "Fact", "FactEvidence", "FactSource", "Mention", "Snapshot"]

_MAPPED_BYTES: Final = 1 << 30

_FACT_COLUMNS: Final = """
SELECT s.id, s.name, p.name, o.id, o.name, file.source, file.version, file.path, e.reference, e.code, e.frequency FROM (
  SELECT subject, predicate, rank, object, min(evidence) AS evidence FROM fact WHERE {side} = ? AND predicate = ?
  GROUP BY {order} ORDER BY {order} LIMIT ?) AS f
JOIN entity AS s ON s.number = f.subject JOIN entity AS o ON o.number = f.object JOIN predicate AS p ON p.number = f.predicate
JOIN evidence AS e ON e.number = f.evidence JOIN file ON file.number = e.file
"""
_OUTGOING: Final = _FACT_COLUMNS.format(side="subject", order="rank, object")
_INCOMING: Final = _FACT_COLUMNS.format(side="object", order="rank, subject")


@dataclass(frozen=True, slots=True)
class EntityReference:
    """An entity as it is shown."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class FactSource:
    """Where a fact was read."""

    name: str
    version: str
    file: str


@dataclass(frozen=True, slots=True)
class FactEvidence:
    """Why the source says so; empty where it gives no reason."""

    reference: str
    code: str
    frequency: str


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the knowledge base says about two entities."""

    subject: EntityReference
    predicate: str
    object: EntityReference
    source: FactSource
    evidence: FactEvidence


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that was found in text."""

    start: int
    """First character in the text that was given."""

    end: int
    text: str
    """The characters themselves."""

    id: str
    """The best candidate: the one whose preferred or closest name this is; of equals, the smallest identifier."""

    name: str
    candidates: tuple[str, ...]
    """Every entity with this name, best first; more than one means that the text is ambiguous."""


class Snapshot:
    """An open snapshot; use it as a context manager, or `close` it."""

    def __init__(self, path: Path, description: Description, linker: Linker) -> None:
        self._path = path
        self._description = description
        self._linker = linker
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the folder of a snapshot.

        Raises: PermanentError (ChecksumMismatch) if a file is missing, damaged, or not of this snapshot.
        """
        try:
            description = Description.from_document(json.loads((path / DESCRIPTION_FILE).read_bytes()))
            automaton = (path / AUTOMATON_FILE).read_bytes()
            found = {AUTOMATON_FILE: digest_bytes(automaton), DATABASE_FILE: digest_file(path / DATABASE_FILE)}
            for name, digest in found.items():
                if description.files.get(name) != digest:
                    raise ValueError(f"{name} has the digest {digest}, {DESCRIPTION_FILE} says {description.files.get(name)}")
            snapshot = cls(path, description, Linker.from_bytes(automaton))
            snapshot._check_agreement()
        except (OSError, ValueError, sqlite3.Error) as error:
            raise PermanentError(
                f"the snapshot in {path} cannot be used: {error}; fetch it again, or build it anew", reason="ChecksumMismatch"
            ) from error
        return snapshot

    def _check_agreement(self) -> None:
        """Check that SQLite was written for this automaton and this description."""
        meta = dict(self._rows("SELECT key, value FROM meta"))
        expected = {
            "contentDigest": self._description.content_digest,
            "automatonDigest": self._description.files[AUTOMATON_FILE],
            **{f"counts.{name}": str(count) for name, count in self.counts.items()},
        }
        for key, value in expected.items():
            if meta.get(key) != value:
                self.close()
                raise ValueError(f"{key} is {meta.get(key)} in {DATABASE_FILE} and {value} in {DESCRIPTION_FILE}")

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of what: `entities`, `names`, `facts`, `facts.<predicate>`, …"""
        return self._description.counts

    @property
    def content_digest(self) -> str:
        """Digest of what the snapshot says, whatever its files look like."""
        return self._description.content_digest

    @property
    def sources(self) -> Sequence[SourceVersion]:
        """The sources and the versions they call themselves."""
        return self._description.sources

    def entities(self) -> Iterator[tuple[str, str]]:
        """Yield (id, preferred name) of every entity, by id."""
        return iter(self._rows("SELECT id, name FROM entity ORDER BY number"))

    def edges(self, relation: str) -> Iterator[tuple[str, str]]:
        """Yield (subject, object) of every fact with this predicate, each once, by subject."""
        query = """SELECT DISTINCT s.id, o.id FROM fact AS f JOIN predicate AS p ON p.number = f.predicate
            JOIN entity AS s ON s.number = f.subject JOIN entity AS o ON o.number = f.object
            WHERE p.name = ? ORDER BY f.subject, f.object"""
        return iter(self._rows(query, relation))

    def name(self, id: str) -> str | None:
        """Return an entity's preferred name, or None if there is no such entity."""
        rows = self._rows("SELECT name FROM entity WHERE id = ?", id)
        return rows[0][0] if rows else None

    def facts(self, id: str, limit: int) -> list[Fact]:
        """Return at most `limit` facts that have the entity as subject or object.

        Each predicate, in each direction, gets its turn, so that thousands of diseases do not crowd out the one parent term; within one
        the most frequent come first. An unknown entity has no facts.
        """
        found = self._rows("SELECT number FROM entity WHERE id = ?", id)
        if not found or limit < 1:
            return []
        number = found[0][0]
        groups = [
            self._rows(query, number, predicate, limit)
            for query, side in ((_OUTGOING, "subject"), (_INCOMING, "object"))
            for (predicate,) in self._predicates(side, number)
        ]
        in_turn = (row for row in chain.from_iterable(zip_longest(*groups)) if row is not None)
        return [_fact(row) for row, _ in zip(in_turn, range(limit), strict=False)]

    def _predicates(self, side: str, number: int) -> list[tuple[int]]:
        # EXISTS for each of a handful of predicates is one index seek; DISTINCT would read every fact of a well-known entity.
        query = (
            f"SELECT number FROM predicate AS p WHERE EXISTS (SELECT 1 FROM fact WHERE {side} = ? AND predicate = p.number) ORDER BY number"  # noqa: S608
        )
        return self._rows(query, number)

    def link(self, text: str) -> list[Mention]:
        """Find names in text: leftmost, longest, whole words, in the order they stand, never overlapping."""
        mentions = []
        for match in self._linker.find(text):
            query = (
                "SELECT e.id, e.name FROM mention AS m JOIN entity AS e ON e.number = m.entity WHERE m.key = ? ORDER BY m.rank, m.entity"
            )
            candidates = self._rows(query, match.key)
            ids = tuple(id for id, _ in candidates)
            mentions.append(Mention(match.start, match.end, text[match.start : match.end], ids[0], candidates[0][1], ids))
        return mentions

    def warm(self) -> None:
        """Read the database through once, so that the first request does not wait for the disk."""
        with (self._path / DATABASE_FILE).open("rb") as stream:
            while stream.read(1 << 20):
                pass

    def _rows(self, query: str, *parameters: Any) -> list[Any]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
        return list(connection.execute(query, parameters))

    def _connect(self) -> sqlite3.Connection:
        # immutable: nobody writes, so no locks and no journal look-ups. Closed from another thread at the end, hence the check is off.
        uri = f"file:{quote(str((self._path / DATABASE_FILE).resolve()))}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, cached_statements=32)
        connection.execute(f"PRAGMA mmap_size={_MAPPED_BYTES}")
        with self._lock:
            self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Close every thread's connection; call it when no thread is reading any more."""
        with self._lock:
            connections, self._connections = self._connections, []
        self._local = threading.local()
        for connection in connections:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _fact(row: Sequence[str]) -> Fact:
    subject_id, subject_name, predicate, object_id, object_name, source, version, path, reference, code, frequency = row
    return Fact(
        EntityReference(subject_id, subject_name),
        predicate,
        EntityReference(object_id, object_name),
        FactSource(source, version, path),
        FactEvidence(reference, code, frequency),
    )

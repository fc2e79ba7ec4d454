"""A snapshot as it is read: entities, facts, and names in text. What services and training share, so that both link alike.

Opening checks that the files are the ones described and that SQLite and trie belong together; after that nothing changes, and every
method may be called from any thread. Calls take microseconds to a few milliseconds and never wait.
Must not: reach a network or write.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from llmos.artifacts import digest_file
from llmos.errors import PermanentError
from llmos.knowledge.layout import DATABASE_FILE, DESCRIPTION_FILE, TRIE_FILE, Description, SourceVersion
from llmos.knowledge.linking.assertion import Status, assert_status
from llmos.knowledge.linking.boundaries import word_check
from llmos.knowledge.linking.linker import Linker
from llmos.knowledge.linking.soft.settings import SOFT_DOCUMENT, SOFT_FILE, SoftSettings
from llmos.knowledge.reading.database import Database
from llmos.knowledge.reading.values import Attribute, EntityReference, Fact, FactEvidence, FactSource, Mention
from llmos.knowledge.reading.view import View

if TYPE_CHECKING:
    from llmos.knowledge.linking.soft.linker import SoftLinker

__all__ = ["Attribute", "EntityReference", "Fact", "FactEvidence", "FactSource", "Mention", "Snapshot", "Status"]

_Place = tuple[int, int, Sequence[tuple[str, str]], float | None]
"""First character, one past the last, candidates as (id, shown name), score."""


class Snapshot:
    """An open snapshot; use it as a context manager, or `close` it."""

    def __init__(
        self, path: Path, description: Description, linker: Linker, database: Database, view: View, soft: "SoftLinker | None"
    ) -> None:
        self._path = path
        self._description = description
        self._linker = linker
        self._database = database
        self._view = view
        self._soft = soft

    @classmethod
    def open(cls, path: Path, partitions: frozenset[str] = frozenset()) -> Self:
        """Open the folder of a snapshot.

        Args:
            path: the folder.
            partitions: what may be seen besides what is everybody's; one that the snapshot does not have adds nothing.

        Raises: PermanentError (ChecksumMismatch) if a file is missing, damaged, or not of this snapshot.
        """
        database = Database(path / DATABASE_FILE)
        try:
            description = Description.from_document(json.loads((path / DESCRIPTION_FILE).read_bytes()))
            for name in sorted({TRIE_FILE, DATABASE_FILE, *description.files}):
                if name != Path(name).name:
                    raise ValueError(f"{DESCRIPTION_FILE} names {name!r:.100}, which is no file of its folder")
                digest = digest_file(path / name)
                if description.files.get(name) != digest:
                    raise ValueError(f"{name} has the digest {digest}, {DESCRIPTION_FILE} says {description.files.get(name)}")
            _check_agreement(database, description)
            view = View(database, partitions)
            soft = _open_soft(path, database) if SOFT_FILE in description.files else None
            return cls(path, description, Linker.open(path / TRIE_FILE), database, view, soft)
        except (OSError, ValueError, sqlite3.Error) as error:
            database.close()
            raise PermanentError(
                f"the snapshot in {path} cannot be used: {error}; fetch it again, or build it anew", reason="ChecksumMismatch"
            ) from error

    @property
    def view(self) -> View:
        """What of it is seen, for those who walk over it: `llmos.knowledge.graph`."""
        return self._view

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of what in the whole snapshot: `entities`, `names`, `facts`, `facts.<predicate>`, …

        For those who keep the knowledge base, never for answers: it counts what this reader cannot see, too.
        """
        return self._description.counts

    @property
    def content_digest(self) -> str:
        """Digest of what the snapshot says, whatever its files look like."""
        return self._description.content_digest

    @property
    def sources(self) -> Sequence[SourceVersion]:
        """The sources of which a file is seen, and the versions they call themselves."""
        query = "SELECT DISTINCT source, version FROM file WHERE visibility IN ({seen}) ORDER BY source, version"
        versions: dict[str, list[str]] = {}
        for source, version in self._view.rows(query):
            versions.setdefault(source, []).append(version)
        return [SourceVersion(source, ", ".join(found)) for source, found in versions.items()]

    def document(self, name: str) -> Any:
        """Return a JSON document that the build put in, or None if there is none of this name."""
        rows = self._database.rows("SELECT body FROM document WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def entities(self) -> Iterator[tuple[str, str]]:
        """Yield (id, preferred name) of every entity, by id."""
        return self._view.entities()

    def edges(self, relation: str) -> Iterator[tuple[str, str]]:
        """Yield (subject, object) of every fact with this predicate, each once, by subject."""
        return self._view.edges(relation)

    def name(self, id: str) -> str | None:
        """Return an entity's preferred name, or None if there is no such entity."""
        found = self._view.find(id)
        return found[1] if found else None

    def facts(self, id: str, limit: int) -> list[Fact]:
        """Return at most `limit` facts that have the entity as subject or object.

        Each predicate, in each direction, gets its turn, so that thousands of diseases do not crowd out the one parent term; within one
        the most frequent come first. An unknown entity has no facts.
        """
        found = self._view.find(id)
        return self._view.facts(found[0], limit) if found and limit > 0 else []

    def attributes(self, id: str) -> list[Attribute]:
        """Return the literals of an entity, by predicate and value; an unknown entity has none."""
        found = self._view.find(id)
        return self._view.attributes(found[0]) if found else []

    def link(self, text: str) -> list[Mention]:
        """Find names in text: leftmost, longest, whole words, in the order they stand, never overlapping; and what is said of each.

        Where the snapshot was built for it, parts of the text without a name are matched with the most similar ones, too.
        """
        is_seen = None if self._view.sees_everything else self._view.has_candidates
        matches = self._linker.find(text, is_seen=is_seen, may_be_name=word_check(text))
        found: list[_Place] = [(match.start, match.end, self._view.candidates(match.key), None) for match in matches]
        if self._soft is not None:
            found = sorted([*found, *self._find_alike(text, [(match.start, match.end) for match in matches])])
        statuses = assert_status(text, [(start, end) for start, end, *_ in found])
        mentions = []
        for (start, end, candidates, score), status in zip(found, statuses, strict=True):
            ids = tuple(id for id, _ in candidates)
            mentions.append(Mention(start, end, text[start:end], ids[0], candidates[0][1], ids, status, score))
        return mentions

    def _find_alike(self, text: str, taken: Sequence[tuple[int, int]]) -> Iterator[_Place]:
        assert self._soft is not None
        for match in self._soft.find(text, taken):
            yield match.start, match.end, [self._view.shown(number) for number, _ in match.candidates], match.candidates[0][1]

    def names_beginning(self, tokens: Sequence[str]) -> Iterator[tuple[Sequence[str], int, bool]]:
        """Yield every name that is looked for and begins with these tokens, the last of which may be cut; in no order.

        Yields: its tokens, its key, and whether it is seen: one that is not is yielded, too, so that whoever reads may look at the clock.
        """
        for name, key in self._linker.beginning(tokens):
            yield name, key, self._view.sees_everything or self._view.has_candidates(key)

    def warm(self) -> None:
        """Read the files through once, so that the first request does not wait for the disk."""
        for name in self._description.files:
            with (self._path / name).open("rb") as stream:
                while stream.read(1 << 20):
                    pass
        self._view.predicates()

    def close(self) -> None:
        """Close every thread's connection; call it when no thread is reading any more."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _open_soft(path: Path, database: Database) -> "SoftLinker":
    # NumPy is imported only where there is an index.
    from llmos.knowledge.linking.soft.index import NgramIndex
    from llmos.knowledge.linking.soft.linker import SoftLinker

    ((body,),) = database.rows("SELECT body FROM document WHERE name = ?", SOFT_DOCUMENT)
    return SoftLinker(NgramIndex.open(path / SOFT_FILE), SoftSettings.from_document(json.loads(body)))


def _check_agreement(database: Database, description: Description) -> None:
    """Check that SQLite was written for this trie and this description."""
    meta = dict(database.rows("SELECT key, value FROM meta"))
    expected = {
        "contentDigest": description.content_digest,
        "trieDigest": description.files[TRIE_FILE],
        **{f"counts.{name}": str(count) for name, count in description.counts.items()},
    }
    for key, value in expected.items():
        if meta.get(key) != value:
            raise ValueError(f"{key} is {meta.get(key)} in {DATABASE_FILE} and {value} in {DESCRIPTION_FILE}")

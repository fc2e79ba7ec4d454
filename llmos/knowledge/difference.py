"""What one snapshot says that another does not: all of it, in order, or counts with samples.

Both databases are read once, side by side, in the order of what they say, so memory stays flat at any size. What is compared is what is
said, by identifiers: not numbers, which every build gives anew, nor the version or path of a file, which would make every fact a change.
Must not: open a trie, or need anything that only builds need.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from llmos.errors import PermanentError
from llmos.knowledge.layout import DATABASE_FILE, SCHEMA_VERSION

__all__ = ["Change", "Difference", "compare_snapshots", "summarise_difference"]

# Kind → what is said of that kind, sorted. The last column is who may see it; a row is the same only for the same readers.
_QUERIES: Final = {
    "entity": """SELECT e.id, e.kind, '' AS partitions FROM entity AS e WHERE e.is_defined
        UNION ALL SELECT e.id, l.kind, v.partitions FROM label AS l JOIN entity AS e ON e.number = l.entity
        JOIN visibility AS v ON v.number = l.visibility WHERE l.is_defined ORDER BY 1, 2, 3""",
    "name": """SELECT DISTINCT e.id, n.text, n.scope, n.tag, n.language, f.source, v.partitions FROM name AS n
        JOIN entity AS e ON e.number = n.entity JOIN file AS f ON f.number = n.file
        JOIN visibility AS v ON v.number = f.visibility ORDER BY 1, 2, 3, 4, 5, 6, 7""",
    "attribute": """SELECT DISTINCT e.id, a.predicate, a.value, a.datatype, a.language, f.source, v.partitions FROM attribute AS a
        JOIN entity AS e ON e.number = a.subject JOIN file AS f ON f.number = a.file
        JOIN visibility AS v ON v.number = f.visibility ORDER BY 1, 2, 3, 4, 5, 6, 7""",
    "fact": """SELECT DISTINCT s.id, p.name, o.id, w.reference, w.code, w.frequency, w.method, w.sentence, w.confidence, file.source,
        v.partitions FROM fact AS f JOIN evidence AS w ON w.number = f.evidence JOIN file ON file.number = w.file
        JOIN entity AS s ON s.number = f.subject JOIN entity AS o ON o.number = f.object JOIN predicate AS p ON p.number = f.predicate
        JOIN visibility AS v ON v.number = f.visibility ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11""",
    "derived": """SELECT DISTINCT s.id, p.name, o.id, w.rule, w.confidence, w.body, v.partitions FROM fact AS f
        JOIN proof AS w ON w.number = f.evidence
        JOIN entity AS s ON s.number = f.subject JOIN entity AS o ON o.number = f.object JOIN predicate AS p ON p.number = f.predicate
        JOIN visibility AS v ON v.number = f.visibility ORDER BY 1, 2, 3, 4, 5, 6, 7""",
    "document": "SELECT name, body, '' FROM document ORDER BY 1, 2",
}

_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that only one of the snapshots says."""

    is_added: bool
    kind: str
    """entity, name, attribute, fact, derived or document."""

    cells: tuple[Any, ...]
    """What is said, identifiers first."""

    partitions: str
    """Who may see it; empty: everybody."""

    def __str__(self) -> str:
        cells = [str(cell) for cell in self.cells if cell != ""]
        short = [cell if len(cell) <= _SHOWN_CHARACTERS else cell[: _SHOWN_CHARACTERS - 1] + "…" for cell in cells]
        where = f"  [{self.partitions}]" if self.partitions else ""
        return f"{'+' if self.is_added else '-'} {self.kind}  {'  '.join(short)}{where}"


@dataclass(frozen=True, slots=True)
class Difference:
    """How much changed, and the first of each kind."""

    added: Mapping[str, int] = field(default_factory=dict)
    """Kind → how many; a kind without changes is not there."""

    removed: Mapping[str, int] = field(default_factory=dict)
    samples: Sequence[Change] = ()

    def to_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"added": dict(self.added), "removed": dict(self.removed), "samples": [str(change) for change in self.samples]}


def compare_snapshots(old: Path, new: Path) -> Iterator[Change]:
    """Yield every difference between two snapshots' folders, by kind and then in the order of what is said.

    Raises: PermanentError (InvalidSource) if one cannot be read.
    """
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(_open(folder))) for folder in (old, new)]
        for kind, query in _QUERIES.items():
            before, after = (database.execute(query) for database in databases)
            for is_added, row in _merge(before, after):
                yield Change(is_added, kind, tuple(row[:-1]), row[-1])


def summarise_difference(old: Path, new: Path, *, samples: int = 5) -> Difference:
    """Count the differences between two snapshots and keep the first `samples` of each kind and direction."""
    counts: dict[bool, dict[str, int]] = {True: {}, False: {}}
    kept = []
    for change in compare_snapshots(old, new):
        found = counts[change.is_added]
        found[change.kind] = found.get(change.kind, 0) + 1
        if found[change.kind] <= samples:
            kept.append(change)
    return Difference(counts[True], counts[False], kept)


def _open(folder: Path) -> sqlite3.Connection:
    path = folder / DATABASE_FILE
    try:
        database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
        found = dict(database.execute("SELECT key, value FROM meta WHERE key = 'schemaVersion'")).get("schemaVersion")
    except sqlite3.Error as error:
        raise PermanentError(f"{path} cannot be read: {error}; give the folder of a snapshot", reason="InvalidSource") from error
    if found != str(SCHEMA_VERSION):
        database.close()
        raise PermanentError(
            f"{path} has the form {found}, this LLMOS compares snapshots of the form {SCHEMA_VERSION}; build it anew",
            reason="InvalidSource",
        )
    return database


def _merge(before: Iterator[tuple[Any, ...]], after: Iterator[tuple[Any, ...]]) -> Iterator[tuple[bool, tuple[Any, ...]]]:
    """Walk through two sorted sequences and yield what only one of them has. SQLite sorts text as Python does: by code points."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if old == new:
            old, new = next(before, None), next(after, None)
        elif new is None or (old is not None and old < new):
            assert old is not None
            yield False, old
            old = next(before, None)
        else:
            yield True, new
            new = next(after, None)

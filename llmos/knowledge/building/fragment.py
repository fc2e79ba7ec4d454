"""What one file says, as columns on disk: the sink that a build gives to a parser, and what it leaves behind.

Rows are written whenever some tens of thousands have come, or some megabytes, so memory stays flat however long the file is. Texts are
bounded here, once for all formats. Must not: know a format, or other files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from llmos.artifacts import canonical_json, digest_file
from llmos.errors import PermanentError
from llmos.knowledge.building.schema import FRAGMENT_COLUMNS
from llmos.knowledge.linking.names import findable
from llmos.knowledge.sink import CERTAIN, Scope

__all__ = ["MAXIMUM_NAME_CHARACTERS", "MAXIMUM_TEXT_CHARACTERS", "Fragment", "FragmentWriter", "parquet_schema"]

MAXIMUM_NAME_CHARACTERS: Final = 2_000
"""Longer identifiers, predicates and names are no such thing: a problem of their line."""

MAXIMUM_TEXT_CHARACTERS: Final = 1_000_000
"""Longer literals and sentences are a problem of their line."""

_DESCRIPTION: Final = "fragment.json"
_ROWS: Final = 1 << 16
_CHARACTERS: Final = 1 << 24
_MESSAGE_CHARACTERS: Final = 500
_ARROW: Final = {"VARCHAR": pa.string(), "INTEGER": pa.int32()}


def parquet_schema(table: str) -> pa.Schema:
    """Return the columns of a fragment's table as Arrow has them."""
    return pa.schema([pa.field(name, _ARROW[kind], nullable=False) for name, kind in FRAGMENT_COLUMNS[table].items()])


@dataclass(frozen=True, slots=True)
class Fragment:
    """A parsed file."""

    folder: Path
    version: str
    """What the file calls itself; empty where it does not."""

    rows: Mapping[str, int]
    """Table → rows; a table without rows has no file."""

    origin: Mapping[str, Any]
    """What it was made of."""

    @property
    def num_records(self) -> int:
        """How many statements of any kind the file makes."""
        return sum(self.rows.get(table, 0) for table in ("name", "fact", "attribute", "alias"))

    def path(self, table: str) -> Path:
        """Where the rows of a table are."""
        return self.folder / f"{table}.parquet"

    @classmethod
    def open(cls, folder: Path) -> "Fragment":
        """Read a finished fragment and check its files; PermanentError (ChecksumMismatch) if it is none."""
        try:
            document = json.loads((folder / _DESCRIPTION).read_bytes())
            rows = {str(table): int(count) for table, count in document["rows"].items()}
            fragment = cls(folder, str(document["version"]), rows, dict(document["origin"]))
            for table in rows:
                if digest_file(fragment.path(table)) != document["digests"][table]:
                    raise ValueError(f"the rows of {table} are not those that were written")
            return fragment
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PermanentError(f"the fragment in {folder} cannot be read: {error}; remove it", reason="ChecksumMismatch") from error


@dataclass(slots=True)
class _Table:
    schema: pa.Schema
    path: Path
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    num_written: int = 0
    writer: pq.ParquetWriter | None = None

    def flush(self) -> None:
        if not self.rows:
            return
        columns = [_column(values, kind.type) for values, kind in zip(zip(*self.rows, strict=True), self.schema, strict=True)]
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, self.schema, compression="zstd", compression_level=1, write_statistics=False)
        self.writer.write_table(pa.Table.from_arrays(columns, schema=self.schema))
        self.num_written += len(self.rows)
        self.rows.clear()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        # JSON can write half of a surrogate pair, which is no text.
        return pa.array([value.encode("utf-8", "replace").decode() for value in values], kind)


class FragmentWriter:
    """A `Sink` that writes a fragment into an existing, empty folder; `finish` it, or nothing is kept."""

    def __init__(self, folder: Path, *, origin: Mapping[str, Any] | None = None) -> None:
        self._folder = folder
        self._origin = origin or {}
        self._version = ""
        self._characters = 0
        self._tables = {table: _Table(parquet_schema(table), folder / f"{table}.parquet") for table in FRAGMENT_COLUMNS}

    def version(self, text: str) -> None:
        """Keep the first version that the file gives."""
        self._version = self._version or text[:MAXIMUM_NAME_CHARACTERS]

    def entity(self, id: str, kind: str) -> None:
        """Write an entity."""
        if len(id) + len(kind) > MAXIMUM_NAME_CHARACTERS or not id:
            self.problem(0, f"an identifier must have 1 to {MAXIMUM_NAME_CHARACTERS} characters, not {len(id)}")
        else:
            self._add("entity", (id, kind))

    def name(self, entity: str, text: str, *, scope: Scope = Scope.Preferred, tag: str = "", language: str = "en", line: int = 0) -> None:
        """Write a name, with what linking will look for."""
        if len(entity) + len(text) + len(tag) > MAXIMUM_NAME_CHARACTERS or not text:
            self.problem(line, f"a name must have 1 to {MAXIMUM_NAME_CHARACTERS} characters, not {len(text)}")
        else:
            self._add("name", (entity, text, scope.value, tag, language, *findable(text), line))

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
        """Write a fact."""
        if len(subject) + len(predicate) + len(object) + len(reference) + len(code) + len(frequency) > MAXIMUM_NAME_CHARACTERS:
            self.problem(line, f"the identifiers of a statement have more than {MAXIMUM_NAME_CHARACTERS} characters")
        elif len(sentence) > MAXIMUM_TEXT_CHARACTERS:
            self.problem(line, f"a sentence must have at most {MAXIMUM_TEXT_CHARACTERS} characters, not {len(sentence)}")
        elif not 0 <= confidence <= CERTAIN:
            self.problem(line, f"confidence {confidence} must be 0 to {CERTAIN}")
        else:
            self._characters += len(sentence)
            self._add("fact", (subject, predicate, object, reference, code, frequency, confidence, method, sentence, line))

    def attribute(self, subject: str, predicate: str, value: str, *, datatype: str = "", language: str = "", line: int = 0) -> None:
        """Write a literal."""
        if len(value) > MAXIMUM_TEXT_CHARACTERS:
            self.problem(line, f"a literal must have at most {MAXIMUM_TEXT_CHARACTERS} characters, not {len(value)}")
        elif len(subject) + len(predicate) + len(datatype) > MAXIMUM_NAME_CHARACTERS:
            self.problem(line, f"the identifiers of a statement have more than {MAXIMUM_NAME_CHARACTERS} characters")
        else:
            self._characters += len(value)
            self._add("attribute", (subject, predicate, value, datatype, language, line))

    def alias(self, alias: str, entity: str) -> None:
        """Write another identifier."""
        if len(alias) + len(entity) > MAXIMUM_NAME_CHARACTERS:
            self.problem(0, f"the identifiers of a statement have more than {MAXIMUM_NAME_CHARACTERS} characters")
        else:
            self._add("alias", (alias, entity))

    def problem(self, line: int, message: str) -> None:
        """Write a place that could not be used."""
        self._add("problem", (line, message[:_MESSAGE_CHARACTERS]))

    def _add(self, table: str, row: tuple[Any, ...]) -> None:
        rows = self._tables[table].rows
        rows.append(row)
        if len(rows) >= _ROWS or self._characters >= _CHARACTERS:
            for each in self._tables.values():
                each.flush()
            self._characters = 0

    def finish(self) -> Fragment:
        """Write the rest and the description, which is what makes the folder a fragment."""
        for table in self._tables.values():
            table.flush()
            table.close()
        rows = {name: table.num_written for name, table in self._tables.items() if table.num_written}
        digests = {table: digest_file(self._tables[table].path) for table in rows}
        document = {"version": self._version, "rows": rows, "digests": digests, "origin": self._origin}
        (self._folder / _DESCRIPTION).write_bytes(canonical_json(document))
        return Fragment(self._folder, self._version, rows, self._origin)

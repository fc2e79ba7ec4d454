"""The files of a snapshot and the tables in them: what the writer and the reader agree on.

Must not: read or write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "DATABASE_FILE",
    "DESCRIPTION_FILE",
    "FORMAT_VERSION",
    "INDEXES",
    "SCHEMA",
    "SCHEMA_VERSION",
    "TRIE_FILE",
    "Description",
    "SourceVersion",
]

FORMAT_VERSION: Final = 3
"""Version of meaning: parsers, normaliser, plural forms, content digest. Raise it when the same source should give other content."""

SCHEMA_VERSION: Final = 2
"""Version of the files' form: raise it when a reader of the old form cannot read the new one."""

DATABASE_FILE: Final = "facts.sqlite"
TRIE_FILE: Final = "names.marisa"
DESCRIPTION_FILE: Final = "snapshot.json"

# Integer ids throughout. `visibility` is a set of partitions, all of which a reader must have been opened for; 0 is the empty set.
# Facts of an entity lie together, by predicate and visibility, most frequent first, so that "the first twenty" reads twenty rows.
# `rank` is 10,000 less the frequency in hundredths of a percent; unknown frequencies come after every known one but zero.
# A derived fact's evidence is a number of `proof`; all of these are larger than those of `evidence`.
# `entity` has what everybody sees; where `is_defined` is 0, nobody does without a partition. `label` has what a partition adds.
SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE document (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE visibility (number INTEGER PRIMARY KEY, partitions TEXT NOT NULL);
CREATE TABLE entity (number INTEGER PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, name_rank INTEGER NOT NULL,
  is_defined INTEGER NOT NULL);
CREATE TABLE label (entity INTEGER, visibility INTEGER, name TEXT NOT NULL, name_rank INTEGER NOT NULL, kind TEXT NOT NULL,
  is_defined INTEGER NOT NULL, PRIMARY KEY (entity, visibility)) WITHOUT ROWID;
CREATE TABLE file (number INTEGER PRIMARY KEY, source TEXT NOT NULL, version TEXT NOT NULL, path TEXT NOT NULL,
  visibility INTEGER NOT NULL);
CREATE TABLE name (entity INTEGER, text TEXT, scope TEXT, tag TEXT, language TEXT, file INTEGER,
  PRIMARY KEY (entity, text, scope, tag, language, file)) WITHOUT ROWID;
CREATE TABLE attribute (subject INTEGER, place INTEGER, predicate TEXT NOT NULL, value TEXT NOT NULL, datatype TEXT NOT NULL,
  language TEXT NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (subject, place)) WITHOUT ROWID;
CREATE TABLE mention (key INTEGER, visibility INTEGER, rank INTEGER, entity INTEGER,
  PRIMARY KEY (key, visibility, rank, entity)) WITHOUT ROWID;
CREATE TABLE predicate (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE evidence (number INTEGER PRIMARY KEY, file INTEGER NOT NULL, reference TEXT NOT NULL, code TEXT NOT NULL,
  frequency TEXT NOT NULL, method TEXT NOT NULL, sentence TEXT NOT NULL, confidence INTEGER NOT NULL);
CREATE TABLE proof (number INTEGER PRIMARY KEY, rule TEXT NOT NULL, confidence INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE fact (subject INTEGER, predicate INTEGER, visibility INTEGER, rank INTEGER, object INTEGER, evidence INTEGER,
  PRIMARY KEY (subject, predicate, visibility, rank, object, evidence)) WITHOUT ROWID;
"""

INDEXES: Final = """
CREATE UNIQUE INDEX entity_id ON entity (id);
CREATE INDEX fact_object ON fact (object, predicate, visibility, rank, subject, evidence);
"""


@dataclass(frozen=True, slots=True, order=True)
class SourceVersion:
    """A source and the version its files call themselves."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What `snapshot.json` says: enough to check the other files and to show a person what is inside."""

    content_digest: str
    counts: Mapping[str, int]
    sources: Sequence[SourceVersion]
    files: Mapping[str, str]
    """File name → digest."""

    def to_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "contentDigest": self.content_digest,
            "counts": dict(self.counts),
            "sources": [{"name": source.name, "version": source.version} for source in self.sources],
            "files": dict(self.files),
        }

    @classmethod
    def from_document(cls, document: Any) -> "Description":
        """Parse the JSON form; ValueError says what is wrong."""
        try:
            if document["schemaVersion"] != SCHEMA_VERSION:
                raise ValueError(
                    f"schemaVersion is {document['schemaVersion']}, this LLMOS reads {SCHEMA_VERSION}; "
                    "another text in `spec.refresh` of its KnowledgeBase builds it anew"
                )
            return cls(
                content_digest=document["contentDigest"],
                counts={str(name): int(count) for name, count in document["counts"].items()},
                sources=tuple(SourceVersion(item["name"], item["version"]) for item in document["sources"]),
                files={str(name): str(digest) for name, digest in document["files"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{DESCRIPTION_FILE} lacks or misuses the field {error}") from error

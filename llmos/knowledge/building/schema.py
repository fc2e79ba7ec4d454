"""The columns of a fragment, and the tables that a merge makes of all fragments: what parsing, merging, rules and shapes agree on.

Must not: read or write.
"""

from typing import Final

__all__ = ["FRAGMENT_COLUMNS", "SCOPE_RANK", "TABLES"]

# Every column is NOT NULL. `key`, `plural` and `characters` are what linking compares: computed once, when a file is parsed.
FRAGMENT_COLUMNS: Final[dict[str, dict[str, str]]] = {
    "entity": {"id": "VARCHAR", "kind": "VARCHAR"},
    "name": {
        "entity": "VARCHAR",
        "text": "VARCHAR",
        "scope": "VARCHAR",
        "tag": "VARCHAR",
        "language": "VARCHAR",
        "key": "VARCHAR",
        "plural": "VARCHAR",
        "characters": "INTEGER",
        "line": "INTEGER",
    },
    "fact": {
        "subject": "VARCHAR",
        "predicate": "VARCHAR",
        "object": "VARCHAR",
        "reference": "VARCHAR",
        "code": "VARCHAR",
        "frequency": "VARCHAR",
        "confidence": "INTEGER",
        "method": "VARCHAR",
        "sentence": "VARCHAR",
        "line": "INTEGER",
    },
    "attribute": {
        "subject": "VARCHAR",
        "predicate": "VARCHAR",
        "value": "VARCHAR",
        "datatype": "VARCHAR",
        "language": "VARCHAR",
        "line": "INTEGER",
    },
    "alias": {"alias": "VARCHAR", "entity": "VARCHAR"},
    "problem": {"line": "INTEGER", "message": "VARCHAR"},
}

# docs/design/0003 explains them. `definition` says who defines an entity, as what; `findable` is what is linked for a name's text.
TABLES: Final = """
CREATE TABLE entity (number INTEGER NOT NULL, id VARCHAR NOT NULL, kind VARCHAR NOT NULL, name VARCHAR NOT NULL);
CREATE TABLE definition (entity INTEGER NOT NULL, partition VARCHAR NOT NULL, kind VARCHAR NOT NULL);
CREATE TABLE file (number INTEGER NOT NULL, source VARCHAR NOT NULL, version VARCHAR NOT NULL, path VARCHAR NOT NULL,
  partition VARCHAR NOT NULL);
CREATE TABLE evidence (number INTEGER NOT NULL, file INTEGER NOT NULL, reference VARCHAR NOT NULL, code VARCHAR NOT NULL,
  frequency VARCHAR NOT NULL, method VARCHAR NOT NULL, sentence VARCHAR NOT NULL, confidence INTEGER NOT NULL);
CREATE TABLE fact (subject INTEGER NOT NULL, predicate VARCHAR NOT NULL, object INTEGER NOT NULL, evidence INTEGER NOT NULL);
CREATE TABLE attribute (subject INTEGER NOT NULL, predicate VARCHAR NOT NULL, value VARCHAR NOT NULL, datatype VARCHAR NOT NULL,
  language VARCHAR NOT NULL, file INTEGER NOT NULL);
CREATE TABLE name (entity INTEGER NOT NULL, text VARCHAR NOT NULL, scope VARCHAR NOT NULL, tag VARCHAR NOT NULL,
  language VARCHAR NOT NULL, file INTEGER NOT NULL);
CREATE TABLE findable (text VARCHAR NOT NULL, key VARCHAR NOT NULL, plural VARCHAR NOT NULL, characters INTEGER NOT NULL);
CREATE TABLE problem (source VARCHAR NOT NULL, path VARCHAR NOT NULL, line INTEGER NOT NULL, message VARCHAR NOT NULL);
CREATE TABLE derived (subject INTEGER NOT NULL, predicate VARCHAR NOT NULL, object INTEGER NOT NULL, rule VARCHAR NOT NULL,
  confidence INTEGER NOT NULL, partitions VARCHAR NOT NULL, proof VARCHAR NOT NULL);
"""

SCOPE_RANK: Final = "(list_position(['Preferred', 'Exact', 'Narrow', 'Broad', 'Related'], scope) - 1)"
"""SQL: how closely a name fits, 0 for a preferred one; the order of `Scope`."""

"""What a knowledge base says, as one canonical stream of lines, and the digest over them.

The content digest stands for this and for nothing derived from it: SQLite and the trie may change their bytes, the knowledge has not.
Must not: write a snapshot's files.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import duckdb
import pyarrow as pa

from llmos.artifacts import canonical_json

__all__ = ["content_digest", "seal", "stream"]

_BATCH_ROWS: Final = 1 << 16

# Strings that stand beside others in a line: no tab or line end may stay in them, or two contents could give the same lines.
_ESCAPE: Final = r"""CREATE OR REPLACE TEMP MACRO escaped(x) AS
  replace(replace(replace(x, '\', '\\'), chr(9), '\t'), chr(10), '\n')"""

# Table → its columns in the order in which its lines are sorted; `text` columns are escaped. Numbers are given by content (the order of
# identifiers, files, evidence), so lines of numbers say as much as lines of names would.
_LINES: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "file": ("number, source, version, path, partition", frozenset({"source", "version", "path", "partition"})),
    "entity": ("number, id", frozenset({"id"})),
    "definition": ("entity, partition, kind", frozenset({"partition", "kind"})),
    "name": ("entity, text, scope, tag, language, file", frozenset({"text", "scope", "tag", "language"})),
    "attribute": (
        "subject, predicate, value, datatype, language, file",
        frozenset({"predicate", "value", "datatype", "language"}),
    ),
    "evidence": (
        "number, file, reference, code, frequency, method, sentence, confidence",
        frozenset({"reference", "code", "frequency", "method", "sentence"}),
    ),
    "fact": ("subject, predicate, object, evidence", frozenset({"predicate"})),
    "derived": (
        "subject, predicate, object, rule, confidence, partitions, proof",
        frozenset({"predicate", "rule", "partitions", "proof"}),
    ),
}

# What rules and shapes took away may leave evidence that nothing cites, and what they added may be there twice.
_SEAL: Final = """
CREATE TEMP TABLE kept AS SELECT number, row_number() OVER (ORDER BY number) AS new FROM evidence
  WHERE number IN (SELECT evidence FROM fact);
CREATE OR REPLACE TABLE fact AS SELECT DISTINCT f.subject, f.predicate, f.object, k.new::INTEGER AS evidence
  FROM fact AS f JOIN kept AS k ON k.number = f.evidence;
CREATE OR REPLACE TABLE evidence AS SELECT k.new::INTEGER AS number, e.* EXCLUDE number FROM evidence AS e JOIN kept AS k USING (number);
DROP TABLE kept;
"""


def seal(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave no trace of how the tables came to be what they are: evidence without a fact goes, and nothing stands twice."""
    (is_loose,) = connection.execute(
        "SELECT (SELECT count(*) FROM evidence) <> (SELECT count(DISTINCT evidence) FROM fact)"
    ).fetchone() or (True,)
    if is_loose:
        connection.execute(_SEAL)
    connection.execute("CREATE OR REPLACE TABLE derived AS SELECT DISTINCT * FROM derived")


def content_digest(connection: duckdb.DuckDBPyConnection, *, header: Mapping[str, Any]) -> str:
    """Digest the sealed tables.

    Args:
        connection: the merged, derived, checked tables.
        header: everything else that decides what a snapshot answers: format version, linking settings, rules, encoder.
    """
    state = hashlib.sha256(canonical_json(header) + b"\n")
    connection.execute(_ESCAPE)
    for table, (columns, texts) in _LINES.items():
        state.update(f"[{table}]\n".encode())
        cells = " || chr(9) || ".join(f"escaped({column})" if column in texts else column for column in columns.split(", "))
        for batch in stream(connection, f"SELECT {cells} || chr(10) FROM {table} ORDER BY {columns}"):  # noqa: S608
            state.update(_characters(batch.column(0)))
    return "sha256:" + state.hexdigest()


def _characters(lines: pa.Array) -> memoryview | bytes:
    """Return the bytes of all lines, one after the other, as they lie in memory."""
    lines = lines.cast(pa.large_string())
    assert lines.null_count == 0, "no column of the merged tables may be NULL"
    if not len(lines):
        return b""
    _, offsets, data = lines.buffers()
    edges = memoryview(offsets).cast("q")
    return memoryview(data)[edges[lines.offset] : edges[lines.offset + len(lines)]]


def stream(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query in batches; memory stays at one of them and at what sorting needs."""
    yield from connection.sql(query).to_arrow_reader(_BATCH_ROWS)

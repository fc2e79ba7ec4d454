"""The answer of a PostgreSQL query → a file of JSONL, which the mapping of tables then reads like any other.

The server sorts the rows by their bytes and writes them itself, so the file, and with it the snapshot, depends neither on the order in
which the database finds rows nor on its language settings. Everything happens in one read-only transaction that sees one state of the data.
Must not: change anything in the database, or know what a column means.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import Connection, IsolationLevel, RawServerCursor, errors

from llmos.errors import ConfigError, PermanentError, TransientError

__all__ = ["MAXIMUM_ROW_BYTES", "QueryFacts", "save_query"]

MAXIMUM_ROW_BYTES: Final = 4 << 20
"""A row that is longer as JSON is refused: it would be held in memory here and in the server."""

_MAXIMUM_BYTES: Final = 16 << 30
_BATCH_ROWS: Final = 2000
_CONNECT_TIMEOUT_S: Final = 10
_SETTINGS: Final = {
    # What the server writes must not depend on the role that asks.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    # The query runs as its author wrote it; that it cannot write is the server's to enforce.
    "default_transaction_read_only": "on",
}


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What was read, for the provenance."""

    columns: tuple[str, ...]
    num_rows: int
    query_digest: str
    """`sha256:…` of the query's text."""

    content_digest: str
    """`sha256:…` of the file: the same rows have the same, in whatever order the server finds them."""

    server_version: str
    database: str
    snapshot: str
    """The state of the data that was read, as `pg_current_snapshot()` writes it."""


def save_query(connection_string: str, into: Path, *, query: str, timeout_s: float) -> QueryFacts:
    """Write the rows of a query to a new file, one JSON object a line.

    Args:
        connection_string: as libpq reads it; its password is in no error.
        into: the file to write.
        query: one SELECT (or VALUES, TABLE, WITH) without a semicolon; its columns need distinct names.
        timeout_s: what the server may take for one step of it.

    Raises: ConfigError if the query is wrong, takes too long, or its rows are too large; TransientError if the server cannot be reached,
    lets us not in (a password is changed there and here, not at once), or breaks off; PermanentError if the role may not read this. All
    with the reason InvalidSource.
    """
    try:
        with _connect(connection_string, timeout_s) as connection:
            columns = _columns(connection, query)
            snapshot = _ask(connection, "SELECT pg_current_snapshot()::text")
            num_rows, content_digest = _write(into, _rows(connection, query))
            return QueryFacts(
                columns=columns,
                num_rows=num_rows,
                query_digest=f"sha256:{hashlib.sha256(query.encode()).hexdigest()}",
                content_digest=content_digest,
                server_version=_ask(connection, "SHOW server_version"),
                database=_ask(connection, "SELECT current_database()"),
                snapshot=snapshot,
            )
    except psycopg.Error as error:
        raise _translated(error, timeout_s) from error


def _connect(connection_string: str, timeout_s: float) -> Connection[tuple[str, ...]]:
    settings = {**_SETTINGS, "statement_timeout": f"{max(1, int(timeout_s * 1000))}", "idle_in_transaction_session_timeout": "600000"}
    escaped = (f"{name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items())
    connection: Connection[tuple[str, ...]] = psycopg.connect(
        connection_string,
        connect_timeout=_CONNECT_TIMEOUT_S,
        options=" ".join(f"-c {setting}" for setting in escaped),
        application_name="llmos",
    )
    connection.read_only = True
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    return connection


def _sub_select(query: str, columns: str, order: str = "") -> str:
    """Put the query in parentheses, where only one that returns rows can stand; the line end closes a comment at its end."""
    return f"SELECT {columns} FROM (\n{query}\n) AS llmos_row {order}"  # noqa: S608  # the query is the user's own


def _columns(connection: Connection[tuple[str, ...]], query: str) -> tuple[str, ...]:
    with RawServerCursor(connection, "llmos_columns") as cursor:
        cursor.execute(_sub_select(query, "*", "LIMIT $1"), [0])
        names = tuple(column.name for column in cursor.description or ())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"the query has the column {twice[0]!r} twice; name them apart with AS", reason="InvalidSource")
    return names


def _rows(connection: Connection[tuple[str, ...]], query: str) -> Iterator[str]:
    """Return the rows as JSON, sorted by their bytes; a row that is too long comes as its length."""
    row = "to_jsonb(llmos_row)::text"
    columns = f'CASE WHEN octet_length({row}) <= $1 THEN {row} END COLLATE "C" AS line, octet_length({row}) AS size'
    # A parameter makes the server parse the statement as exactly one, whatever the query holds.
    with RawServerCursor(connection, "llmos_rows") as cursor:
        cursor.itersize = _BATCH_ROWS
        cursor.execute(_sub_select(query, columns, "ORDER BY line"), [MAXIMUM_ROW_BYTES])
        for line, size in cursor:
            if line is None:
                raise ConfigError(
                    f"a row of the query has {size} bytes, more than {MAXIMUM_ROW_BYTES}; leave its large column out",
                    reason="InvalidSource",
                )
            yield line


def _write(into: Path, lines: Iterator[str]) -> tuple[int, str]:
    digest, num_rows, size = hashlib.sha256(), 0, 0
    with into.open("xb") as file:
        for line in lines:
            data = f"{line}\n".encode()
            size += len(data)
            if size > _MAXIMUM_BYTES:
                raise ConfigError(f"the rows of the query have more than {_MAXIMUM_BYTES} bytes; select less", reason="InvalidSource")
            digest.update(data)
            file.write(data)
            num_rows += 1
    return num_rows, f"sha256:{digest.hexdigest()}"


def _ask(connection: Connection[tuple[str, ...]], statement: str) -> str:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def _translated(error: psycopg.Error, timeout_s: float) -> ConfigError | TransientError | PermanentError:
    """Say what a person can do; only the server's own message is shown, which never holds a password."""
    said = (error.diag.message_primary or str(error).strip().rsplit("\n", 1)[-1])[:300]
    if isinstance(error, errors.QueryCanceled):
        return ConfigError(f"the query took more than {timeout_s:g} s: {said}; select less, or allow more time", reason="InvalidSource")
    if isinstance(error, errors.InsufficientPrivilege):
        return PermanentError(f"the database refuses: {said}; grant the role the right to read it", reason="InvalidSource")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return ConfigError(f"the query would change the database: {said}; it may only read", reason="InvalidSource")
    if isinstance(error, psycopg.OperationalError):
        return TransientError(f"the database cannot be used: {said}; check the server, the role and its password", reason="InvalidSource")
    return ConfigError(f"the query is wrong: {said}", reason="InvalidSource")

"""The snapshot's SQLite file, read by any number of threads: each has its own connection to the same mapped pages.

Must not: know what the tables mean.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

__all__ = ["Database"]

_MAPPED_BYTES: Final = (1 << 31) - 65536
"""The most that SQLite maps; what lies behind is read through its cache."""
_STATEMENTS: Final = 64


class Database:
    """An immutable SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        """Return all rows of a query."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
        return list(connection.execute(query, parameters))

    def _connect(self) -> sqlite3.Connection:
        # immutable: nobody writes, so no locks and no journal look-ups. Closed from another thread at the end, hence the check is off.
        uri = f"file:{quote(str(self._path.resolve()))}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, cached_statements=_STATEMENTS)
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

"""The in-process DuckDB of one build: bounded memory that spills to scratch, and no way to anything but the fragments.

Must not: know a table.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

__all__ = ["lock_database", "open_database"]

_CGROUP_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_SHARE_PERCENT: Final = 50
"""Of the pod's memory: SQLite, the trie and Python want some, and DuckDB goes over its limit for a moment now and then."""


@contextmanager
def open_database(scratch: Path, *, memory_bytes: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database for one build.

    Args:
        scratch: an existing folder, where it puts what does not fit into memory.
        memory_bytes: how much it may take; None: half of what this container may.
    """
    spill = scratch / "spill"
    spill.mkdir()
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_bytes or _available_bytes() * _SHARE_PERCENT // 100}B",
            "temp_directory": str(spill),
            "threads": len(os.sched_getaffinity(0)),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    try:
        # Every query that matters says its order.
        connection.execute("SET preserve_insertion_order = false")
        yield connection
    finally:
        connection.close()


def lock_database(connection: duckdb.DuckDBPyConnection) -> None:
    """Forbid files and networks from here on: the rules and shapes that run next were written by users."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _available_bytes() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUP_LIMITS:
        try:
            return min(physical, int(path.read_text()))
        except (OSError, ValueError):
            continue  # not this version of cgroups, or "max"
    return physical

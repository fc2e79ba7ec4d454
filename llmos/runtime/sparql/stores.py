"""The stores and workers of the snapshots that answer: derived before a set takes over, let go when it was replaced.

Deriving happens in a process of its own, so neither its memory nor its threads stay; a store that is there is not derived again, also by
a sidecar that was restarted. Must not: decide which snapshots answer.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from llmos.errors import TransientError
from llmos.knowledge.sparql.media_types import JSON
from llmos.runtime.assets import PodPaths
from llmos.runtime.pipeline import ActiveSnapshot
from llmos.runtime.sparql.pool import PoolSettings, QueryDied, QueryTimeout, WorkerPool
from llmos.workload.config import Sparql

__all__ = ["SparqlStores"]

_LAYOUT: Final = 1
"""Changed when the same snapshot, partitions and prefixes would give other triples."""

_GOLDEN_QUERY: Final = "ASK { ?s ?p ?o }"

_View = tuple[str, tuple[str, ...]]
"""Version digest and partitions: what a store holds."""

_log = logging.getLogger(__name__)


class SparqlStores:
    """A pool of workers for each snapshot that answers, or is about to."""

    def __init__(self, config: Sparql, paths: PodPaths, *, retire_after_s: float) -> None:
        """Take what queries may use.

        Args:
            retire_after_s: how long queries may still use workers of a set that was replaced.
        """
        self._config = config
        self._paths = paths
        self._retire_after_s = retire_after_s
        self._settings = PoolSettings(config.workers, float(config.timeout_seconds), config.maximum_rows)
        self._pools: dict[_View, WorkerPool] = {}
        self._active: frozenset[_View] = frozenset()
        self._prepared: frozenset[_View] = frozenset()
        self._retiring: set[asyncio.Task[None]] = set()

    def pool(self, item: ActiveSnapshot) -> WorkerPool | None:
        """Return the workers for an active snapshot."""
        return self._pools.get(_view(item))

    async def prepare(self, snapshots: Sequence[ActiveSnapshot]) -> None:
        """Derive the stores that are not there, start their workers and ask each store once.

        Raises: TransientError.
        """
        # Told first: these must not be let go as those of an older set while they wait for their golden answer.
        self._prepared = frozenset(map(_view, snapshots))
        for item in snapshots:
            if _view(item) in self._pools:
                continue
            store = self._paths.sparql_stores(item.digest) / _key(self._config.prefix_map, item.partitions)
            if not await asyncio.to_thread(store.exists):
                await self._derive(item, store)
            self._pools[_view(item)] = await self._start(store, item)

    async def _start(self, store: Path, item: ActiveSnapshot) -> WorkerPool:
        pool = WorkerPool(store, self._settings)
        await pool.start()
        try:
            await pool.run(_GOLDEN_QUERY, [JSON])
        except (QueryTimeout, QueryDied) as error:
            await pool.close()
            raise TransientError(f"the SPARQL store of {item.name} does not answer: {error}", reason="MountFailed") from error
        return pool

    async def _derive(self, item: ActiveSnapshot, into: Path) -> None:
        _log.info("deriving the SPARQL store of %s %s", item.name, item.digest)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llmos.knowledge.sparql.derive"),
            *("--snapshot", str(self._paths.snapshot(item.digest)), "--into", str(into), "--prefixes", json.dumps(self._config.prefix_map)),
            *(word for partition in item.partitions for word in ("--partition", partition)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            words = " ".join(errors.decode(errors="replace").split())[-300:]
            raise TransientError(
                f"the SPARQL store of {item.name} cannot be derived (exit code {process.returncode}): {words}", reason="MountFailed"
            )
        _log.info("the SPARQL store of %s has %s triples", item.name, output.decode().strip())

    def activate(self, snapshots: Sequence[ActiveSnapshot]) -> None:
        """Keep the workers of these; those of all others end when no query can be using them any more.

        The stores stay as long as their snapshots, so going back to the previous set only starts workers.
        """
        self._active = frozenset(map(_view, snapshots))
        if any(view not in self._active for view in self._pools):
            task = asyncio.create_task(self._retire())
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self) -> None:
        await asyncio.sleep(self._retire_after_s)
        for view in [view for view in self._pools if view not in self._active | self._prepared]:
            await self._pools.pop(view).close()

    async def aclose(self) -> None:
        """End every worker."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        pools, self._pools = self._pools, {}
        await asyncio.gather(*(pool.close() for pool in pools.values()))


def _view(item: ActiveSnapshot) -> _View:
    return (item.digest, item.partitions)


def _key(prefixes: Mapping[str, str], partitions: Sequence[str]) -> str:
    """Name what decides a store's content besides its snapshot: whoever may see less has another store."""
    return hashlib.sha256(json.dumps([_LAYOUT, dict(prefixes), list(partitions)], sort_keys=True).encode()).hexdigest()[:16]

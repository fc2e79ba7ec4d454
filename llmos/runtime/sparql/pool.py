"""Processes that answer queries of one store: one query each at a time, killed when it takes too long, replaced when they end.

An answer is passed on only when all of it is here: whoever gets a 200 has the whole result. Must not: know HTTP, or look into queries.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.errors import TransientError
from llmos.runtime.sparql.frames import pack, read_frame_async

__all__ = [
    "MAXIMUM_RESULT_BYTES",
    "QUEUED_PER_WORKER",
    "WORKER_MEMORY_BYTES",
    "PoolSettings",
    "QueryDied",
    "QueryReply",
    "QueryTimeout",
    "QueueFull",
    "WorkerPool",
]

MAXIMUM_RESULT_BYTES: Final = 16 << 20
WORKER_MEMORY_BYTES: Final = 512 << 20
QUEUED_PER_WORKER: Final = 4
"""More than this wait for no worker: they are refused, for those before them alone may take up their time."""

_START_S: Final = 30.0
_ALARM_MARGIN_S: Final = 2.0
_RESPAWN_S: Final = (0.0, 0.5, 2.0, 10.0)

_log = logging.getLogger(__name__)


class QueryTimeout(Exception):
    """The query took longer than it may, and was killed."""


class QueueFull(Exception):
    """As many queries as may wait are waiting."""


class QueryDied(Exception):
    """The worker ended under the query, most likely for want of memory."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What a query may take."""

    workers: int
    timeout_s: float
    maximum_rows: int


@dataclass(frozen=True, slots=True)
class QueryReply:
    """What a worker said: an answer, a refusal, or the kind of a failure."""

    media_type: str = ""
    pieces: Sequence[bytes] = ()
    refusal: str = ""
    message: str = ""
    failure: str = ""


class WorkerPool:
    """The workers of one store."""

    def __init__(self, store: Path, settings: PoolSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._idle: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
        self._processes: set[asyncio.subprocess.Process] = set()
        self._respawning: set[asyncio.Task[None]] = set()
        self._num_failed_starts = 0
        self.num_waiting = 0
        self.num_killed = 0

    async def start(self) -> None:
        """Start all workers; raises TransientError if one does not."""
        try:
            for process in await asyncio.gather(*(self._spawn() for _ in range(self._settings.workers))):
                self._idle.put_nowait(process)
        except BaseException:
            await self.close()
            raise

    async def run(self, query: str, accepted: Sequence[str]) -> QueryReply:
        """Answer a query; the time it waits for a worker counts.

        Raises: QueueFull, QueryTimeout, QueryDied.
        """
        end = self._clock() + self._settings.timeout_s
        process = await self._take(end)
        request = {
            "query": query,
            "accepted": list(accepted),
            "maximumRows": self._settings.maximum_rows,
            "maximumBytes": MAXIMUM_RESULT_BYTES,
            "alarmSeconds": max(end - self._clock(), 0) + _ALARM_MARGIN_S,
        }
        try:
            async with asyncio.timeout(max(end - self._clock(), 0)):
                reply = await _exchange(process, request)
        except BaseException as error:
            # Whatever it was (also a client that went away), this worker is in the middle of something: only a new one is of use.
            self._replace(process)
            if isinstance(error, TimeoutError):
                raise self._too_late() from None
            if isinstance(error, asyncio.IncompleteReadError | ConnectionError | ValueError):
                raise QueryDied(
                    f"the query needed more than the {WORKER_MEMORY_BYTES >> 20} MiB of memory it may have, and was ended; ask for less"
                ) from None
            raise
        self._idle.put_nowait(process)
        return reply

    async def _take(self, end: float) -> asyncio.subprocess.Process:
        maximum = self._settings.workers * QUEUED_PER_WORKER
        if self._idle.empty() and self.num_waiting >= maximum:
            raise QueueFull(f"{maximum} queries are waiting")
        self.num_waiting += 1
        try:
            async with asyncio.timeout(max(end - self._clock(), 0)):
                while (process := await self._idle.get()).returncode is not None:
                    self._replace(process)
                return process
        except TimeoutError:
            raise self._too_late() from None
        finally:
            self.num_waiting -= 1

    def _too_late(self) -> QueryTimeout:
        return QueryTimeout(f"the query had no answer within {self._settings.timeout_s:g} seconds")

    def _replace(self, process: asyncio.subprocess.Process) -> None:
        self.num_killed += 1
        _kill(process)
        task = asyncio.create_task(self._respawn(process))
        self._respawning.add(task)
        task.add_done_callback(self._respawning.discard)

    async def _respawn(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._processes.discard(process)
        while True:
            await asyncio.sleep(_RESPAWN_S[min(self._num_failed_starts, len(_RESPAWN_S) - 1)])
            try:
                self._idle.put_nowait(await self._spawn())
            except TransientError as error:
                self._num_failed_starts += 1
                _log.warning("%s", error.message)
            else:
                self._num_failed_starts = 0
                return

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llmos.runtime.sparql.worker"),
            *("--store", str(self._store), "--memory-bytes", str(WORKER_MEMORY_BYTES)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._processes.add(process)
        try:
            async with asyncio.timeout(_START_S):
                assert process.stdout is not None
                await read_frame_async(process.stdout)
        except (TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            _kill(process)
            self._processes.discard(process)
            code = await process.wait()
            raise TransientError(
                f"a SPARQL worker did not start (exit code {code}); the sidecar's log has its words", reason="ContainerCrashed"
            ) from error
        return process

    async def close(self) -> None:
        """Kill every worker; queries under way fail."""
        for task in self._respawning:
            task.cancel()
        await asyncio.gather(*self._respawning, return_exceptions=True)
        processes, self._processes = self._processes, set()
        for process in processes:
            _kill(process)
        await asyncio.gather(*(process.wait() for process in processes))


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _exchange(process: asyncio.subprocess.Process, request: dict[str, Any]) -> QueryReply:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(pack(request))
    await process.stdin.drain()
    head = await read_frame_async(process.stdout)
    if "mediaType" not in head:
        return QueryReply(refusal=head.get("refusal", ""), message=head.get("message", ""), failure=head.get("failure", ""))
    missing = int(head["size"])
    if missing > MAXIMUM_RESULT_BYTES:
        raise ValueError(f"a result of {missing} bytes")
    # In pieces as they come: one copy of 16 MiB would hold up everybody else.
    pieces = []
    while missing:
        piece = await process.stdout.read(min(missing, 1 << 16))
        if not piece:
            raise asyncio.IncompleteReadError(b"", missing)
        pieces.append(piece)
        missing -= len(piece)
    return QueryReply(media_type=head["mediaType"], pieces=pieces)

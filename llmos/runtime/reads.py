"""Threads that read snapshots for requests: few, bounded in time and number, so that a walk through a graph delays nothing else.

Must not: know what is read.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["MAXIMUM_READS", "Reads", "TooManyReads"]

MAXIMUM_READS: Final = 16
"""Being read or waiting; more are refused."""

_THREADS: Final = 2
"""Python runs one at a time; the second is there so that an entity need not wait for a path."""

Result = TypeVar("Result")


class TooManyReads(Exception):
    """As many reads as may wait are waiting."""

    def __init__(self) -> None:
        super().__init__(f"{MAXIMUM_READS} reads of knowledge bases are being answered")


class Reads:
    """Runs reading functions beside the event loop."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="knowledge")
        self._num_running = 0

    async def run(self, read: Callable[[Callable[[], bool]], Result], *, timeout_s: float) -> Result:
        """Return what `read` returns; it is given a function that says whether the time is up, and must ask it often.

        Raises: TooManyReads; TimeoutError; whatever `read` raises.
        """
        if self._num_running >= MAXIMUM_READS:
            raise TooManyReads
        end = self._clock() + timeout_s
        self._num_running += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, read, lambda: self._clock() >= end)
        # Counted until the thread is done, not until the client is told: a read that outlives its request still takes a thread.
        future.add_done_callback(self._done)
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(future)

    def _done(self, future: "asyncio.Future[Result]") -> None:
        self._num_running -= 1
        if not future.cancelled():
            # Looked at, so that an error nobody waits for any more is not reported as lost.
            future.exception()

    def close(self) -> None:
        """Let no more reads start."""
        self._threads.shutdown(wait=False, cancel_futures=True)

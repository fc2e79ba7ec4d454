"""The work queue: each key once, never twice at the same time, so many at once, later when it failed.

Owns: de-duplication, concurrency, per-key exponential backoff with jitter, delayed requeue, resync. Must not: know what a key means or
what reconciling does; the function it is given returns when to look again, or raises.
"""

import asyncio
import contextlib
import heapq
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Protocol, TypeVar

from llmos.errors import LlmosError
from llmos_operator.clock import Clock

__all__ = ["FORGET", "QueueObserver", "WorkQueue"]

K = TypeVar("K", bound=Hashable)
logger = logging.getLogger(__name__)

FORGET = math.inf
"""What a run answers when its object is gone: no resync."""
BACKOFF_BASE_S = 1.0
BACKOFF_MAXIMUM_S = 300.0
JITTER = 0.2
"""Each delay is multiplied by 1 ± this, so that what failed together does not come back together."""


class QueueObserver(Protocol):
    """Who is told what the queue does (metrics)."""

    def finished(self, key: object, *, duration_s: float, error: BaseException | None) -> None:
        """One run is over."""


class WorkQueue(Generic[K]):
    """Runs `reconcile(key)` for every key that was added, level-triggered: additions during a run cause exactly one more run."""

    def __init__(
        self,
        reconcile: Callable[[K], Awaitable[float | None]],
        *,
        workers: int,
        resync_s: float,
        clock: Clock,
        rng: random.Random,
        observer: QueueObserver | None = None,
    ) -> None:
        """Make an idle queue.

        Args:
            reconcile: returns seconds until it wants to run again, None for the next resync, FORGET for never; any exception means backoff.
            workers: how many keys run at once.
            resync_s: a key that said None runs again after about so many seconds, jittered.
            clock: time.
            rng: jitter.
            observer: told about each run.
        """
        self._reconcile = reconcile
        self._workers = workers
        self._resync_s = resync_s
        self._clock = clock
        self._rng = rng
        self._observer = observer
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._running: dict[K, float] = {}
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._wakeup = asyncio.Event()
        self._timer_changed = asyncio.Event()
        self._closing = False
        self.last_finished: float = clock.monotonic()
        """When a run last finished (monotonic)."""

    def add(self, key: K) -> None:
        """Ask for a run as soon as a worker is free."""
        self._due.pop(key, None)
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._wakeup.set()

    def add_after(self, key: K, delay_s: float) -> None:
        """Ask for a run later; an earlier request stands."""
        due = self._clock.monotonic() + delay_s
        if key in self._waiting or key in self._again or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._timers, (due, self._sequence, key))
        self._timer_changed.set()

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        return len(self._ready)

    @property
    def num_running(self) -> int:
        """How many keys run now."""
        return len(self._running)

    @property
    def stuck_since(self) -> float | None:
        """When (monotonic) the oldest run began, or, where keys wait and none runs, when a run last finished; None if all is at rest."""
        if self._running:
            return min(self._running.values())
        return self.last_finished if self._ready else None

    def failures(self, key: K) -> int:
        """How often in a row this key failed."""
        return self._failures.get(key, 0)

    async def run(self) -> None:
        """Work until `close`; then finish what is running and return."""
        timer = asyncio.create_task(self._fire_timers(), name="queue-timers")
        workers = [asyncio.create_task(self._work(), name=f"queue-worker-{index}") for index in range(self._workers)]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (timer, *workers):
                task.cancel()
            for task in (timer, *workers):
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def close(self) -> None:
        """Take no new key; runs in progress finish."""
        self._closing = True
        self._wakeup.set()

    async def _work(self) -> None:
        while True:
            while not self._ready and not self._closing:
                self._wakeup.clear()
                await self._wakeup.wait()
            if self._closing:
                return
            key = self._ready.popleft()
            self._waiting.discard(key)
            self._running[key] = self._clock.monotonic()
            try:
                await self._run_once(key)
            finally:
                self._running.pop(key, None)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _run_once(self, key: K) -> None:
        started = self._clock.monotonic()
        error: BaseException | None = None
        try:
            requeue_s = await self._reconcile(key)
            self._failures.pop(key, None)
            if requeue_s != FORGET:
                self.add_after(key, self._jittered(self._resync_s) if requeue_s is None else requeue_s)
        except Exception as caught:
            error = caught
            count = self._failures[key] = self._failures.get(key, 0) + 1
            delay_s = self._jittered(min(BACKOFF_MAXIMUM_S, BACKOFF_BASE_S * 2 ** min(count - 1, 20)))
            # What we foresaw explains itself; anything else is a mistake of ours, and whoever looks for it needs to know where.
            trace = None if isinstance(caught, LlmosError) else caught
            logger.warning("%s failed %d times, again in %.1f s: %s", key, count, delay_s, caught, exc_info=trace)
            self.add_after(key, delay_s)
        finally:
            self.last_finished = self._clock.monotonic()
            if self._observer:
                self._observer.finished(key, duration_s=self.last_finished - started, error=error)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + self._rng.uniform(-JITTER, JITTER))

    async def _fire_timers(self) -> None:
        while True:
            now = self._clock.monotonic()
            while self._timers and self._timers[0][0] <= now:
                due, _, key = heapq.heappop(self._timers)
                # Superseded timers stay in the heap; only the one that is still on record counts.
                if self._due.get(key) == due:
                    self.add(key)
            timeout_s = self._timers[0][0] - now if self._timers else None
            self._timer_changed.clear()
            await self._clock.wait(self._timer_changed, timeout_s)

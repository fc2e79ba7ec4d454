"""The work queue with a clock that stands still: once, never twice at once, later, and never lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from world import FakeClock

from llmos.errors import TransientError
from llmos_operator.workqueue import BACKOFF_MAXIMUM_S, FORGET, JITTER, WorkQueue


async def turn(times: int = 20) -> None:
    """Let every task run until it waits."""
    for _ in range(times):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(
    reconcile: Callable[[str], Awaitable[float | None]], clock: FakeClock, *, workers: int = 2
) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue(reconcile, workers=workers, resync_s=600, clock=clock, rng=random.Random(7))
    task = asyncio.create_task(queue.run())
    yield queue
    queue.close()
    await task


async def test_a_key_added_many_times_runs_once() -> None:
    runs: list[str] = []

    async def reconcile(key: str) -> None:
        runs.append(key)

    async with running(reconcile, FakeClock()) as queue:
        for _ in range(100):
            queue.add("a")
        await turn()
    assert runs == ["a"]


async def test_additions_during_a_run_cause_exactly_one_more_and_never_at_the_same_time() -> None:
    runs, at_once, gate = 0, [0, 0], asyncio.Event()

    async def reconcile(_: str) -> None:
        nonlocal runs
        runs += 1
        at_once[0] += 1
        at_once[1] = max(at_once)
        await gate.wait()
        at_once[0] -= 1

    async with running(reconcile, FakeClock(), workers=4) as queue:
        queue.add("a")
        await turn()
        for _ in range(10):
            queue.add("a")
        await turn()
        gate.set()
        await turn()
    assert (runs, at_once[1]) == (2, 1)


async def test_no_more_than_the_workers_run_at_once() -> None:
    busy, most = 0, 0

    async def reconcile(_: str) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1

    async with running(reconcile, FakeClock(), workers=3) as queue:
        for index in range(50):
            queue.add(str(index))
        await turn(100)
        assert (queue.depth, queue.num_running) == (0, 0)
    assert most == 3


async def test_a_failing_key_comes_back_later_and_later_and_recovers() -> None:
    clock, runs, fails = FakeClock(), 0, 4

    async def reconcile(_: str) -> None:
        nonlocal runs
        runs += 1
        if runs <= fails:
            raise RuntimeError("no")

    async with running(reconcile, clock) as queue:
        queue.add("a")
        await turn()
        for count, base in enumerate((1, 2, 4, 8), start=1):
            assert (runs, queue.failures("a")) == (count, count)
            clock.advance(base * (1 - JITTER) - 0.01)
            await turn()
            assert runs == count, "earlier than its backoff"
            clock.advance(base * 2 * JITTER + 0.02)
            await turn()
        assert (runs, queue.failures("a")) == (5, 0)


async def test_backoff_has_a_maximum() -> None:
    clock, runs = FakeClock(), 0

    async def reconcile(_: str) -> None:
        nonlocal runs
        runs += 1
        raise RuntimeError("no")

    async with running(reconcile, clock) as queue:
        queue.add("a")
        for _ in range(30):
            await turn()
            clock.advance(BACKOFF_MAXIMUM_S * (1 + JITTER))
        await turn()
    assert runs == 31


@pytest.mark.parametrize(("answer", "due_s"), [(5.0, 5.0), (None, 600 * (1 + JITTER))])
async def test_a_run_is_repeated_when_it_asked_for_it_or_at_the_resync(answer: float | None, due_s: float) -> None:
    clock, runs = FakeClock(), 0

    async def reconcile(_: str) -> float | None:
        nonlocal runs
        runs += 1
        return answer

    async with running(reconcile, clock) as queue:
        queue.add("a")
        await turn()
        clock.advance(due_s + 0.01)
        await turn()
    assert runs == 2


async def test_what_is_gone_is_not_resynced() -> None:
    clock, runs = FakeClock(), 0

    async def reconcile(_: str) -> float:
        nonlocal runs
        runs += 1
        return FORGET

    async with running(reconcile, clock) as queue:
        queue.add("a")
        await turn()
        clock.advance(10_000)
        await turn()
    assert runs == 1


async def test_an_event_does_not_wait_for_the_timer_and_replaces_it() -> None:
    clock, runs = FakeClock(), 0

    async def reconcile(_: str) -> float:
        nonlocal runs
        runs += 1
        return 100.0

    async with running(reconcile, clock) as queue:
        queue.add("a")
        await turn()
        clock.advance(50)
        queue.add("a")
        await turn()
        assert runs == 2
        clock.advance(60)
        await turn()
        assert runs == 2, "the first timer was not replaced"
        clock.advance(50)
        await turn()
        assert runs == 3


async def test_resyncs_are_spread() -> None:
    clock = FakeClock()
    seen: list[float] = []

    async def reconcile(_: str) -> None:
        seen.append(clock.seconds)

    async with running(reconcile, clock) as queue:
        for index in range(50):
            queue.add(str(index))
        await turn(100)
        del seen[:]
        for _ in range(260):
            clock.advance(3)
            await turn(6)
    first = seen[:50]
    assert len(first) == 50
    assert max(first) - min(first) > 100


async def test_closing_finishes_what_runs_and_takes_nothing_new() -> None:
    gate, done = asyncio.Event(), []

    async def reconcile(key: str) -> None:
        await gate.wait()
        done.append(key)

    queue: WorkQueue[str] = WorkQueue(reconcile, workers=1, resync_s=600, clock=FakeClock(), rng=random.Random(7))
    task = asyncio.create_task(queue.run())
    queue.add("a")
    await turn()
    queue.add("b")
    queue.close()
    await turn()
    assert not task.done()
    gate.set()
    await task
    assert done == ["a"]


async def test_a_hang_shows_from_when_the_oldest_run_began_not_from_when_one_last_finished() -> None:
    clock, gate = FakeClock(), asyncio.Event()

    async def reconcile(_: str) -> None:
        await gate.wait()

    async with running(reconcile, clock) as queue:
        assert queue.stuck_since is None
        clock.advance(1000)
        queue.add("a")
        await turn()
        clock.advance(5)
        queue.add("b")
        await turn()
        assert queue.stuck_since == 1000
        gate.set()
        await turn()
        assert queue.stuck_since is None


async def test_a_mistake_of_ours_is_logged_with_its_trace_and_what_was_foreseen_is_not(caplog: pytest.LogCaptureFixture) -> None:
    async def reconcile(key: str) -> None:
        raise KeyError("x") if key == "mistake" else TransientError("away", reason="RegistryUnavailable")

    async with running(reconcile, FakeClock()) as queue:
        queue.add("mistake")
        queue.add("foreseen")
        await turn()
    traced = {record.args[0]: record.exc_info is not None for record in caplog.records if isinstance(record.args, tuple)}
    assert traced == {"mistake": True, "foreseen": False}

"""Workers as real processes: whole answers, kills in time, bounds on what waits, and a kernel that refuses sockets."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pyoxigraph as ox
import pytest

from llmos.errors import TransientError
from llmos.knowledge.sparql.media_types import JSON
from llmos.runtime.sparql import pool as pool_module
from llmos.runtime.sparql.pool import PoolSettings, QueryDied, QueryTimeout, QueueFull, WorkerPool
from tests.unit.runtime.conftest import eventually

HEAVY = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l . ?m ?n2 ?o . FILTER(?a != ?d) }"
LIGHT = "ASK { ?s ?p ?o }"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool") / "store"
    lines = "".join(f"<urn:a:{number}> <urn:p:{number % 7}> <urn:a:{number % 50}> .\n" for number in range(500))
    ox.Store(str(path)).bulk_load(lines.encode(), ox.RdfFormat.N_TRIPLES)
    return path


@pytest.fixture
async def pool(store: Path) -> WorkerPool:
    made = WorkerPool(store, PoolSettings(workers=1, timeout_s=5.0, maximum_rows=50))
    await made.start()
    yield made
    await made.close()


def pids(pool: WorkerPool) -> set[int]:
    return {process.pid for process in pool._processes}


async def test_a_query_that_would_run_for_hours_is_killed_in_time_and_the_next_one_is_answered(pool: WorkerPool):
    before = pids(pool)
    pool._settings = PoolSettings(workers=1, timeout_s=0.2, maximum_rows=50)
    started = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"no answer within 0\.2 seconds"):
        await pool.run(HEAVY, [JSON])
    assert time.monotonic() - started < 0.5
    pool._settings = PoolSettings(workers=1, timeout_s=5.0, maximum_rows=50)
    assert (await pool.run(LIGHT, [JSON])).media_type == JSON
    assert not before & pids(pool), "a new process"
    assert pool.num_killed == 1


async def test_queries_wait_for_a_worker_and_no_more_than_may_wait(pool: WorkerPool):
    heavy = [asyncio.create_task(pool.run(HEAVY, [JSON])) for _ in range(1 + pool_module.QUEUED_PER_WORKER)]
    await eventually(lambda: pool.num_waiting == pool_module.QUEUED_PER_WORKER)
    with pytest.raises(QueueFull, match="4 queries are waiting"):
        await pool.run(LIGHT, [JSON])
    for task in heavy:
        task.cancel()
    await asyncio.gather(*heavy, return_exceptions=True)
    assert (await pool.run(LIGHT, [JSON])).media_type == JSON


async def test_the_time_that_a_query_waits_counts(pool: WorkerPool):
    heavy = asyncio.create_task(pool.run(HEAVY, [JSON]))
    await asyncio.sleep(0)
    pool._settings = PoolSettings(workers=1, timeout_s=0.1, maximum_rows=50)
    with pytest.raises(QueryTimeout):
        await pool.run(LIGHT, [JSON])
    assert pool.num_killed == 0
    heavy.cancel()
    await asyncio.gather(heavy, return_exceptions=True)


async def test_a_query_that_needs_too_much_memory_ends_alone(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool_module, "WORKER_MEMORY_BYTES", 128 << 20)
    greedy = WorkerPool(store, PoolSettings(workers=1, timeout_s=30.0, maximum_rows=50))
    await greedy.start()
    try:
        with pytest.raises(QueryDied, match="more than the 128 MiB of memory"):
            await greedy.run("SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l } ORDER BY ?a ?d ?i", [JSON])
        assert (await greedy.run(LIGHT, [JSON])).media_type == JSON
    finally:
        await greedy.close()


async def test_a_worker_that_died_while_idle_costs_no_query(pool: WorkerPool):
    process = next(iter(pool._processes))
    process.kill()
    await process.wait()
    assert (await pool.run(LIGHT, [JSON])).media_type == JSON


async def test_a_result_beyond_the_bounds_is_refused_and_a_bad_query_harms_nobody(pool: WorkerPool):
    before = pids(pool)
    assert (await pool.run("SELECT * { ?s ?p ?o }", [JSON])).refusal == "TooLarge"
    assert (await pool.run("SELECT", [JSON])).refusal == "Malformed"
    reply = await pool.run("SELECT * { ?s ?p ?o } LIMIT 50", [JSON])
    assert b"".join(reply.pieces).count(b'"s"') == 51
    assert pids(pool) == before


async def test_closing_leaves_no_process(store: Path):
    pool = WorkerPool(store, PoolSettings(workers=2, timeout_s=5.0, maximum_rows=50))
    await pool.start()
    processes = list(pool._processes)
    assert len(processes) == 2
    await pool.close()
    assert all(process.returncode is not None for process in processes)


async def test_a_store_that_cannot_be_opened_is_said(tmp_path: Path):
    pool = WorkerPool(tmp_path / "nothing", PoolSettings(workers=1, timeout_s=1.0, maximum_rows=1))
    with pytest.raises(TransientError, match="a SPARQL worker did not start"):
        await pool.start()


ISOLATED = """
import os, socket, subprocess
from llmos.runtime.sparql.isolation import give_up_privileges
import pyoxigraph
give_up_privileges()
for attempt in (lambda: socket.socket(), lambda: os.execv("/bin/true", ["true"])):
    try:
        attempt()
    except PermissionError:
        print("refused")
try:
    list(pyoxigraph.Store().query("SELECT * { SERVICE <http://127.0.0.1:9999/> { ?s ?p ?o } }"))
except OSError:
    print("refused")
"""


def test_the_kernel_refuses_a_worker_sockets_and_programs():
    done = subprocess.run([sys.executable, "-c", ISOLATED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"] * 3

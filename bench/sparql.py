"""What a heavy SPARQL query costs those who ask something else: `uv run python -m bench.sparql`.

The sidecar's SPARQL endpoint serves a graph on loopback, with real workers; another process asks. A clock in the server's event loop ticks
every millisecond; how late the latest tick came is the stall that every other request would have met. Must not: judge another's figures.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Final

import httpx
import uvicorn
from fastapi import FastAPI

from bench.figures import Figure, bounded, informative, print_figures
from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.runtime.assets import PodPaths
from llmos.runtime.metrics import Metrics
from llmos.runtime.pipeline import ActiveSnapshot
from llmos.runtime.problems import install_problem_handlers
from llmos.runtime.sparql.routes import router
from llmos.runtime.sparql.stores import SparqlStores
from llmos.workload.config import Sparql

_DIGEST: Final = "sha256:" + "0" * 64
_TIMEOUT_S: Final = 5
_WORKERS: Final = 2
_PORT: Final = 18_321
_URL: Final = f"http://127.0.0.1:{_PORT}/v1/knowledge/graph/sparql"
_P: Final = "PREFIX e: <urn:llmos:entity:> PREFIX p: <urn:llmos:predicate:> "
_HEAVY: Final = _P + "SELECT (COUNT(*) AS ?n) { ?a p:is_a ?b . ?c p:is_a ?d . ?e p:is_a ?f . FILTER(?a != ?c && ?b != ?f) }"
_LARGE: Final = "SELECT ?s ?p ?o { ?s ?p ?o } LIMIT 20000"
_LIGHT: Final = _P + "SELECT ?b { e:HP:0000100 p:is_a ?b }"


def write_graph(path: Path, num_entities: int) -> None:
    """Write an ontology: each term with two synonyms and two parents; seven to eight triples an entity."""
    rng = random.Random(20240601)
    with path.open("w") as stream:
        stream.write("format-version: 1.2\ndata-version: 1\n")
        for number in range(1, num_entities + 1):
            parents = {rng.randrange(1, number) for _ in range(2)} if number > 1 else set()
            stream.write(f'\n[Term]\nid: HP:{number:07}\nname: Thing {number}\nsynonym: "Item {number}" EXACT []\n')
            stream.write(f'synonym: "Matter {number}" RELATED []\n' + "".join(f"is_a: HP:{parent:07}\n" for parent in sorted(parents)))


@asynccontextmanager
async def serving(folder: Path, num_entities: int) -> AsyncIterator[float]:
    """Serve the graph; yields how long its store took to derive and open."""
    paths = PodPaths(knowledge=folder)
    source = folder / "graph.obo"
    write_graph(source, num_entities)
    paths.snapshot(_DIGEST).mkdir()
    file = SourceFile(source="graph", path="graph.obo", format="OBO", package_version="1", location=source)
    build_snapshot([file], paths.snapshot(_DIGEST), linking=LinkingSettings())
    settings = Sparql.model_validate({"timeoutSeconds": _TIMEOUT_S, "maximumRows": 100_000, "workers": _WORKERS})
    stores = SparqlStores(settings, paths, retire_after_s=1)
    with Snapshot.open(paths.snapshot(_DIGEST)) as snapshot:
        active = ActiveSnapshot("graph", _DIGEST, snapshot, "")
        began = time.perf_counter()
        await stores.prepare([active])
        derived_s = time.perf_counter() - began
        stores.activate([active])
        app = FastAPI()
        app.state.service = SimpleNamespace(sparql=stores, knowledge=SimpleNamespace(current=(active,)), metrics=Metrics())
        app.include_router(router)
        install_problem_handlers(app)
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=_PORT, log_config=None, access_log=False))
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.05)
        try:
            yield derived_s
        finally:
            server.should_exit = True
            await task
            await stores.aclose()


async def stall_during(work: Callable[[], Awaitable[object]]) -> tuple[float, object]:
    """Return the latest tick of the event loop's clock while this runs, in milliseconds, and its result."""
    worst, done = 0.0, False

    async def tick() -> None:
        nonlocal worst
        while not done:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - began - 0.001)

    clock = asyncio.create_task(tick())
    try:
        result = await work()
    finally:
        done = True
        await clock
    return worst * 1000, result


async def client(kind: str, seconds: float) -> dict[str, list[float]]:
    """Let a process of its own ask; returns the seconds of each answer, by status."""
    arguments = [sys.executable, "-m", "bench.sparql", "--client", kind, "--seconds", str(seconds)]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    found: dict[str, list[float]] = json.loads(output)
    return found


async def ask(kind: str, seconds: float) -> dict[str, list[float]]:
    """Ask until the time is up: heavy queries on every worker but one, and light ones; or large results; or nothing."""
    found: dict[str, list[float]] = {}
    end = time.perf_counter() + seconds

    async def repeat(http: httpx.AsyncClient, query: str, name: str) -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            response = await http.post(_URL, content=query, headers={"Content-Type": "application/sparql-query"})
            found.setdefault(f"{name} {response.status_code}", []).append(time.perf_counter() - began)

    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        if kind == "heavy":
            await asyncio.gather(*(repeat(http, _HEAVY, "heavy") for _ in range(_WORKERS - 1)), repeat(http, _LIGHT, "light"))
        elif kind == "large":
            await asyncio.gather(*(repeat(http, _LARGE, "large") for _ in range(_WORKERS)))
        else:
            await asyncio.sleep(seconds)
    return found


async def measure(num_entities: int, rounds: int, seconds: float) -> list[Figure]:
    """Run the benchmark."""
    stalls: dict[str, list[float]] = {"idle": [], "heavy": [], "large": []}
    answers: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="bench-sparql-") as folder:
        async with serving(Path(folder), num_entities) as derived_s:
            for _ in range(rounds):
                for kind, worst in stalls.items():
                    stall_ms, found = await stall_during(lambda kind=kind: client(kind, seconds))  # type: ignore[misc]
                    worst.append(stall_ms)
                    for name, values in found.items():  # type: ignore[attr-defined]
                        answers.setdefault(name, []).extend(values)
    if not {"heavy 504", "light 200", "large 200"} <= set(answers) <= {"heavy 504", "light 200", "light 504", "large 200", "large 504"}:
        raise SystemExit(f"other answers than expected: { {name: len(values) for name, values in answers.items()} }")
    late_ms = [(value - _TIMEOUT_S) * 1000 for value in answers["heavy 504"]]
    light = sorted(answers["light 200"])
    return [
        bounded("event loop stall, a heavy SPARQL runs", stalls["heavy"], "ms", bar=25, detail=f"{len(late_ms)} kills and respawns"),
        bounded(
            "event loop stall, results of 20,000 rows",
            stalls["large"],
            "ms",
            bar=25,
            detail=f"{len(answers['large 200'])} results, {len(answers.get('large 504', ()))} late",
        ),
        informative("event loop stall, nobody asks", [max(stalls["idle"])], "ms", detail="the machine's own"),
        informative("heavy: error after the deadline", late_ms, "ms", detail=f"of {_TIMEOUT_S} s"),
        informative(
            "light, one heavy beside it, p50",
            light,
            "s",
            detail=f"p99 {light[int(len(light) * 0.99)]:.4f} s; {len(answers.get('light 504', ()))} of {len(light)} late",
        ),
        informative("large result", [statistics.median(answers["large 200"])], "s"),
        informative("deriving and opening the store", [derived_s], "s", detail=f"{num_entities} entities"),
    ]


def main() -> None:
    """Run it, or be the client."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=130_000, help="some 7.5 triples each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=11.0)
    parser.add_argument("--client", choices=("idle", "heavy", "large"))
    arguments = parser.parse_args()
    if arguments.client:
        print(json.dumps(asyncio.run(ask(arguments.client, arguments.seconds))))
        return
    print_figures(asyncio.run(measure(arguments.entities, arguments.rounds, arguments.seconds)), compared_with="")


if __name__ == "__main__":
    main()

"""How much the operator costs: `python -m bench.reconcile`. docs/benchmarks.md says what is measured and how to read it.

Each repeat is a pair on two fresh control planes: the floor (the same children, created by a plain client), then the operator (as many
InferenceServices at once, all Ready, a restart with nothing changed).
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.api import Api, Json
from bench.audit import AuditLog, Requests
from bench.control_plane import OPERATOR_NAMESPACE, ControlPlane, running_control_plane
from bench.figures import Figure, bounded, informative, print_figures, ratio
from bench.objects import NAMESPACE, build_services, copies_of, create_nodes, install, push_versions, recorded_children
from bench.operator_process import OperatorProcess
from llmos.local.progress import say
from llmos.local.settings import LocalSettings

MIB: Final = 1 << 20
FAST_MANAGER_QPS: Final = 1000
NUM_REFERENCES: Final = 2
"""The Model and the KnowledgeBase have passes of their own."""
TIMEOUT_S: Final = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """From creating the services to all Ready."""

    children_s: float
    ready_s: float
    requests: Requests
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """From starting the operator to a drained queue, with nothing changed."""

    drained_s: float
    requests: Requests
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What one repeat measured."""

    floor_s: float
    creation: Creation
    restart: Restart
    anonymous_bytes: int
    resident_bytes: int
    default_manager: bool
    """Whether the controller-manager kept its own limits all the time: only then is the way to Ready the usual one."""


async def record_children(plane: ControlPlane) -> list[Json]:
    """Let the operator make the children of one service, and return them as templates for the floor."""
    async with Api(plane) as api:
        kubeconfig = await prepare(plane, api, num_services=1)
        with OperatorProcess(plane, kubeconfig) as operator:
            operator.wait_until_drained(minimum_passes=NUM_REFERENCES, timeout_s=120)
            await api.create_all(build_services(1))
            await wait_for_ready(api, operator, 1)
            return await recorded_children(api)


async def measure_floor(plane: ControlPlane, children: Sequence[Json], num: int) -> float:
    """Create the children of `num` services without an operator; return the seconds until all exist."""
    async with Api(plane) as api:
        await prepare(plane, api, num_services=num)
        bodies = list(copies_of(children, num))
        started = time.monotonic()
        await api.create_all(bodies)
        return time.monotonic() - started


async def measure_operator(
    plane: ControlPlane, children: Sequence[Json], num: int, floor_s: float, *, default_manager: bool, profile: Path | None
) -> Pair:
    """Create services with the operator running, wait until all are Ready, restart it."""
    audit = AuditLog(plane.audit_log)
    async with Api(plane) as api:
        kubeconfig = await prepare(plane, api, num_services=num)
        with OperatorProcess(plane, kubeconfig, profile=profile) as first:
            first.wait_until_drained(minimum_passes=NUM_REFERENCES, timeout_s=120)
            creation = await _create(plane, api, first, audit, children, num, default_manager=default_manager)
        audit.read()  # what came after the last look is not the restart's
        second_profile = profile.with_suffix(".restart") if profile else None
        with OperatorProcess(plane, kubeconfig, profile=second_profile) as second:
            rested_at = await asyncio.to_thread(second.wait_until_drained, minimum_passes=num + NUM_REFERENCES, timeout_s=TIMEOUT_S)
            restart = Restart(drained_s=rested_at - second.started, requests=audit.read(), cpu_s=second.cpu_s)
    return Pair(
        floor_s=floor_s,
        creation=creation,
        restart=restart,
        anonymous_bytes=max(first.peak_anonymous_bytes, second.peak_anonymous_bytes),
        resident_bytes=max(first.peak_resident_bytes, second.peak_resident_bytes),
        default_manager=default_manager,
    )


async def _create(
    plane: ControlPlane,
    api: Api,
    operator: OperatorProcess,
    audit: AuditLog,
    children: Sequence[Json],
    num: int,
    *,
    default_manager: bool,
) -> Creation:
    kinds = [child["kind"] for child in children]
    before = {kind: await api.count(kind, NAMESPACE) for kind in kinds}
    services = list(build_services(num))
    audit.read()
    cpu_before_s = operator.cpu_s
    started = time.monotonic()
    await api.create_all(services)
    while not all([await api.count(kind, NAMESPACE) - before[kind] >= kinds.count(kind) * num for kind in set(kinds)]):
        _check_time(started)
        await asyncio.sleep(0.1)
    children_s = time.monotonic() - started
    if not default_manager:
        plane.restart_manager(FAST_MANAGER_QPS)
    await wait_for_ready(api, operator, num)
    ready_s = time.monotonic() - started
    return Creation(children_s=children_s, ready_s=ready_s, requests=audit.read(), cpu_s=operator.cpu_s - cpu_before_s)


async def prepare(plane: ControlPlane, api: Api, *, num_services: int) -> Path:
    """Lay out everything but the services; return the operator's kubeconfig. The floor gets the same, so that the server is the same."""
    await install(api)
    await create_nodes(api, num_services)
    references = push_versions(plane)
    while True:
        try:
            await api.create_all(references)
            break
        except RuntimeError as error:
            # A fresh CustomResourceDefinition is served a moment after it was created.
            if "answered 404" not in str(error):
                raise
            await asyncio.sleep(0.2)
    return plane.write_operator_kubeconfig(await api.create_token(OPERATOR_NAMESPACE, "llmos-operator"))


async def wait_for_ready(api: Api, operator: OperatorProcess, num: int) -> None:
    """Wait until all services are Ready and the operator has come to rest."""
    started = time.monotonic()
    while True:
        ready = 0
        for body in await api.list("InferenceService", NAMESPACE):
            conditions = body.get("status", {}).get("conditions", [])
            ready += any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
        if ready == num:
            break
        _check_time(started)
        await asyncio.sleep(2)
    await asyncio.to_thread(operator.wait_until_drained, minimum_passes=num, timeout_s=TIMEOUT_S)


def _check_time(started: float) -> None:
    if time.monotonic() - started > TIMEOUT_S:
        raise RuntimeError(f"not done after {TIMEOUT_S:.0f} s; look into the logs of the operator and of the control plane")


def build_figures(pairs: Sequence[Pair], num: int) -> list[Figure]:
    """Return every figure with its bar."""
    usual = [pair for pair in pairs if pair.default_manager] or pairs
    busiest = max(usual, key=lambda pair: pair.creation.requests.total)
    writer = max(pairs, key=lambda pair: pair.restart.requests.num_writes)
    return [
        informative(
            "floor: children created without an operator", [pair.floor_s for pair in pairs], "s", compare="12.0 s for two children each"
        ),
        ratio(
            "services to children",
            [pair.creation.children_s / pair.floor_s for pair in pairs],
            bar=4,
            compare="7.1 x",
            detail=", ".join(f"{pair.creation.children_s:.1f} s" for pair in pairs),
        ),
        ratio(
            "restart, nothing changed, to drained",
            [pair.restart.drained_s / pair.floor_s for pair in pairs],
            bar=1,
            compare="1.9 x",
            detail=", ".join(f"{pair.restart.drained_s:.1f} s" for pair in pairs),
        ),
        bounded(
            "restart, nothing changed: writes",
            [pair.restart.requests.num_writes for pair in pairs],
            "requests",
            bar=0,
            compare="0 (1,001 dry-run PUTs)",
            detail=f"of {writer.restart.requests.describe()}",
        ),
        bounded(
            "requests per object, creation to Ready",
            [pair.creation.requests.total / num for pair in usual],
            "requests",
            bar=10,
            compare="33",
            detail=busiest.creation.requests.describe(),
        ),
        bounded(
            "peak memory (anonymous)",
            [pair.anonymous_bytes / MIB for pair in pairs],
            "MiB",
            bar=300,
            compare="156 MiB (all resident)",
            detail=f"all resident: {max(pair.resident_bytes for pair in pairs) / MIB:.0f} MiB",
        ),
        informative("services to Ready", [pair.creation.ready_s for pair in usual], "s", compare="242.4 s"),
        informative("operator's CPU time, creation to Ready", [pair.creation.cpu_s for pair in usual], "s", compare="73 s"),
        informative("operator's CPU time, restart", [pair.restart.cpu_s for pair in pairs], "s"),
    ]


def describe(pair: Pair, num: int) -> str:
    """Return one line about a repeat."""
    creation, restart = pair.creation, pair.restart
    return (
        f"floor {pair.floor_s:.1f} s, children {creation.children_s:.1f} s, Ready {creation.ready_s:.1f} s "
        f"({creation.requests.total / num:.1f} requests each), restart {restart.drained_s:.1f} s ({restart.requests.num_writes} writes), "
        f"{pair.anonymous_bytes / MIB:.0f} MiB"
    )


def measure(num: int, repeats: int, profile: Path | None, *, quick: bool = False) -> list[Pair]:
    """Run all repeats."""
    settings = LocalSettings.from_environment()
    pairs: list[Pair] = []
    with running_control_plane(settings) as plane:
        children = asyncio.run(record_children(plane))
    say(
        f"each service has {', '.join(sorted(child['kind'] for child in children))}; "
        f"{num} services, {repeats} repeats, {os.cpu_count()} cores"
    )
    for repeat in range(repeats):
        with running_control_plane(settings) as plane:
            floor_s = asyncio.run(measure_floor(plane, children, num))
        with running_control_plane(settings) as plane:
            # One pair goes the usual way to Ready, which takes minutes; the others need only get there.
            pair = asyncio.run(measure_operator(plane, children, num, floor_s, default_manager=repeat == 0 and not quick, profile=profile))
        pairs.append(pair)
        say(f"repeat {repeat + 1}: {describe(pair, num)}")
    return pairs


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if every bar is cleared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1000, help="how many InferenceServices (default 1000; 50 is a smoke test)")
    parser.add_argument("--repeats", type=int, default=10, help="how many pairs (default 10; fewer than 5 give no interval)")
    parser.add_argument("--profile", type=Path, help="write cProfile's figures of the operator here; the times are then worth nothing")
    parser.add_argument("--quick", action="store_true", help="for tuning: skip the way to Ready at the usual pace, and its figures")
    arguments = parser.parse_args(argv)
    if arguments.objects < 1 or arguments.repeats < 1:
        parser.error("--objects and --repeats must be at least 1")
    figures = build_figures(measure(arguments.objects, arguments.repeats, arguments.profile, quick=arguments.quick), arguments.objects)
    print_figures(figures)
    return 0 if all(figure.verdict in ("pass", "") for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The chart's CronJob: the sweep of `llmos sweep`, inside the cluster and with the operator's rights.

    python -m llmos_operator.sweep_job --config /etc/llmos/operator.yaml --grace-days 7 --keep 3

Owns: gathering what is used. Must not: decide what goes; `llmos.retention` does, the same as for people. It needs push rights in the
registry, which the operator itself does not use.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llmos.artifacts import Registry
from llmos.errors import DependencyNotReady, LlmosError
from llmos.retention import Fate, Marks, SweepPlan, carry_out, mark, plan_sweep, survey
from llmos_operator.cluster.aio import AioClusterClient, connect
from llmos_operator.names import CUSTOM_KINDS, MANAGED_BY, Json
from llmos_operator.settings import Settings, load_settings

__all__ = ["gather", "main", "sweep"]

logger = logging.getLogger(__name__)

_CHILDREN = ("Job", "Deployment", "ConfigMap")


async def gather(client: AioClusterClient, namespaces: Sequence[str]) -> list[Json]:
    """Return all our objects, and of their children those that name versions."""
    found: list[Json] = []
    for namespace in namespaces or ("",):
        for kind in CUSTOM_KINDS:
            found += await client.list_objects(kind, namespace, labels={})
        for kind in _CHILDREN:
            found += await client.list_objects(kind, namespace, labels=MANAGED_BY)
    return found


def sweep(registry: Registry, settings: Settings, marks: Marks, *, now: datetime, grace: timedelta) -> SweepPlan:
    """Plan and carry out.

    Raises: DependencyNotReady if an object has no status yet; otherwise as `carry_out`.
    """
    if marks.unseen:
        raise DependencyNotReady(f"{marks.unseen[0]} has no status yet, so nobody knows what it uses", reason="DependencyNotReady")
    root = settings.artifacts.root
    contents, is_all = survey(registry, root, marks, installation=settings.installation_id)
    if not is_all:
        logger.warning("the registry shows no catalog: repositories of deleted objects are not swept")
    plan = plan_sweep(contents, marks, root=root, now=now, grace=grace, namespaces=settings.watch_namespaces)
    for each in plan.repositories:
        if each.left_alone:
            logger.info("%s is left alone: %s", each.repository.path, each.left_alone)
    carry_out(registry, plan, now=now)
    return plan


async def _used(settings: Settings, keep: int) -> Marks:
    client = await connect()
    try:
        return mark(await gather(client, settings.watch_namespaces), installation=settings.installation_id, keep=keep)
    finally:
        await client.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Sweep once and return the exit code."""
    parser = argparse.ArgumentParser(description="Remove payloads that nobody uses.")
    parser.add_argument("--config", type=Path, default=Path("/etc/llmos/operator.yaml"))
    parser.add_argument("--grace-days", type=int, required=True)
    parser.add_argument("--keep", type=int, required=True)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request would hide what was swept
    try:
        settings = load_settings(arguments.config)
        marks = asyncio.run(_used(settings, arguments.keep))
        with Registry(settings.artifacts.operator_access()) as registry:
            plan = sweep(registry, settings, marks, now=datetime.now(UTC), grace=timedelta(days=arguments.grace_days))
    except LlmosError as error:
        logger.error("%s: %s", error.reason, error.message)
        return error.exit_code
    counts = ", ".join(f"{len(plan.of(fate))} {fate.lower()}" for fate in Fate)
    logger.info("%d of %d versions are used; payloads: %s", plan.num_used, plan.num_versions, counts)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Retention in the cluster: the chart's CronJob prunes what nobody uses, and leaves all that serves and every chain as they were."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from llmos.artifacts import LinkState, Registry, RegistryAccess, Repository
from llmos.local.cluster import Cluster
from tests.cluster.installation import Installation
from tests.cluster.world import EXAMPLE, RELEASE, ROOT, SYSTEM_NAMESPACE, World, example_documents

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LLMOS = str(ROOT / ".venv" / "bin" / "llmos")


@pytest.fixture
def scheduled(installation: Installation) -> Iterator[str]:
    """The name of a sweep that only starts when it is told to."""
    installation.upgrade(retention={"schedule": "0 0 1 1 *", "graceDays": 0, "keepVersions": 1})
    yield f"{RELEASE}-sweep"
    installation.upgrade()


def test_a_sweep_prunes_what_a_deleted_object_left_and_nothing_that_is_used(
    demo: World, world: World, installation: Installation, cluster: Cluster, scheduled: str
) -> None:
    hpo = next(item for item in example_documents() if item["kind"] == "KnowledgeBase")
    # Of other inputs than the example's: what two objects made alike is used as long as one of them is there.
    world.apply({**hpo, "metadata": {"name": "spare"}, "spec": {**hpo["spec"], "linking": {"minimumNameCharacters": 5}}})
    snapshot = world.until_ready("KnowledgeBase", "spare", timeout_s=300)["status"]["snapshot"]
    world.run("delete", "knowledgebases.llmos.dev", "spare", "--wait=true")
    system = world.kubectl.within(SYSTEM_NAMESPACE)
    system.run("create", "job", "sweep-now", f"--from=cronjob/{scheduled}")
    try:
        system.wait("job/sweep-now", "condition=complete", timeout_s=180)
        said = system.run("logs", "job/sweep-now")
    finally:
        system.delete("job", "sweep-now")
    # What other tests have left behind goes, too.
    assert re.search(r"payloads: .*\b[1-9]\d* pruned", said), said
    root = Repository.parse(f"{cluster.registry}/{installation.repository}")
    where = root.child(world.namespace, "knowledgebase", "spare")
    with Registry(RegistryAccess(plain_http=cluster.plain_http)) as registry:
        version = registry.get_version(where, snapshot["digest"])
        assert registry.examine_payload(where, version.provenance.payloads[0]).state is LinkState.Pruned
    for kind, name in EXAMPLE:
        verify = [LLMOS, "verify", f"{kind.lower()}/{name}", "-n", demo.namespace]
        found = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (found.returncode, "Pruned" in found.stdout) == (0, False), found.stdout + found.stderr

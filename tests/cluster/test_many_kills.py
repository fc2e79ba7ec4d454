"""The long run: imports whose pods and operator die at random moments all end at the version of an undisturbed one."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from llmos.artifacts import Registry, RegistryAccess, Repository
from llmos.local.cluster import Cluster
from tests.cluster.installation import Installation
from tests.cluster.world import World, example_documents, names

pytestmark = [pytest.mark.cluster, pytest.mark.soak, pytest.mark.timeout(1200)]

NAMESPACE = "llmos-test"
SEEDS = range(10)


def _model(name: str) -> dict[str, Any]:
    """The example's Model under another name: names are no part of a version."""
    document = next(item for item in example_documents() if item["metadata"]["name"] == "minilm")
    return {**document, "metadata": {"name": name}}


@pytest.fixture(scope="module")
def kept(installation: Installation) -> Iterator[World]:
    with installation.world(NAMESPACE) as world:
        yield world


@pytest.fixture(scope="module")
def undisturbed(kept: World) -> str:
    """The version digest of an import that nobody killed."""
    kept.apply(_model("undisturbed"))
    return str(kept.until_ready("Model", "undisturbed", timeout_s=300)["status"]["version"]["digest"])


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_any_moment_it_ends_at_the_same_version(
    kept: World, undisturbed: str, installation: Installation, cluster: Cluster, seed: int
) -> None:
    rng = random.Random(seed)
    name = f"victim-{seed}"
    kept.apply(_model(name))
    for victim in rng.sample(["pod", "pod", "operator"], 3):
        time.sleep(rng.uniform(0, 12))
        if victim == "operator":
            installation.kill_operator()
        elif pods := [pod for pod in kept.list("pod", f"llmos.dev/model={name}") if pod["status"]["phase"] in ("Pending", "Running")]:
            kept.run("delete", "pod", *names(pods), "--grace-period=0", "--force")
    ready = kept.until_ready("Model", name, timeout_s=400)
    assert ready["status"]["version"]["digest"] == undisturbed
    assert len(kept.list("job", f"llmos.dev/model={name}")) == 1
    repository = Repository.parse(f"{cluster.registry}/{installation.repository}").child(NAMESPACE, "model", name)
    with Registry(RegistryAccess(plain_http=cluster.plain_http)) as registry:
        assert registry.has_payloads(repository, registry.get_version(repository, undisturbed))

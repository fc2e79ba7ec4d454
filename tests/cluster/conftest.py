"""The cluster rung: a running cluster (or one started for the tests), images, and an installation of its own beside whatever is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from llmos.local.cluster import Cluster, borrowed
from llmos.local.images import ensure_images
from llmos.local.settings import LocalSettings
from llmos.models import wait_passively
from tests.cluster.crds import these_crds
from tests.cluster.installation import Installation
from tests.cluster.world import EXAMPLE, World, example_documents

# Before anything imports torch: beside a cluster, threads that spin while they wait cost more than they compute.
wait_passively()

MAIN_NAMESPACE = "llmos-test-main"
NAMESPACE = "llmos-test"


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[Cluster]:
    """The running cluster, or one that lives as long as the tests; KUBECONFIG names it meanwhile."""
    with borrowed() as found, these_crds(found), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


@pytest.fixture(scope="session")
def installation(cluster: Cluster) -> Iterator[Installation]:
    """The chart, installed with the images of this checkout, watching only the namespaces of the tests."""
    installed = Installation(cluster=cluster, images=ensure_images(cluster), namespaces=[MAIN_NAMESPACE, NAMESPACE])
    installed.install()
    try:
        yield installed
    finally:
        installed.remove()
        if cluster.is_local:  # a registry of others is not ours to clean
            settings = LocalSettings.from_environment()
            shutil.rmtree(settings.registry_repositories / installed.repository, ignore_errors=True)


@pytest.fixture(scope="session")
def demo(installation: Installation) -> Iterator[World]:
    """The whole healthcare example, ready, although its training pod and the operator were killed half-way."""
    with installation.world(MAIN_NAMESPACE) as world:
        world.apply(*example_documents())
        world.kill_when_running("TrainingJob", "organ-system", timeout_s=900)
        installation.kill_operator()
        for kind, name in EXAMPLE:
            world.until_ready(kind, name, timeout_s=1500)
        yield world


@pytest.fixture
def world(installation: Installation) -> Iterator[World]:
    """A fresh namespace for one test."""
    with installation.world(NAMESPACE) as world:
        yield world


@pytest.fixture
def kill_operator(installation: Installation) -> Callable[[], None]:
    """Kills the operator's pod at once; the Deployment starts another."""
    return installation.kill_operator


@pytest.fixture
def restart_operator(installation: Installation) -> Callable[[], None]:
    """Restarts the operator and waits until the new one is ready."""
    return installation.restart_operator

"""What an administrator does to an installation that works: upgrade, get it wrong, uninstall, come back, delete a namespace without it."""

from __future__ import annotations

import hashlib
import time

import pytest

from llmos.cli.demo.install import prepare_namespace
from llmos.local.cluster import Cluster
from tests.cluster.images import tag_image
from tests.cluster.installation import Installation
from tests.cluster.traffic import steady_traffic
from tests.cluster.world import EXAMPLE, World, example_documents, names

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

SERVICE = ("InferenceService", "phenotype")
NEXT = "next-"
"""Begins the tags of the next release."""


@pytest.fixture
def next_tag(cluster: Cluster, installation: Installation) -> str:
    """A release that only has another tag. A node keeps what it once pulled under a tag, so other images have another one."""
    images = [installation.images[name] for name in ("trainer", "sidecar", "triton")]
    tag = NEXT + hashlib.sha256(" ".join(images).encode()).hexdigest()[:12]
    for image in images:
        tag_image(cluster, image, tag)
    return tag


def _images(world: World) -> set[str]:
    pods = world.list("pod", "llmos.dev/inferenceservice=phenotype")
    return {container["image"].rpartition(":")[2] for pod in pods for container in pod["spec"]["containers"]}


def test_an_upgrade_to_new_image_tags_repeats_no_job_and_loses_no_request(demo: World, installation: Installation, next_tag: str) -> None:
    demo.run("scale", "inferenceservice", "phenotype", "--replicas=1")
    demo.until_ready(*SERVICE, timeout_s=180)
    jobs = names(demo.list("job"))
    with steady_traffic(demo, "phenotype", image=installation.images["sidecar"]) as traffic:
        installation.upgrade(**installation.image_values(next_tag))
        demo.until(lambda: _images(demo), lambda tags: tags == {next_tag}, timeout_s=240, what="only pods of the new images are left")
    assert traffic.failures == []
    assert traffic.answered > 50
    assert names(demo.list("job")) == jobs
    for kind, name in EXAMPLE:
        demo.until_ready(kind, name, timeout_s=60)


def test_an_image_that_is_not_there_is_named_and_heals_with_the_upgrade_that_corrects_it(world: World, installation: Installation) -> None:
    installation.upgrade(**installation.image_values("no-such-tag", "sidecar"))
    try:
        document = next(item for item in example_documents() if item["kind"] == "KnowledgeBase")
        world.apply({**document, "metadata": {"name": "mistaken"}})
        said = world.until_reason("KnowledgeBase", "mistaken", "ImagePullFailed", timeout_s=120)
        assert "no-such-tag" in said["message"]
    finally:
        installation.upgrade()
    world.until_ready("KnowledgeBase", "mistaken", timeout_s=240)
    assert [job["metadata"]["labels"]["llmos.dev/attempt"] for job in world.list("job")] == ["1"]


def test_what_serves_survives_an_uninstall_and_a_reinstall_adopts_it(demo: World, installation: Installation) -> None:
    installation.upgrade()
    demo.until_ready(*SERVICE, timeout_s=240)
    demo.until(
        lambda: _images(demo),
        lambda tags: not any(tag.startswith(NEXT) for tag in tags),
        timeout_s=240,
        what="the service is back on the usual images",
    )
    with steady_traffic(demo, "phenotype", image=installation.images["sidecar"]) as traffic:
        before = demo.resource_versions()
        installation.uninstall()
        assert ("InferenceService", "phenotype") in before
        assert demo.resource_versions() == before
        installation.install()
        time.sleep(10)
        after = demo.resource_versions()
        # The new installation has a report certificate of its own; whom to trust stands in a ConfigMap, so that no pod is restarted for it.
        changed = {key for key in before if after.get(key) != before[key]}
        assert changed <= {("ConfigMap", "phenotype-knowledge")}
        assert after.keys() == before.keys()
    assert traffic.failures == []


def test_a_namespace_is_deleted_while_the_operator_is_away(world: World, installation: Installation) -> None:
    world.apply(*example_documents())
    world.until(lambda: world.list("job"), bool, timeout_s=60, what="Jobs run")
    installation.scale_operator(0)
    try:
        installation.kubectl.delete("namespace", world.namespace, timeout_s=120)
        assert installation.kubectl.get("namespace", world.namespace) is None
    finally:
        prepare_namespace(installation.kubectl, world.namespace)
        installation.upgrade()  # its Roles went with the namespace
        installation.scale_operator(1)

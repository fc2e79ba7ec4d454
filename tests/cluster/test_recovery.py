"""Things die in the middle; what is wrong in the spec is said; what is missing heals. All on a real cluster with the small model."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.cluster.world import World, condition, example_documents, is_ready

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


def _example(kind: str, name: str, *, called: str = "", **spec: Any) -> dict[str, Any]:
    """One document of the example; under a name of its own, what another test has made is not adopted."""
    found = next(item for item in example_documents() if item["kind"] == kind and item["metadata"]["name"] == name)
    return {**found, "metadata": {"name": called or name}, "spec": {**found["spec"], **spec}}


def test_a_wrong_checksum_stalls_with_the_expected_and_the_actual_one(world: World) -> None:
    package = {**_example("Model", "minilm")["spec"]["source"]["pythonPackage"], "sha256": "0" * 64}
    world.apply(_example("Model", "minilm", called="wrong", source={"pythonPackage": package}))
    said = world.until(
        lambda: condition(world.get("Model", "wrong"), "Stalled"), bool, timeout_s=240, what="somebody is asked to correct it"
    )
    assert (said["status"], said["reason"]) == ("True", "ChecksumMismatch")
    assert "0" * 64 in said["message"]
    assert "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54" in said["message"]
    assert condition(world.get("Model", "wrong"), "Ready")["status"] == "False"


def test_a_missing_reference_is_a_condition_and_heals_when_it_appears(world: World) -> None:
    world.apply(_example("TrainingJob", "organ-system", suspend=True))
    said = world.until_reason("TrainingJob", "organ-system", "DependencyNotFound", timeout_s=60)
    assert "minilm" in said["message"]
    world.apply(_example("KnowledgeBase", "hpo"), _example("Model", "minilm"))
    world.until_ready("KnowledgeBase", "hpo", timeout_s=300)
    world.until_ready("Model", "minilm", timeout_s=300)
    world.until_reason("TrainingJob", "organ-system", "Suspended", timeout_s=60)


@pytest.mark.parametrize(("kind", "name"), [("Model", "minilm"), ("KnowledgeBase", "hpo")])
def test_a_job_survives_its_pod_and_the_operator_being_killed(world: World, kill_operator: Any, kind: str, name: str) -> None:
    world.apply(_example(kind, name, called="killed"))
    world.kill_when_running(kind, "killed", timeout_s=120)
    kill_operator()
    world.until_ready(kind, "killed", timeout_s=300)
    assert len(world.list("job")) == 1


def test_a_plan_that_needs_more_memory_than_there_is_stops_there_and_more_of_it_heals(world: World) -> None:
    world.apply(_example("Model", "minilm", called="starved", workload=_memory("400Mi")))
    said = world.until_reason("Model", "starved", "ResourcesTooSmall", timeout_s=120)
    assert "the pod may use 0.4 GiB of memory: raise spec.workload.resources.limits.memory" in said["message"]
    world.apply(_example("Model", "minilm", called="starved"))
    ready = world.until_ready("Model", "starved", timeout_s=300)
    assert ready["status"]["plan"]["parameters"] == 22_713_728  # with the 512 position ids that the file carries
    assert "missing" not in ready["status"]["plan"]


def test_a_pod_that_is_killed_for_its_memory_says_so(world: World) -> None:
    world.apply(_example("KnowledgeBase", "hpo", called="starved", workload=_memory("64Mi")))
    said = world.until_reason("KnowledgeBase", "starved", "OutOfMemory", timeout_s=120)
    assert "raise `workload.resources.limits.memory`" in said["message"]


def _memory(quantity: str) -> dict[str, Any]:
    return {"resources": {"limits": {"memory": quantity}, "requests": {"memory": quantity}}}


def test_a_missing_secret_is_named_in_the_parent_and_heals(world: World) -> None:
    world.apply(
        _example(
            "Model",
            "minilm",
            called="secretive",
            workload={"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "token"}}}]},
        )
    )
    said = world.until(
        lambda: condition(world.get("Model", "secretive"), "Ready"),
        lambda item: "absent" in item.get("message", ""),
        timeout_s=90,
        what="the missing Secret is named",
    )
    assert said["status"] == "False"
    world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "absent"}, "stringData": {"token": "x"}})
    world.until_ready("Model", "secretive", timeout_s=300)


def test_a_pod_that_fits_nowhere_says_why(world: World) -> None:
    world.apply(_example("KnowledgeBase", "hpo", called="nowhere", workload={"nodeSelector": {"no": "such-node"}}))
    said = world.until_reason("KnowledgeBase", "nowhere", "PodUnschedulable", timeout_s=90)
    assert "node" in said["message"]


def test_a_quota_that_is_used_up_says_so(world: World) -> None:
    world.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    time.sleep(2)  # the quota controller must have seen it, or the pod slips through
    world.apply(_example("KnowledgeBase", "hpo", called="refused"))
    world.until_reason("KnowledgeBase", "refused", "QuotaExceeded", timeout_s=120)
    world.run("delete", "resourcequota", "none")
    world.until(lambda: world.get("KnowledgeBase", "refused"), is_ready, timeout_s=400, what="it heals when the quota is gone")

"""The property everything rests on: from whatever state it finds, an object comes to rest, and then a pass plans nothing."""

import asyncio
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import HPO, MINILM, ORGAN_SYSTEM, PHENOTYPE, TRAINED_MODEL, World, digest

from llmos_operator.names import ObjectKey

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

specs = st.sampled_from(
    [
        ("Model", MINILM),
        ("Model", {**MINILM, "workload": {"resources": {"limits": {"memory": "8Gi"}}}}),
        ("KnowledgeBase", HPO),
        ("KnowledgeBase", {**HPO, "snapshot": {"pinned": digest("p")}}),
        ("TrainingJob", ORGAN_SYSTEM),
        ("TrainingJob", {**ORGAN_SYSTEM, "suspend": True}),
        ("Model", TRAINED_MODEL),
    ]
)
waiting = st.sampled_from(["ImagePullBackOff", "ContainerCreating", "CreateContainerConfigError"]).map(
    lambda reason: {"waiting": {"reason": reason, "message": "why"}}
)
ended = st.builds(
    lambda code, message: {"terminated": {"exitCode": code, "message": message, "finishedAt": "2026-01-01T11:00:00Z"}},
    st.sampled_from([0, 1, 65, 75, 137]),
    st.sampled_from(["", "Traceback", json.dumps({"reason": "ChecksumMismatch", "message": "a and b"}), json.dumps({"reason": "New"})]),
)
containers = st.lists(st.builds(lambda state: {"name": "workload", "state": state}, waiting | ended), max_size=1)
pods = st.lists(
    st.fixed_dictionaries({"phase": st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]), "containerStatuses": containers}),
    max_size=3,
)
job_ends = st.sampled_from(
    [None, ("Complete", ""), ("Failed", "BackoffLimitExceeded"), ("Failed", "PodFailurePolicy"), ("Failed", "DeadlineExceeded")]
)
wipes = st.sets(st.sampled_from(["status", "job", "pods", "restart", "publish", "retry", "later", "parents"]))


async def set_up_parents(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))


@SETTINGS
@given(spec=specs, found_pods=pods, end=job_ends, happened=wipes)
def test_a_job_backed_object_comes_to_rest(spec: Any, found_pods: list[Any], end: Any, happened: set[str]) -> None:
    async def story() -> None:
        world = World()
        if "parents" in happened:
            await set_up_parents(world)
        kind, body = spec
        key = world.add(kind, "subject", body)
        await world.settle(key)
        jobs = [job for job in world.children("Job") if job["metadata"]["ownerReferences"][0]["name"] == "subject"]
        for job in jobs:
            for index, status in enumerate(found_pods):
                world.add_pod(job, f"pod-{index}", **status)
            if end:
                condition = {"type": end[0], "status": "True", "reason": end[1], "lastTransitionTime": "2026-01-01T11:00:00Z"}
                world.cluster.change(ObjectKey.of(job), status={"conditions": [condition]})
        await world.settle(key)
        if "publish" in happened and kind != "TrainingJob" and "trainingJob" not in body.get("source", {}):
            world.publish(key)
        if "status" in happened:
            world.cluster.change(key, status={})
        for job in world.children("Job") if "job" in happened else []:
            world.cluster.remove(ObjectKey.of(job))
        for pod in world.children("Pod") if "pods" in happened else []:
            world.cluster.remove(ObjectKey.of(pod))
        if "retry" in happened:
            metadata = world.cluster.objects[key]["metadata"]
            world.cluster.change(key, metadata={**metadata, "annotations": {"llmos.dev/requested-at": "x"}})
        if "later" in happened:
            world.clock.advance(7200)
        if "restart" in happened:
            world.start()
        await world.settle(key)
        ours = [job for job in world.children("Job") if job["metadata"]["ownerReferences"][0]["name"] == "subject"]
        assert len(ours) <= 1, "two Jobs of one object"
        check_conventions(world.status(key), world.cluster.objects[key]["metadata"]["generation"])

    asyncio.run(story())


rollouts = st.fixed_dictionaries(
    {name: st.integers(0, 3) for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
)
services = st.sampled_from(
    [
        PHENOTYPE,
        {"model": {"name": "minilm"}},
        {**PHENOTYPE, "replicas": 0},
        {**PHENOTYPE, "replicas": 3},
        {**PHENOTYPE, "autoscaling": {"maxReplicas": 4}},
        {**PHENOTYPE, "precision": "Int8"},
        {**PHENOTYPE, "knowledge": [{"name": "missing"}]},
    ]
)


@SETTINGS
@given(first=services, then=services, counts=rollouts, found_pods=pods, ready=st.booleans(), restart=st.booleans())
def test_a_service_comes_to_rest(first: Any, then: Any, counts: Any, found_pods: list[Any], ready: bool, restart: bool) -> None:
    async def story() -> None:
        world = World()
        await set_up_parents(world)
        key = world.add("InferenceService", "subject", first)
        await world.settle(key)
        for deployment in world.children("Deployment"):
            conditions = [{"type": "Available", "status": "True" if counts["availableReplicas"] else "False"}]
            generation = deployment["metadata"]["generation"]
            world.cluster.change(ObjectKey.of(deployment), status={**counts, "observedGeneration": generation, "conditions": conditions})
            for index, status in enumerate(found_pods):
                world.add_pod(deployment, f"pod-{index}", ready=ready, **status)
        await world.settle(key)
        world.cluster.change(key, spec=then)
        await world.settle(key)
        if restart:
            world.start()
            world.forget_requests()
            await world.settle(key)
            assert world.cluster.writes == [], "a restart wrote something"
        check_conventions(world.status(key), world.cluster.objects[key]["metadata"]["generation"])

    asyncio.run(story())


def check_conventions(status: dict[str, Any], generation: int) -> None:
    """What the API conventions and kstatus ask of any status."""
    assert status["observedGeneration"] == generation
    conditions = {item["type"]: item for item in status["conditions"]}
    assert len(conditions) == len(status["conditions"])
    assert "Ready" in conditions
    for item in conditions.values():
        assert item["reason"]
        assert item["message"]
        assert item["observedGeneration"] == generation
    for name in ("Reconciling", "Stalled"):
        assert conditions.get(name, {"status": "True"})["status"] == "True"
    assert not {"Reconciling", "Stalled"} <= conditions.keys(), "it cannot both go on and need a person"
    if conditions["Ready"]["status"] == "True" and "Succeeded" in conditions:
        assert conditions["Failed"]["status"] == "False"

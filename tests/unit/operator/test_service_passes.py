"""Whole passes over an InferenceService on the fake cluster: children, rollouts, switches, hand-overs."""

from typing import Any

import pytest
from world import HPO, MINILM, PHENOTYPE, World, digest

from llmos.runtime import assets
from llmos_operator.api import SERVED_TASKS
from llmos_operator.names import ObjectKey

DEPLOYMENT = ObjectKey("Deployment", "demo", "phenotype")
CONFIG_MAP = ObjectKey("ConfigMap", "demo", "phenotype-knowledge")


async def serve(world: World, spec: dict[str, Any] = PHENOTYPE) -> ObjectKey:
    """Bring a service to Ready with one pod that has reported."""
    await world.make_ready(world.add("Model", "minilm", MINILM))
    await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    key = world.add("InferenceService", "phenotype", spec)
    await world.settle(key)
    world.roll_out()
    world.add_pod(world.cluster.objects[DEPLOYMENT], "pod-1", ready=True, phase="Running")
    report(world, key, "pod-1", hpo_digest(world))
    await world.settle(key)
    return key


def report(world: World, key: ObjectKey, pod: str, snapshot: str) -> None:
    active = {"knowledge": [{"name": "hpo", "digest": snapshot}], "model": ""}
    world.reports.put_active(key, world.cluster.objects[key]["metadata"]["uid"], pod, active)


def hpo_digest(world: World) -> str:
    return str(world.status(ObjectKey("KnowledgeBase", "demo", "hpo"))["snapshot"]["digest"])


async def new_snapshot(world: World) -> str:
    """Let the KnowledgeBase have another snapshot."""
    key = ObjectKey("KnowledgeBase", "demo", "hpo")
    world.cluster.change(key, spec={**HPO, "linking": {"minimumNameCharacters": 4}})
    return await world.make_ready(key)


async def test_a_service_gets_its_children_and_says_so(world: World) -> None:
    key = await serve(world)
    kinds = {found.kind for found in world.cluster.objects} - {"Model", "KnowledgeBase", "InferenceService", "Pod", "Event"}
    assert kinds == {"Deployment", "Service", "ConfigMap", "NetworkPolicy"}
    assert world.condition(key) == ("True", "Serving")
    assert world.condition(key, "SnapshotActive") == ("True", "Active")
    status = world.status(key)
    assert status["url"] == "http://phenotype.demo.svc:8080"
    assert status["selector"] == "llmos.dev/inferenceservice=phenotype"
    assert status["model"]["precision"] == "Float32"
    assert status["knowledge"] == [{"name": "hpo", "digest": hpo_digest(world)}]
    assert [item["role"] for item in status["resolved"]] == ["model", "knowledge/hpo"]


async def test_from_creation_to_ready_takes_at_most_ten_requests(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    world.forget_requests()
    key = world.add("InferenceService", "phenotype", PHENOTYPE)
    await world.reconcile(key)
    for ready in (0, 0, 1):
        await world.reconcile(key)
        world.roll_out(ready=ready)
    await world.reconcile(key)
    await world.settle(key)
    assert world.condition(key) == ("True", "Serving")
    assert len(world.cluster.requests) <= 7, world.cluster.requests


async def test_a_restart_with_nothing_changed_asks_and_writes_nothing(world: World) -> None:
    key = await serve(world)
    world.start()
    world.forget_requests()
    for each in world.custom_resources():
        await world.settle(each)
    assert world.cluster.requests == []
    assert world.store.asked == []
    assert world.condition(key, "SnapshotActive") == ("True", "Active")


async def test_drift_is_repaired(world: World) -> None:
    key = await serve(world)
    service = ObjectKey("Service", "demo", "phenotype")
    world.cluster.change(service, spec={**world.cluster.objects[service]["spec"], "selector": {"app": "other"}})
    await world.settle(key)
    assert world.cluster.objects[service]["spec"]["selector"] == {"llmos.dev/inferenceservice": "phenotype"}


async def test_a_deleted_child_comes_back(world: World) -> None:
    key = await serve(world)
    world.cluster.remove(ObjectKey("Service", "demo", "phenotype"))
    await world.settle(key)
    assert ObjectKey("Service", "demo", "phenotype") in world.cluster.objects


async def test_a_new_snapshot_switches_without_a_rollout(world: World) -> None:
    key = await serve(world)
    template = world.cluster.objects[DEPLOYMENT]["spec"]["template"]
    old, new = hpo_digest(world), await new_snapshot(world)
    world.forget_requests()
    await world.settle(key)
    assert world.cluster.objects[DEPLOYMENT]["spec"]["template"] == template
    assert new in world.cluster.objects[CONFIG_MAP]["data"]["active.yaml"]
    pod = world.cluster.objects[ObjectKey("Pod", "demo", "pod-1")]
    assert pod["metadata"]["annotations"]["llmos.dev/knowledge-digests"] == f"hpo={new}"
    assert world.condition(key, "SnapshotActive") == ("False", "Switching")
    assert world.status(key)["knowledge"] == [{"name": "hpo", "digest": old}]
    assert world.condition(key) == ("True", "Serving")
    report(world, key, "pod-1", new)
    await world.settle(key)
    assert world.condition(key, "SnapshotActive") == ("True", "Active")
    assert world.status(key)["knowledge"] == [{"name": "hpo", "digest": new}]


async def test_a_switch_that_was_interrupted_is_finished_when_a_pod_reports_the_old_snapshot(world: World) -> None:
    key = await serve(world)
    old = hpo_digest(world)
    await new_snapshot(world)
    await world.settle(key)
    pod = ObjectKey("Pod", "demo", "pod-1")
    metadata = world.cluster.objects[pod]["metadata"]
    world.cluster.change(pod, metadata={**metadata, "annotations": {}})
    world.start()
    report(world, key, "pod-1", old)
    await world.settle(key)
    assert "llmos.dev/knowledge-digests" in world.cluster.objects[pod]["metadata"]["annotations"]


async def test_other_partitions_of_the_same_snapshot_are_a_switch_without_a_rollout(world: World) -> None:
    spec = {**PHENOTYPE, "knowledge": [{"name": "hpo", "partitions": ["ward", "staff"]}]}
    key = await serve(world)
    template = world.cluster.objects[DEPLOYMENT]["spec"]["template"]
    world.cluster.change(key, spec=spec)
    await world.settle(key)
    assert world.cluster.objects[DEPLOYMENT]["spec"]["template"] == template
    pod = world.cluster.objects[ObjectKey("Pod", "demo", "pod-1")]
    assert pod["metadata"]["annotations"]["llmos.dev/knowledge-digests"] == f"hpo={hpo_digest(world)}+staff+ward"
    assert world.condition(key, "SnapshotActive") == ("False", "Switching")
    active = {"knowledge": [{"name": "hpo", "digest": hpo_digest(world), "partitions": ["staff", "ward"]}], "model": ""}
    world.reports.put_active(key, world.cluster.objects[key]["metadata"]["uid"], "pod-1", active)
    await world.settle(key)
    assert world.condition(key, "SnapshotActive") == ("True", "Active")


async def test_a_snapshot_is_active_only_when_all_ready_pods_say_so(world: World) -> None:
    key = await serve(world)
    world.add_pod(world.cluster.objects[DEPLOYMENT], "pod-2", ready=True, phase="Running")
    new = await new_snapshot(world)
    await world.settle(key)
    report(world, key, "pod-1", new)
    await world.settle(key)
    assert world.condition(key, "SnapshotActive") == ("False", "Switching")
    assert "1 of 2 ready pods" in world.message(key, "SnapshotActive")
    report(world, key, "pod-2", new)
    await world.settle(key)
    assert world.condition(key, "SnapshotActive") == ("True", "Active")


async def test_five_replicas_never_dip_when_an_autoscaler_takes_over(world: World) -> None:
    key = await serve(world, {**PHENOTYPE, "replicas": 5})
    seen: list[int] = []
    watcher = world.cluster.watcher

    def watch(change: str, body: dict[str, Any]) -> None:
        if body["kind"] == "Deployment":
            seen.append(body["spec"].get("replicas", 1))
        watcher(change, body)

    world.cluster.watcher = watch
    autoscaled = {**PHENOTYPE, "replicas": 1, "autoscaling": {"minReplicas": 2, "maxReplicas": 8}}
    world.cluster.change(key, spec=autoscaled)
    world.forget_requests()
    await world.settle(key)
    written = [found.kind for verb, found in world.cluster.writes if verb in ("create", "apply")]
    assert written.index("HorizontalPodAutoscaler") < written.index("Deployment")
    assert world.cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 5
    # The autoscaler has scaled once: from now on the field is its own.
    body = world.cluster.objects[DEPLOYMENT]
    fields = {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    world.cluster.change(DEPLOYMENT, metadata={**body["metadata"], "managedFields": [fields]}, spec={**body["spec"], "replicas": 7})
    world.cluster.change(key, spec={**autoscaled, "limits": {"timeoutSeconds": 20}})
    await world.settle(key)
    assert world.cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 7
    assert min(seen) == 5


async def test_without_autoscaling_again_the_autoscaler_goes_and_replicas_are_the_specs(world: World) -> None:
    key = await serve(world, {**PHENOTYPE, "autoscaling": {"minReplicas": 2, "maxReplicas": 8}})
    world.cluster.change(key, spec={**PHENOTYPE, "replicas": 3})
    await world.settle(key)
    assert world.children("HorizontalPodAutoscaler") == []
    assert world.cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 3


@pytest.mark.parametrize(("replicas", "expected"), [(1, 0), (2, 1)])
async def test_a_disruption_budget_exists_only_for_more_than_one_replica(world: World, replicas: int, expected: int) -> None:
    await serve(world, {**PHENOTYPE, "replicas": replicas})
    assert len(world.children("PodDisruptionBudget")) == expected


async def test_scaled_to_zero_is_said(world: World) -> None:
    key = await serve(world)
    world.cluster.change(key, spec={**PHENOTYPE, "replicas": 0})
    await world.settle(key)
    world.roll_out()
    await world.settle(key)
    assert world.condition(key) == ("False", "ScaledToZero")
    assert world.condition(key, "Reconciling") is None


async def test_a_model_that_vanishes_is_a_condition_and_pods_go_on(world: World) -> None:
    key = await serve(world)
    world.cluster.remove(ObjectKey("Model", "demo", "minilm"))
    world.forget_requests()
    await world.settle(key)
    assert world.condition(key) == ("False", "DependencyNotFound")
    assert [verb for verb, _ in world.cluster.requests] == ["patch_status"]
    await world.make_ready(world.add("Model", "minilm", MINILM))
    await world.settle(key)
    assert world.condition(key) == ("True", "Serving")


async def test_a_model_without_a_version_is_waited_for(world: World) -> None:
    world.add("Model", "minilm", MINILM)
    key = world.add("InferenceService", "phenotype", {"model": {"name": "minilm"}})
    await world.settle(key)
    assert world.condition(key) == ("False", "DependencyNotReady")
    assert world.children("Deployment") == []


async def test_manual_stays_at_the_snapshot_it_has(world: World) -> None:
    key = await serve(world, {**PHENOTYPE, "knowledge": [{"name": "hpo", "update": "Manual"}]})
    old = hpo_digest(world)
    new = await new_snapshot(world)
    await world.settle(key)
    assert old in world.cluster.objects[CONFIG_MAP]["data"]["active.yaml"]
    # A wiped status does not move it either: the live ConfigMap remembers.
    world.cluster.change(key, status={})
    await world.settle(key)
    assert old in world.cluster.objects[CONFIG_MAP]["data"]["active.yaml"]
    world.cluster.change(key, spec={**PHENOTYPE, "knowledge": [{"name": "hpo", "update": "Manual", "digest": new}]})
    await world.settle(key)
    assert new in world.cluster.objects[CONFIG_MAP]["data"]["active.yaml"]


async def test_a_digest_that_is_nowhere_is_said_and_nothing_is_touched(world: World) -> None:
    key = await serve(world)
    world.cluster.change(key, spec={**PHENOTYPE, "knowledge": [{"name": "hpo", "digest": digest("nowhere")}]})
    world.forget_requests()
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "DigestNotFound")
    assert {found.kind for _, found in world.cluster.writes} == {"InferenceService", "Event"}


async def test_a_missing_precision_is_named(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    key = world.add("InferenceService", "phenotype", {"model": {"name": "minilm"}, "precision": "Int8"})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "PrecisionMissing")
    assert "has no Int8 (it has Float32)" in world.message(key)


async def test_a_task_that_no_service_answers_yet_is_said_and_nothing_is_started(world: World) -> None:
    await world.make_ready(world.add("Model", "tagger", {**MINILM, "task": "TokenClassification"}))
    key = world.add("InferenceService", "phenotype", {"model": {"name": "tagger"}})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "TaskNotServed")
    assert "Model tagger is for TokenClassification, which no service answers yet" in world.message(key)
    assert ObjectKey("Deployment", "demo", "phenotype") not in world.cluster.objects


def test_the_operator_lets_through_what_the_pod_can_answer() -> None:
    assert SERVED_TASKS == assets.SERVED_TASKS


async def test_a_foreign_service_of_that_name_is_a_name_conflict(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "phenotype", "namespace": "demo"}, "spec": {"ports": []}}
    world.cluster.put(foreign)
    key = world.add("InferenceService", "phenotype", {"model": {"name": "minilm"}})
    await world.reconcile(key)
    assert world.condition(key, "Stalled") == ("True", "NameConflict")
    assert "Service demo/phenotype exists and does not belong to InferenceService demo/phenotype" in world.message(key)
    assert world.cluster.objects[ObjectKey("Service", "demo", "phenotype")]["spec"] == {"ports": []}


async def test_a_child_that_lost_its_labels_is_taken_back(world: World) -> None:
    key = await serve(world)
    service = ObjectKey("Service", "demo", "phenotype")
    metadata = world.cluster.objects[service]["metadata"]
    world.cluster.change(service, metadata={**metadata, "labels": {}})
    # The watch is filtered by label: to the operator the object is gone.
    world.cache.discard(service)
    await world.settle(key)
    assert world.cluster.objects[service]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "llmos-operator"
    assert world.condition(key) == ("True", "Serving")


async def test_a_rollout_keeps_ready_while_old_pods_answer_and_says_what_keeps_it(world: World) -> None:
    key = await serve(world)
    old = world.status(key)["model"]
    world.cluster.change(ObjectKey("Model", "demo", "minilm"), spec={**MINILM, "onnx": {"maximumTokens": 64}})
    await world.make_ready(ObjectKey("Model", "demo", "minilm"))
    await world.settle(key)
    assert world.condition(key) == ("True", "RollingOut")
    assert world.condition(key, "Reconciling") == ("True", "RollingOut")
    assert world.status(key)["model"] == old
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    world.clock.advance(5)
    pod = world.add_pod(world.cluster.objects[DEPLOYMENT], "pod-2", containerStatuses=[{"name": "triton", "state": {"waiting": waiting}}])
    await world.settle(key)
    assert world.condition(key) == ("True", "ImagePullFailed")
    assert "Pod pod-2, container triton: no such image" in world.message(key)
    world.cluster.remove(pod)
    world.roll_out()
    await world.settle(key)
    assert world.condition(key) == ("True", "Serving")
    assert world.status(key)["model"] != old


async def test_four_of_five_replicas_are_ready_although_one_is_missing(world: World) -> None:
    key = await serve(world, {**PHENOTYPE, "replicas": 5})
    world.roll_out(ready=4)
    await world.settle(key)
    assert world.condition(key) == ("True", "RollingOut")
    assert "4 of 5 replicas answer" in world.message(key)
    world.roll_out(ready=0)
    await world.settle(key)
    assert world.condition(key) == ("False", "RollingOut")


async def test_a_rollout_that_mends_is_not_stalled_by_what_ails_the_old_pods(world: World) -> None:
    key = await serve(world)
    world.roll_out(ready=0)
    said = {"terminated": {"exitCode": 65, "message": "broken", "finishedAt": "2026-01-01T12:00:00Z"}}
    old = {"initContainerStatuses": [{"name": "fetch", "state": said}], "phase": "Pending"}
    world.cluster.remove(ObjectKey("Pod", "demo", "pod-1"))
    world.add_pod(world.cluster.objects[DEPLOYMENT], "pod-1", **old)
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "InitContainerFailed")
    world.cluster.change(key, spec={**PHENOTYPE, "limits": {"timeoutSeconds": 20}})
    await world.reconcile(key)
    assert world.condition(key, "Stalled") is None
    assert world.condition(key, "Reconciling") == ("True", "RollingOut")
    world.clock.advance(1)
    pod = world.add_pod(world.cluster.objects[DEPLOYMENT], "pod-2", phase="Pending")
    metadata = world.cluster.objects[pod]["metadata"]
    world.cluster.change(pod, metadata={**metadata, "labels": {**metadata["labels"], "pod-template-hash": "new"}})
    await world.settle(key)
    assert world.condition(key, "Stalled") is None


async def test_an_evicted_pod_of_last_week_says_nothing_about_a_rollout(world: World) -> None:
    key = await serve(world)
    world.add_pod(world.cluster.objects[DEPLOYMENT], "evicted", phase="Failed", reason="Evicted", message="node is full")
    world.roll_out(ready=0)
    await world.settle(key)
    assert world.condition(key) == ("False", "RollingOut")


async def test_with_autoscaling_replicas_says_where_it_starts(world: World) -> None:
    await serve(world, {**PHENOTYPE, "replicas": 3, "autoscaling": {"minReplicas": 2, "maxReplicas": 8}})
    assert world.cluster.objects[DEPLOYMENT]["spec"]["replicas"] == 3


async def take_new_images(world: World, keys: list[ObjectKey]) -> None:
    """`helm upgrade` to other images, and one pass over each service until it rests."""
    images = type(world.settings.images)(trainer="trainer:2", sidecar="sidecar:2", triton="triton:2")
    world.settings = world.settings.model_copy(update={"images": images})
    world.start()
    for key in keys:
        await world.settle(key)


async def test_an_upgrade_rolls_a_few_services_at_a_time(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    keys = [world.add("InferenceService", f"service-{index}", {"model": {"name": "minilm"}}) for index in range(6)]
    for key in keys:
        await world.settle(key)
        world.roll_out(key.name)
        await world.settle(key)
    await take_new_images(world, keys)

    def upgraded() -> list[str]:
        deployments = world.children("Deployment")
        return [body["metadata"]["name"] for body in deployments if "triton:2" in str(body["spec"]["template"])]

    assert len(upgraded()) == 4
    assert "waits for its turn" in world.message(keys[5])
    # A user's own change does not wait.
    world.cluster.change(keys[5], spec={"model": {"name": "minilm"}, "limits": {"timeoutSeconds": 5}})
    await world.settle(keys[5])
    assert "service-5" in upgraded()
    for name in upgraded()[1:]:
        world.roll_out(name)
    world.clock.advance(20)
    for key in keys:
        await world.settle(key)
    assert len(upgraded()) == 6


async def test_services_that_never_settle_do_not_hold_up_an_upgrade_for_ever(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    keys = [world.add("InferenceService", f"service-{index}", {"model": {"name": "minilm"}}) for index in range(5)]
    for key in keys:
        await world.settle(key)
    await take_new_images(world, keys)
    last = ObjectKey("Deployment", "demo", "service-4")
    assert "triton:2" not in str(world.cluster.objects[last]["spec"])
    world.clock.advance(601)
    await world.settle(keys[4])
    assert "triton:2" in str(world.cluster.objects[last]["spec"])


async def test_what_admission_changes_after_every_apply_is_not_fought_over(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    key = world.add("InferenceService", "phenotype", {"model": {"name": "minilm"}})
    await world.settle(key)
    real = world.cluster.apply

    async def mutating(body: dict[str, Any]) -> dict[str, Any]:
        answer = await real(body)
        if body["kind"] != "Service":
            return answer
        return world.cluster.change(ObjectKey.of(body), spec={**answer["spec"], "type": "LoadBalancer"})

    world.cluster.apply = mutating  # type: ignore[method-assign]
    service = ObjectKey("Service", "demo", "phenotype")
    world.cluster.change(service, spec={**world.cluster.objects[service]["spec"], "type": "LoadBalancer"})
    await world.settle(key)
    assert world.cluster.objects[service]["spec"]["type"] == "LoadBalancer"
    # That one field is left alone; whatever else drifts is repaired as before.
    world.cluster.change(service, spec={**world.cluster.objects[service]["spec"], "selector": {"app": "other"}})
    await world.settle(key)
    assert world.cluster.objects[service]["spec"]["selector"] == {"llmos.dev/inferenceservice": "phenotype"}

"""Whole passes over a Model on the fake cluster: create, adopt, fail, retry."""

import json
from typing import Any

import pytest
from world import HPO, MINILM, TRAINED_MODEL, World, digest, settings

from llmos.errors import TransientError
from llmos_operator.cluster import ClusterRefused, ClusterUnavailable
from llmos_operator.names import ObjectKey, job_name


def failure(reason: str, message: str) -> str:
    return json.dumps({"reason": reason, "message": message})


def upgrade(world: World) -> None:
    """`helm upgrade` to another trainer image."""
    world.settings = settings(images={"trainer": "images/trainer:2", "sidecar": "images/sidecar:1", "triton": "images/triton:1"})
    world.start()


def image_of(job: dict[str, Any]) -> str:
    return str(job["spec"]["template"]["spec"]["containers"][0]["image"])


async def test_a_new_model_gets_one_job_and_says_that_it_waits(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    again = await world.settle(key)
    job = world.job()
    assert job["metadata"]["name"] == job_name("minilm", world.status(key)["inputsHash"], 0)
    assert world.condition(key) == ("Unknown", "Initializing")
    assert world.condition(key, "Reconciling") == ("True", "Initializing")
    assert world.condition(key, "Stalled") is None
    assert world.status(key)["job"] == {"name": job["metadata"]["name"], "attempt": 0}
    assert again == 10


async def test_what_the_registry_has_is_adopted_without_a_job(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    version = world.publish(key, onnx={"Float32": {"maximumDifference": "0.0000043"}}, parameters=22)
    await world.settle(key)
    assert world.children("Job") == []
    assert world.condition(key) == ("True", "Imported")
    assert world.status(key)["version"]["digest"] == version.digest
    assert world.status(key)["version"]["onnx"][0]["maximumDifference"] == "0.0000043"
    assert world.status(key)["version"]["measurements"] == {"parameters": 22}


async def test_a_finished_job_becomes_a_version(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.add_pod(world.job(), phase="Running")
    await world.settle(key)
    assert world.condition(key) == ("False", "JobRunning")
    version = world.publish(key)
    world.finish_job()
    await world.settle(key)
    assert world.condition(key) == ("True", "Imported")
    assert world.condition(key, "Reconciling") is None
    assert world.status(key)["version"]["digest"] == version.digest
    assert "progress" not in world.status(key)


async def test_deleting_status_job_and_pods_repeats_nothing(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.publish(key)
    world.finish_job()
    await world.settle(key)
    before = world.status(key)
    world.cluster.remove(ObjectKey.of(world.job()))
    world.cluster.change(key, status={})
    await world.settle(key)
    assert world.children("Job") == []
    assert {**before, "job": None, "conditions": None} == {**world.status(key), "job": None, "conditions": None}


async def test_a_wrong_checksum_stalls_with_both_checksums_in_the_message(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.fail_job(exit_code=65, message=failure("ChecksumMismatch", "expected b9b9, found c0c0"), reason="PodFailurePolicy")
    assert await world.settle(key) is None
    assert world.condition(key) == ("False", "ChecksumMismatch")
    assert world.condition(key, "Stalled") == ("True", "ChecksumMismatch")
    assert world.condition(key, "Reconciling") is None
    assert "expected b9b9, found c0c0" in world.message(key)
    assert world.status(key)["lastFailure"]["exitCode"] == 65


async def test_a_stalled_model_tries_again_when_its_spec_changes(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.fail_job(exit_code=65, message=failure("ChecksumMismatch", "wrong"))
    await world.settle(key)
    stale = world.job()["metadata"]["name"]
    package = {**MINILM["source"]["pythonPackage"], "sha256": "aa" * 32}  # type: ignore[index]
    world.cluster.change(key, spec={**MINILM, "source": {"pythonPackage": package}})
    await world.settle(key)
    assert world.job()["metadata"]["name"] != stale
    assert world.condition(key, "Stalled") is None


async def test_the_retry_annotation_starts_one_more_attempt(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.fail_job(exit_code=65, message=failure("InvalidSource", "no model in it"))
    await world.settle(key)
    body = world.cluster.objects[key]
    world.cluster.change(key, metadata={**body["metadata"], "annotations": {"llmos.dev/requested-at": "now"}})
    await world.settle(key)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"
    assert world.status(key)["job"]["requestedAt"] == "now"
    assert world.condition(key) == ("False", "JobPending")


async def test_an_external_cause_is_retried_slowly_and_by_itself(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.fail_job(exit_code=75, message=failure("RegistryUnavailable", "no answer"))
    assert await world.settle(key) == 600
    assert world.condition(key, "Stalled") is None
    assert "tried again at 2026-01-01T12:10:00Z" in world.message(key)
    world.clock.advance(601)
    await world.settle(key)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"


async def test_an_external_failure_is_retried_at_once_with_the_image_of_an_upgrade(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.fail_job(exit_code=1, message="No module named pip")
    await world.settle(key)
    upgrade(world)
    await world.settle(key)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"
    assert image_of(world.job()) == "images/trainer:2"


async def test_an_image_that_cannot_be_pulled_is_replaced_when_the_installation_has_another(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    world.add_pod(world.job(), phase="Pending", containerStatuses=[{"name": "workload", "state": {"waiting": waiting}}])
    await world.settle(key)
    assert world.condition(key) == ("False", "ImagePullFailed")
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "0"
    upgrade(world)
    await world.settle(key)
    assert image_of(world.job()) == "images/trainer:2"


@pytest.mark.parametrize("phase", ["Pending", "Running"])
async def test_a_job_that_goes_well_keeps_its_image_through_an_upgrade(world: World, phase: str) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.add_pod(world.job(), phase=phase)
    upgrade(world)
    await world.settle(key)
    assert image_of(world.job()) == "images/trainer:1"


async def test_what_only_a_person_can_mend_is_not_tried_again_by_an_upgrade(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.fail_job(exit_code=65, message=failure("ChecksumMismatch", "wrong"))
    upgrade(world)
    await world.settle(key)
    assert image_of(world.job()) == "images/trainer:1"
    assert world.condition(key, "Stalled") == ("True", "ChecksumMismatch")


async def test_more_memory_replaces_a_failed_job_at_once(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T12:00:00Z"}
    world.add_pod(world.job(), phase="Failed", containerStatuses=[{"name": "workload", "state": {"terminated": ended}}])
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": "2026-01-01T12:00:00Z"}
    world.cluster.change(ObjectKey.of(world.job()), status={"conditions": [condition]})
    await world.settle(key)
    assert world.condition(key) == ("False", "OutOfMemory")
    world.cluster.change(key, spec={**MINILM, "workload": {"resources": {"limits": {"memory": "16Gi"}}}})
    await world.settle(key)
    job = world.job()
    assert job["metadata"]["labels"]["llmos.dev/attempt"] == "1"
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "16Gi"


async def test_the_old_version_stays_while_a_new_one_is_made(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    old = await world.make_ready(key)
    world.cluster.change(key, spec={**MINILM, "onnx": {"maximumTokens": 128}})
    await world.settle(key)
    assert world.status(key)["version"]["digest"] == old
    assert world.condition(key) == ("False", "JobPending")
    assert len(world.children("Job")) == 1


async def test_an_operator_upgrade_to_another_image_creates_no_job(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.make_ready(key)
    images = {"trainer": "images/trainer:2", "sidecar": "images/sidecar:2", "triton": "images/triton:2"}
    world.settings = world.settings.model_copy(update={"images": type(world.settings.images)(**images)})
    world.start()
    world.forget_requests()
    await world.settle(key)
    assert world.cluster.requests == []
    assert world.store.asked == []


async def test_a_silent_registry_is_waited_for_and_no_job_is_made(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    world.store.error = TransientError("registry.example:5000 does not answer", reason="RegistryUnavailable")
    assert await world.settle(key) == 30
    assert world.children("Job") == []
    assert world.condition(key) == ("False", "RegistryUnavailable")


async def test_a_job_that_is_done_without_a_version_is_not_believed(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    world.finish_job()
    await world.settle(key)
    assert world.condition(key) == ("False", "JobFailed")
    assert "the registry has no version" in world.message(key)


async def test_a_missing_training_job_is_named_and_heals(world: World) -> None:
    key = world.add("Model", "organ-system", TRAINED_MODEL)
    await world.settle(key)
    assert world.condition(key) == ("False", "DependencyNotFound")
    assert "TrainingJob demo/organ-system does not exist" in world.message(key)
    assert world.cache.referrers(ObjectKey("TrainingJob", "demo", "organ-system")) == (key,)


async def test_a_quota_that_refuses_the_job_becomes_a_condition(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    error = ClusterRefused("exceeded quota: jobs", reason="QuotaExceeded", key=key, status=403)
    world.cluster.failures.append(("create", "Job", error))
    assert await world.reconcile(key) == 60
    assert world.condition(key) == ("False", "QuotaExceeded")
    assert world.condition(key, "Stalled") is None
    await world.settle(key)
    assert len(world.children("Job")) == 1


async def test_an_api_server_that_does_not_answer_is_left_to_the_queue(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    world.cluster.failures.append(("create", "Job", ClusterUnavailable("no", reason="ApiUnavailable", key=key)))
    with pytest.raises(ClusterUnavailable):
        await world.reconcile(key)
    await world.settle(key)
    assert len(world.children("Job")) == 1


async def test_a_job_that_was_created_but_not_answered_is_adopted(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    job = world.job()
    world.cache.discard(ObjectKey.of(job))
    world.cluster.change(key, status={})
    await world.settle(key)
    assert world.job()["metadata"]["uid"] == job["metadata"]["uid"]


async def test_somebody_elses_job_of_that_name_is_left_alone(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    job = world.job()
    world.cluster.remove(ObjectKey.of(job))
    world.cluster.change(key, status={})
    foreign = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job["metadata"]["name"], "namespace": "demo"}, "spec": {}}
    world.cluster.put(foreign)
    await world.reconcile(key)
    assert world.condition(key, "Stalled") == ("True", "NameConflict")
    assert world.job()["spec"] == {}


async def test_a_broken_chain_is_refused_by_name(world: World) -> None:
    kbase = world.add("KnowledgeBase", "hpo", HPO)
    await world.make_ready(kbase)
    key = world.add("Model", "organ-system", {**TRAINED_MODEL, "source": {"trainingJob": {"name": "organ-system", "digest": digest("t")}}})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "DigestNotFound")
    assert digest("t") in world.message(key)


async def test_what_was_refused_is_named_with_its_number_and_what_passed_has_its_metric(world: World) -> None:
    key = world.add("Model", "organ-system", MINILM)
    measured = {"accuracy": "0.8000", "accuracyLow": "0.7800", "accuracyHigh": "0.8200", "calibrationError": "0.0210"}
    refused = {"precision": "Int8Dynamic", "reason": "GateFailed", "message": "the drop of Accuracy is 0.30 and must be at most 0.01"}
    world.publish(
        key,
        onnx={"Float32": {"maximumDifference": "0.000001", "evaluation": measured}},
        evaluation={"digest": digest("e"), "items": 1663, "calibrationItems": 839, "metric": "Accuracy", "report": digest("r")},
        refused=[refused],
    )
    await world.settle(key)
    assert world.condition(key) == ("True", "Imported")
    assert world.message(key).endswith("is in the registry; refused, and so not in it: Int8Dynamic (GateFailed)")
    version = world.status(key)["version"]
    assert version["refused"] == [refused]
    assert version["evaluation"] == {"digest": digest("e"), "items": 1663, "calibrationItems": 839, "metric": "Accuracy"}
    shown = {name: version["onnx"][0][name] for name in ("metric", "metricLow", "metricHigh", "calibrationError")}
    assert shown == {"metric": "0.8000", "metricLow": "0.7800", "metricHigh": "0.8200", "calibrationError": "0.0210"}
    assert version["onnx"][0]["measurements"] == {"accuracy": "0.8000", "calibrationError": "0.0210"}


async def test_a_failed_gate_stalls_with_the_number_and_what_was_there_before_stays(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    before = await world.make_ready(key)
    bounds = {"dataset": {"file": {"format": "CSV", "inline": {"content": "text,label"}}}, "minimum": "0.9"}
    world.cluster.change(key, spec={**MINILM, "evaluation": bounds})
    await world.settle(key)
    message = "no precision passes spec.evaluation: Float32: Accuracy is 0.4 and must be at least 0.9: missed by 0.5"
    world.fail_job(exit_code=65, message=failure("GateFailed", message))
    await world.settle(key)
    assert world.condition(key) == ("False", "GateFailed")
    assert world.condition(key, "Stalled") == ("True", "GateFailed")
    assert "missed by 0.5" in world.message(key)
    assert world.status(key)["version"]["digest"] == before

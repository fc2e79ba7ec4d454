"""Whole passes over TrainingJob and KnowledgeBase on the fake cluster."""

import json
from typing import Any

from world import HPO, MINILM, ORGAN_SYSTEM, TRAINED_MODEL, World, digest, make_version

from llmos_operator.api import parse_spec
from llmos_operator.names import ObjectKey

TRAINING = ObjectKey("TrainingJob", "demo", "organ-system")


async def start_training(world: World, **changes: Any) -> dict[str, str]:
    """Create base, knowledge and the run; returns the parents' digests."""
    base = await world.make_ready(world.add("Model", "minilm", MINILM))
    knowledge = await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    world.add("TrainingJob", "organ-system", {**ORGAN_SYSTEM, **changes})
    await world.settle(TRAINING)
    return {"base": base, "knowledge/hpo": knowledge}


def config_of(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(job["spec"]["template"]["metadata"]["annotations"]["llmos.dev/config"])
    return found


async def test_a_training_job_hands_its_parents_to_the_workload_and_trains(world: World) -> None:
    parents = await start_training(world)
    job = world.job()
    config = config_of(job)
    assert {role: parent["digest"] for role, parent in config["parents"].items()} == parents
    assert config["spec"]["data"]["taxonomy"]["knowledge"] == {"role": "knowledge/hpo"}
    assert "base" not in config["spec"]
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["ttlSecondsAfterFinished"]) == (3600, 86400)
    version = world.publish(TRAINING, parents, labels=14, trainItems=900, accuracy="0.406")
    world.finish_job(startTime="2026-01-01T11:58:00Z", completionTime="2026-01-01T12:00:00Z")
    await world.settle(TRAINING)
    for name in ("Ready", "Succeeded"):
        assert world.condition(TRAINING, name) == ("True", "Trained")
    assert world.condition(TRAINING, "Failed") == ("False", "Trained")
    status = world.status(TRAINING)
    assert status["version"]["digest"] == version.digest
    assert (status["version"]["labels"], status["version"]["trainItems"]) == (14, 900)
    assert status["version"]["measurements"]["accuracy"] == "0.406"
    assert status["completionTime"] == "2026-01-01T12:00:00Z"


async def test_a_run_whose_job_was_cleaned_up_is_not_repeated(world: World) -> None:
    parents = await start_training(world)
    world.publish(TRAINING, parents)
    world.finish_job(completionTime="2026-01-01T12:00:00Z")
    await world.settle(TRAINING)
    world.cluster.remove(ObjectKey.of(world.job()))
    world.start()
    world.forget_requests()
    await world.settle(TRAINING)
    assert world.cluster.requests == []
    assert world.condition(TRAINING) == ("True", "Trained")


async def test_a_failed_run_whose_job_was_cleaned_up_stays_failed_until_somebody_asks(world: World) -> None:
    await start_training(world)
    world.fail_job(exit_code=65, message=json.dumps({"reason": "InvalidSpec", "message": "no label has 200 items"}))
    await world.settle(TRAINING)
    assert world.condition(TRAINING, "Failed") == ("True", "InvalidSpec")
    world.cluster.remove(ObjectKey.of(world.job()))
    await world.settle(TRAINING)
    assert world.children("Job") == []
    assert world.condition(TRAINING, "Stalled") == ("True", "InvalidSpec")
    metadata = world.cluster.objects[TRAINING]["metadata"]
    world.cluster.change(TRAINING, metadata={**metadata, "annotations": {"llmos.dev/requested-at": "1"}})
    await world.settle(TRAINING)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"
    assert world.condition(TRAINING, "Failed") == ("False", "JobPending")


async def test_a_run_stays_with_the_base_it_started_from(world: World) -> None:
    parents = await start_training(world)
    world.cluster.change(ObjectKey("Model", "demo", "minilm"), spec={**MINILM, "onnx": {"maximumTokens": 64}})
    await world.make_ready(ObjectKey("Model", "demo", "minilm"))
    await world.settle(TRAINING)
    assert len(world.children("Job")) == 1
    # Nor does a wiped status move it: the Job remembers.
    world.cluster.change(TRAINING, status={})
    await world.settle(TRAINING)
    assert config_of(world.job())["parents"]["base"]["digest"] == parents["base"]
    assert world.status(TRAINING)["resolved"][0]["digest"] == parents["base"]


async def test_suspending_patches_the_live_job_and_says_so(world: World) -> None:
    await start_training(world)
    job = ObjectKey.of(world.job())
    world.cluster.change(TRAINING, spec={**ORGAN_SYSTEM, "suspend": True})
    await world.settle(TRAINING)
    assert world.cluster.objects[job]["spec"]["suspend"] is True
    assert world.condition(TRAINING) == ("False", "Suspended")
    world.cluster.change(TRAINING, spec={**ORGAN_SYSTEM, "suspend": False, "activeDeadlineSeconds": 60})
    await world.settle(TRAINING)
    assert world.cluster.objects[job]["spec"]["suspend"] is False
    assert world.cluster.objects[job]["spec"]["activeDeadlineSeconds"] == 60


async def test_with_a_queue_label_the_job_starts_suspended_and_is_left_to_the_queue(world: World) -> None:
    labels = {"kueue.x-k8s.io/queue-name": "team"}
    await start_training(world, workload={"labels": labels})
    job = world.job()
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"].items() >= labels.items()
    world.cluster.change(ObjectKey.of(job), spec={**job["spec"], "suspend": False})
    world.forget_requests()
    await world.settle(TRAINING)
    assert ("patch", ObjectKey.of(job)) not in world.cluster.writes


async def test_a_deadline_fails_the_run_for_good(world: World) -> None:
    await start_training(world)
    condition = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "lastTransitionTime": "2026-01-01T12:00:00Z"}
    world.cluster.change(ObjectKey.of(world.job()), status={"conditions": [condition]})
    await world.settle(TRAINING)
    assert world.condition(TRAINING, "Failed") == ("True", "DeadlineExceeded")
    assert "spec.activeDeadlineSeconds" in world.message(TRAINING)


async def test_progress_is_shown_while_it_runs_and_goes_with_the_job(world: World) -> None:
    parents = await start_training(world)
    uid = world.cluster.objects[TRAINING]["metadata"]["uid"]
    pod = world.add_pod(world.job(), phase="Running")
    progress = {"phase": "Train", "percent": 40, "time": "2026-01-01T12:00:00Z"}
    world.reports.put_progress(TRAINING, uid, pod.name, progress)
    await world.settle(TRAINING)
    assert world.status(TRAINING)["progress"] == progress
    world.publish(TRAINING, parents)
    world.finish_job()
    await world.settle(TRAINING)
    assert "progress" not in world.status(TRAINING)


async def test_progress_of_an_earlier_attempt_is_no_progress_of_the_next(world: World) -> None:
    await start_training(world)
    uid = world.cluster.objects[TRAINING]["metadata"]["uid"]
    world.fail_job(exit_code=75, message=json.dumps({"reason": "RegistryUnavailable", "message": "no answer"}))
    progress = {"phase": "Train", "percent": 70, "time": "2026-01-01T12:00:00Z"}
    world.reports.put_progress(TRAINING, uid, f"{world.job()['metadata']['name']}-pod", progress)
    await world.settle(TRAINING)
    world.clock.advance(601)
    await world.settle(TRAINING)
    world.add_pod(world.job(), phase="Running")
    await world.settle(TRAINING)
    assert world.condition(TRAINING) == ("False", "JobRunning")
    assert "progress" not in world.status(TRAINING)


async def test_a_model_follows_its_training_job_and_carries_the_chain(world: World) -> None:
    parents = await start_training(world)
    trained = world.publish(TRAINING, parents)
    world.finish_job()
    await world.settle(TRAINING)
    key = world.add("Model", "organ-system", TRAINED_MODEL)
    await world.settle(key)
    config = config_of(next(job for job in world.children("Job") if job["metadata"]["labels"].get("llmos.dev/model") == "organ-system"))
    assert config["parents"]["trainingJob"]["digest"] == trained.digest
    world.publish(key, {"trainingJob": trained.digest})
    world.cluster.remove(ObjectKey("Job", "demo", world.status(key)["job"]["name"]))
    await world.settle(key)
    assert world.condition(key) == ("True", "Imported")
    assert world.status(key)["resolved"] == [
        {"role": "trainingJob", "kind": "TrainingJob", "name": "organ-system", "digest": trained.digest}
    ]


async def test_a_version_whose_grandparent_is_missing_is_refused_by_name(world: World) -> None:
    parents = await start_training(world)
    world.publish(TRAINING, parents)
    world.store.lose(parents["base"])
    # A new process has verified nothing yet.
    world.start()
    world.finish_job()
    await world.settle(TRAINING)
    assert world.condition(TRAINING, "Stalled") == ("True", "ChainBroken")
    assert f"broken at base ({parents['base']})" in world.message(TRAINING)


async def test_a_task_that_does_not_fit_the_training_is_refused(world: World) -> None:
    parents = await start_training(world)
    world.publish(TRAINING, parents)
    world.finish_job()
    await world.settle(TRAINING)
    key = world.add("Model", "organ-system", {**TRAINED_MODEL, "task": "FeatureExtraction"})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "TaskMismatch")


async def test_a_snapshot_says_what_is_in_it(world: World) -> None:
    key = world.add("KnowledgeBase", "hpo", HPO)
    world.publish(key, entities=31714, names=55233, facts=350000, sources=[{"name": "hpo", "version": "2025-01-16"}])
    await world.settle(key)
    snapshot = world.status(key)["snapshot"]
    assert (snapshot["entities"], snapshot["names"], snapshot["facts"]) == (31714, 55233, 350000)
    assert snapshot["sources"] == [{"name": "hpo", "version": "2025-01-16"}]
    assert snapshot["contentDigest"].startswith("sha256:")
    assert world.condition(key) == ("True", "Built")


async def test_a_pinned_snapshot_is_served_again_and_released_again(world: World) -> None:
    key = world.add("KnowledgeBase", "hpo", HPO)
    old = await world.make_ready(key)
    spec = {**HPO, "linking": {"minimumNameCharacters": 5}}
    world.cluster.change(key, spec=spec)
    new = await world.make_ready(key)
    world.cluster.change(key, spec={**spec, "snapshot": {"pinned": old}})
    await world.settle(key)
    assert world.status(key)["snapshot"]["digest"] == old
    assert "(pinned)" in world.message(key)
    assert world.children("Job") == []
    world.cluster.change(key, spec=spec)
    await world.settle(key)
    assert world.status(key)["snapshot"]["digest"] == new


async def test_a_pin_to_nothing_stalls_and_keeps_the_snapshot(world: World) -> None:
    key = world.add("KnowledgeBase", "hpo", HPO)
    old = await world.make_ready(key)
    world.cluster.change(key, spec={**HPO, "snapshot": {"pinned": digest("nothing")}})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "DigestNotFound")
    assert world.status(key)["snapshot"]["digest"] == old


async def test_a_reference_may_stay_at_an_earlier_digest(world: World) -> None:
    model = world.add("Model", "minilm", MINILM)
    old = await world.make_ready(model)
    world.cluster.change(model, spec={**MINILM, "onnx": {"maximumTokens": 64}})
    await world.make_ready(model)
    world.add("KnowledgeBase", "hpo", HPO)
    await world.make_ready(ObjectKey("KnowledgeBase", "demo", "hpo"))
    world.add("TrainingJob", "organ-system", {**ORGAN_SYSTEM, "base": {"name": "minilm", "digest": old}})
    await world.settle(TRAINING)
    assert config_of(world.job())["parents"]["base"]["digest"] == old


async def test_a_version_of_another_kind_is_refused(world: World) -> None:
    key = world.add("KnowledgeBase", "hpo", HPO)
    model = make_version("Model", parse_spec("Model", MINILM).hashed(), {})  # type: ignore[attr-defined]
    world.store.put(key, model)
    world.cluster.change(key, spec={**HPO, "snapshot": {"pinned": model.digest}})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "ChainBroken")


def deadline_exceeded(world: World) -> None:
    condition = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "lastTransitionTime": "2026-01-01T12:00:00Z"}
    world.cluster.change(ObjectKey.of(world.job()), status={"conditions": [condition]})


async def test_a_deadline_is_said_although_an_earlier_pod_had_failed(world: World) -> None:
    await start_training(world)
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T11:00:00Z"}
    world.add_pod(world.job(), phase="Failed", containerStatuses=[{"name": "workload", "state": {"terminated": ended}}])
    deadline_exceeded(world)
    await world.settle(TRAINING)
    assert world.condition(TRAINING, "Failed") == ("True", "DeadlineExceeded")


async def test_more_time_starts_a_run_again_that_ran_out_of_it(world: World) -> None:
    await start_training(world)
    deadline_exceeded(world)
    await world.settle(TRAINING)
    world.cluster.change(TRAINING, spec={**ORGAN_SYSTEM, "activeDeadlineSeconds": 7200})
    await world.settle(TRAINING)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"
    assert world.job()["spec"]["activeDeadlineSeconds"] == 7200


async def test_a_short_time_to_live_does_not_make_the_slow_retry_a_fast_one(world: World) -> None:
    await start_training(world, ttlSecondsAfterFinished=0)
    world.fail_job(exit_code=75, message=json.dumps({"reason": "RegistryUnavailable", "message": "no answer"}))
    await world.settle(TRAINING)
    world.cluster.remove(ObjectKey.of(world.job()))
    assert await world.settle(TRAINING) == 600
    assert world.children("Job") == []
    assert world.condition(TRAINING) == ("False", "RegistryUnavailable")
    world.clock.advance(601)
    await world.settle(TRAINING)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"


async def test_a_time_to_live_of_zero_set_later_reaches_the_job(world: World) -> None:
    await start_training(world)
    world.cluster.change(TRAINING, spec={**ORGAN_SYSTEM, "ttlSecondsAfterFinished": 0})
    await world.settle(TRAINING)
    assert world.job()["spec"]["ttlSecondsAfterFinished"] == 0


async def test_what_a_queue_runs_is_not_called_suspended(world: World) -> None:
    await start_training(world, workload={"labels": {"kueue.x-k8s.io/queue-name": "team"}}, suspend=True)
    job = world.job()
    world.cluster.change(ObjectKey.of(job), spec={**job["spec"], "suspend": False})
    world.add_pod(job, phase="Running")
    await world.settle(TRAINING)
    assert world.condition(TRAINING) == ("False", "JobRunning")

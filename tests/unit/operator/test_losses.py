"""What the registry or a user takes away later: what runs goes on, what is done stays done, and what is lost is said."""

import pytest
from world import HPO, MINILM, ORGAN_SYSTEM, PHENOTYPE, ROOT, TRAINED_MODEL, World, settings

from llmos.artifacts import LinkState
from llmos.errors import TransientError
from llmos_operator.names import ObjectKey
from llmos_operator.reconcile.rechecks import EVERY_S

MODEL = ObjectKey("Model", "demo", "minilm")
TRAINING = ObjectKey("TrainingJob", "demo", "organ-system")
FOLLOWER = ObjectKey("Model", "demo", "follower")


async def trained(world: World) -> str:
    """A base, a graph, a run that is over, and a Model that follows it; returns the base's digest."""
    base = await world.make_ready(world.add("Model", "minilm", MINILM))
    graph = await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    run = await world.make_ready(world.add("TrainingJob", "organ-system", ORGAN_SYSTEM), {"base": base, "knowledge/hpo": graph})
    await world.make_ready(world.add("Model", "follower", TRAINED_MODEL), {"trainingJob": run})
    return base


def annotate(world: World, key: ObjectKey, value: str) -> None:
    metadata = world.cluster.objects[key]["metadata"]
    world.cluster.change(key, metadata={**metadata, "annotations": {"llmos.dev/requested-at": value}})


@pytest.mark.parametrize("part", ["version", "payload"])
async def test_a_version_the_registry_has_lost_is_a_condition_and_no_reason_to_make_it_again(world: World, part: str) -> None:
    digest = await world.make_ready(world.add("Model", "minilm", MINILM))
    lost = digest if part == "version" else world.status(MODEL)["version"]["weights"]["digest"]
    world.store.lose(lost)
    await world.settle(MODEL)
    assert world.condition(MODEL) == ("True", "Imported"), "it is not asked for in every pass"
    world.clock.advance(EVERY_S)
    await world.settle(MODEL)
    assert world.condition(MODEL, "Stalled") == ("True", "ArtifactMissing")
    assert lost in world.message(MODEL)
    assert world.children("Job") == []
    assert world.status(MODEL)["version"]["digest"] == digest


async def test_a_lost_version_that_is_restored_heals_by_itself(world: World) -> None:
    digest = await world.make_ready(world.add("Model", "minilm", MINILM))
    kept = dict(world.store.versions)
    world.store.lose(digest)
    world.clock.advance(EVERY_S)
    assert await world.settle(MODEL) == 60
    world.store.versions = kept
    # Not even a restart takes it for healthy before the registry has been asked.
    world.start()
    await world.settle(MODEL)
    assert world.condition(MODEL) == ("True", "Imported")


async def test_a_lost_version_is_made_again_when_somebody_asks(world: World) -> None:
    digest = await world.make_ready(world.add("Model", "minilm", MINILM))
    world.store.lose(digest)
    annotate(world, MODEL, "1")
    await world.settle(MODEL)
    assert world.condition(MODEL) == ("False", "JobPending")
    world.publish(MODEL)
    world.store.states.clear()
    world.finish_job()
    await world.settle(MODEL)
    assert world.condition(MODEL) == ("True", "Imported")
    assert world.status(MODEL)["version"]["digest"] == digest


async def test_asking_again_for_what_is_there_repeats_nothing(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    annotate(world, MODEL, "1")
    await world.settle(MODEL)
    world.forget_requests()
    await world.settle(MODEL)
    assert world.children("Job") == []
    assert world.store.asked == []
    assert world.condition(MODEL) == ("True", "Imported")


async def test_a_registry_that_is_away_when_it_is_looked_at_changes_nothing(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    world.store.error = TransientError("no answer", reason="RegistryUnavailable")
    world.clock.advance(EVERY_S)
    world.forget_requests()
    await world.settle(MODEL)
    assert world.store.asked
    assert world.cluster.writes == []


async def test_a_run_that_is_over_succeeded_whatever_was_lost_since(world: World) -> None:
    await trained(world)
    world.store.lose(world.status(TRAINING)["version"]["digest"])
    world.clock.advance(EVERY_S)
    await world.settle(TRAINING)
    assert world.condition(TRAINING) == ("False", "ArtifactMissing")
    assert world.condition(TRAINING, "Succeeded") == ("True", "Trained")
    assert world.condition(TRAINING, "Failed") == ("False", "Trained")


async def test_an_incomplete_version_is_not_adopted(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    version = world.publish(key)
    world.store.lose(version.provenance.payloads[0].digest)
    await world.settle(key)
    assert len(world.children("Job")) == 1


@pytest.mark.parametrize("state", [LinkState.Pruned, LinkState.Forgotten])
async def test_a_parent_removed_on_purpose_does_not_break_the_chain(world: World, state: LinkState) -> None:
    base = await trained(world)
    world.store.lose(base, state)
    world.start()
    world.cluster.change(FOLLOWER, status={})
    await world.settle(FOLLOWER)
    assert world.condition(FOLLOWER) == ("True", "Imported")


async def test_a_run_that_is_over_needs_neither_its_base_nor_the_registry(world: World) -> None:
    await trained(world)
    world.cluster.remove(MODEL)
    world.store.error = TransientError("no answer", reason="RegistryUnavailable")
    world.start()
    await world.settle(TRAINING)
    for name in ("Ready", "Succeeded"):
        assert world.condition(TRAINING, name) == ("True", "Trained")


async def test_a_model_outlives_the_one_shot_training_it_follows(world: World) -> None:
    await trained(world)
    world.cluster.remove(TRAINING)
    await world.settle(FOLLOWER)
    assert world.condition(FOLLOWER) == ("True", "Imported")
    assert "TrainingJob demo/organ-system does not exist" in world.message(FOLLOWER)
    world.cluster.change(FOLLOWER, spec={**TRAINED_MODEL, "onnx": {"maximumTokens": 64}})
    await world.settle(FOLLOWER)
    assert world.condition(FOLLOWER) == ("False", "DependencyNotFound"), "another export needs it again"


async def test_a_pinned_service_does_not_lose_ready_when_the_registry_is_away_at_a_restart(world: World) -> None:
    old = await world.make_ready(world.add("Model", "minilm", MINILM))
    await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    key = world.add("InferenceService", "phenotype", {**PHENOTYPE, "model": {"name": "minilm", "digest": old}})
    await world.settle(key)
    world.roll_out()
    await world.settle(key)
    world.cluster.change(MODEL, spec={**MINILM, "onnx": {"maximumTokens": 64}})
    await world.make_ready(MODEL)
    world.store.error = TransientError("no answer", reason="RegistryUnavailable")
    world.start()
    await world.settle(key)
    assert world.condition(key) == ("True", "Serving")


async def test_a_manual_reference_may_be_pointed_at_another_model(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    other = {**MINILM, "onnx": {"maximumTokens": 64}}
    new = await world.make_ready(world.add("Model", "other", other))
    key = world.add("InferenceService", "phenotype", {"model": {"name": "minilm", "update": "Manual"}})
    await world.settle(key)
    world.roll_out()
    await world.settle(key)
    world.cluster.change(key, spec={"model": {"name": "other", "update": "Manual"}})
    await world.settle(key)
    assert world.condition(key, "Stalled") is None
    deployment = world.cluster.objects[ObjectKey("Deployment", "demo", "phenotype")]
    assert deployment["spec"]["template"]["metadata"]["annotations"]["llmos.dev/model-digest"] == new


async def test_another_report_authority_rolls_no_service(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    key = world.add("InferenceService", "phenotype", {"model": {"name": "minilm"}})
    await world.settle(key)
    deployment = ObjectKey("Deployment", "demo", "phenotype")
    before = world.cluster.objects[deployment]
    world.report_ca = "ANOTHER CA"
    world.start()
    await world.settle(key)
    assert world.cluster.objects[deployment] == before
    assert world.cluster.objects[ObjectKey("ConfigMap", "demo", "phenotype-knowledge")]["data"]["report-ca.crt"] == "ANOTHER CA"


async def test_an_admission_that_rewrites_images_does_not_make_a_job_look_old(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    job = world.job()
    template = job["spec"]["template"]
    container = {**template["spec"]["containers"][0], "image": "mirror.example/trainer:1"}
    rewritten = {**template, "spec": {**template["spec"], "containers": [container]}}
    world.cluster.change(ObjectKey.of(job), spec={**job["spec"], "template": rewritten})
    world.fail_job(exit_code=75, message="no answer")
    await world.settle(key)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "0"
    assert world.settings == settings()


async def test_what_retention_has_taken_is_made_again_when_it_is_asked_for_again(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    old = await world.make_ready(key)
    version = world.store.versions[(f"{ROOT}/demo/model/minilm", old)]
    world.cluster.change(key, spec={**MINILM, "onnx": {"maximumTokens": 64}})
    await world.make_ready(key)
    world.store.states[version.provenance.payloads[0].digest] = LinkState.Pruned
    world.cluster.change(key, spec=MINILM)
    await world.settle(key)
    assert len(world.children("Job")) == 1
    world.cluster.change(key, spec={**MINILM, "version": {"pinned": old}})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "DigestNotFound")

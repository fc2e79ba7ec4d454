"""Whole passes over services and training runs that select their Model: decided once or anew, kept, woken, explained."""

from typing import Any

import pytest
from world import HPO, MINILM, ORGAN_SYSTEM, World

from llmos_operator.names import ObjectKey

DEPLOYMENT = ObjectKey("Deployment", "demo", "phenotype")
SELECTOR = {"task": "TextClassification", "metric": "accuracy", "minimum": "0.40"}
CLASSIFIER = {**MINILM, "task": "TextClassification"}


async def add_model(world: World, name: str, accuracy: str, **spec: Any) -> ObjectKey:
    key = world.add("Model", name, {**CLASSIFIER, "source": {"pythonPackage": {**MINILM["source"]["pythonPackage"], "path": name}}, **spec})
    measured = {"Float32": {"p50MillisecondsBatch1": "5.1", "maximumDifference": "0.1"}}
    world.publish(key, accuracy=accuracy, onnx=measured, labelIds=["a"], labels=1)
    await world.settle(key)
    return key


def add_service(world: World, **selector: Any) -> ObjectKey:
    return world.add("InferenceService", "phenotype", {"model": {"selector": {**SELECTOR, **selector}}})


async def serve(world: World, key: ObjectKey) -> None:
    await world.settle(key)
    world.roll_out()
    world.add_pod(world.cluster.objects[DEPLOYMENT], "pod-1", ready=True, phase="Running")
    await world.settle(key)
    assert world.condition(key) == ("True", "Serving")


def selected(world: World, key: ObjectKey) -> str:
    return str(world.status(key)["selection"]["name"])


def digest_of(world: World, name: str) -> str:
    return str(world.status(ObjectKey("Model", "demo", name))["version"]["digest"])


def served(world: World) -> str:
    return str(world.cluster.objects[DEPLOYMENT]["spec"]["template"]["metadata"]["annotations"]["llmos.dev/model-digest"])


async def test_a_service_serves_the_best_model_and_says_why(world: World) -> None:
    for name, accuracy in (("poor", "0.2"), ("good", "0.41"), ("best", "0.45")):
        await add_model(world, name, accuracy)
    key = add_service(world, labels=["a"])
    await serve(world, key)
    selection = world.status(key)["selection"]
    assert (selection["name"], selection["digest"]) == ("best", digest_of(world, "best"))
    assert selection["reason"].startswith("the best of 2 that fit, by accuracy: accuracy 0.45, 5.1 ms")
    assert [item["name"] for item in selection["runnersUp"]] == ["good", "poor"]
    assert selection["runnersUp"][1]["reason"] == "it has accuracy 0.2, and 0.40 is asked"
    assert world.status(key)["model"]["name"] == "best"
    assert served(world) == digest_of(world, "best")


@pytest.mark.parametrize(("update", "expected"), [("Manual", "good"), ("Automatic", "best")])
async def test_a_better_model_that_appears_later_changes_only_what_updates_by_itself(world: World, update: str, expected: str) -> None:
    await add_model(world, "good", "0.41")
    key = add_service(world, update=update)
    await serve(world, key)
    await add_model(world, "best", "0.45")
    await world.settle(key)
    assert selected(world, key) == expected
    assert served(world) == digest_of(world, expected)


@pytest.mark.parametrize("update", ["Manual", "Automatic"])
async def test_a_new_version_of_the_selected_model_is_another_decision(world: World, update: str) -> None:
    model = await add_model(world, "good", "0.41")
    key = add_service(world, update=update)
    await serve(world, key)
    before = served(world)
    world.cluster.change(model, spec={**world.cluster.objects[model]["spec"], "onnx": {"maximumTokens": 64}})
    await world.settle(model)
    await world.settle(key)
    assert served(world) == before, "while it makes its next version nothing changes"
    world.publish(model, accuracy="0.5")
    world.finish_job()
    await world.settle(model)
    await world.settle(key)
    assert (served(world) == before) is (update == "Manual")


async def test_what_serves_goes_on_when_its_model_is_deleted_and_the_condition_says_so(world: World) -> None:
    model = await add_model(world, "good", "0.41")
    key = add_service(world)
    await serve(world, key)
    before = served(world)
    world.cluster.remove(model)
    await world.settle(key)
    assert world.condition(key) == ("True", "Serving")
    assert "the selected Model good does not exist any more" in world.message(key)
    assert served(world) == before
    world.store.error = None
    world.start()
    await world.settle(key)
    assert served(world) == before


async def test_automatic_keeps_what_serves_when_nothing_fits_any_more(world: World) -> None:
    model = await add_model(world, "good", "0.41")
    key = add_service(world, update="Automatic")
    await serve(world, key)
    world.cluster.remove(model)
    await world.settle(key)
    assert world.condition(key) == ("True", "Serving")
    assert "no Model fits its selector any more, and Model good goes on" in world.message(key)
    await add_model(world, "next", "0.42")
    await world.settle(key)
    assert selected(world, key) == "next"


async def test_without_a_fitting_model_the_nearest_miss_is_named_and_a_better_one_ends_the_wait(world: World) -> None:
    await add_model(world, "organ-system", "0.32")
    key = add_service(world)
    await world.settle(key)
    assert world.condition(key) == ("False", "NoModelFits")
    assert "the nearest is organ-system: it has accuracy 0.32, and 0.40 is asked" in world.message(key)
    assert world.children("Deployment") == []
    better = await add_model(world, "better", "0.41")
    assert key in world.cache.referrers(better)
    await serve(world, key)
    assert selected(world, key) == "better"


async def test_another_selector_is_decided_anew_and_until_one_fits_the_old_model_serves(world: World) -> None:
    await add_model(world, "good", "0.41")
    await add_model(world, "other", "0.44", card={"languages": ["de"]})
    key = add_service(world, minimum="0.43")
    await serve(world, key)
    assert selected(world, key) == "other"
    world.cluster.change(key, spec={"model": {"selector": {**SELECTOR, "language": "zh"}}})
    await world.settle(key)
    assert world.condition(key) == ("False", "NoModelFits")
    assert served(world) == digest_of(world, "other")
    world.cluster.change(key, spec={"model": {"selector": {**SELECTOR, "language": "de"}}})
    await world.settle(key)
    assert selected(world, key) == "other"


async def test_a_wiped_status_comes_back_with_the_model_that_serves(world: World) -> None:
    await add_model(world, "good", "0.41")
    key = add_service(world)
    await serve(world, key)
    await add_model(world, "best", "0.45")
    world.cluster.objects[key].pop("status")
    world.start()
    await world.settle(key)
    assert selected(world, key) == "good"
    assert served(world) == digest_of(world, "good")


async def test_a_selection_at_rest_asks_and_writes_nothing(world: World) -> None:
    await add_model(world, "good", "0.41")
    key = add_service(world, update="Automatic")
    await serve(world, key)
    world.start()
    world.forget_requests()
    await world.settle(key)
    assert (world.cluster.requests, world.store.asked) == ([], [])


TRAINS = {**ORGAN_SYSTEM, "base": {"selector": {"task": "FeatureExtraction", "preference": "Size"}}}


async def test_a_training_run_selects_its_base_once(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    key = world.add("TrainingJob", "organ-system", TRAINS)
    await world.settle(key)
    assert selected(world, key) == "minilm"
    assert (
        '"base": {"digest": "' + digest_of(world, "minilm")
        in world.job()["spec"]["template"]["metadata"]["annotations"]["llmos.dev/config"]
    )
    hashed = world.status(key)["inputsHash"]
    await world.make_ready(world.add("Model", "a-smaller-one", {**MINILM, "onnx": {"maximumTokens": 8}}))
    world.cluster.remove(ObjectKey("Model", "demo", "minilm"))
    world.cluster.objects[key].pop("status")
    world.start()
    await world.settle(key)
    assert selected(world, key) == "minilm"
    assert world.status(key)["inputsHash"] == hashed
    assert len(world.children("Job")) == 1


async def test_a_run_by_selector_has_the_inputs_of_one_by_name(world: World) -> None:
    """Neither name nor selector decides the content; which version it was does."""
    await world.make_ready(world.add("Model", "minilm", MINILM))
    await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    keys = [world.add("TrainingJob", name, spec) for name, spec in (("one", TRAINS), ("two", ORGAN_SYSTEM))]
    for key in keys:
        await world.settle(key)
    assert world.status(keys[0])["inputsHash"] == world.status(keys[1])["inputsHash"]


async def test_the_chain_of_a_run_by_selector_is_walked_to_its_base(world: World) -> None:
    base = await world.make_ready(world.add("Model", "minilm", MINILM))
    knowledge = await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    key = world.add("TrainingJob", "organ-system", TRAINS)
    await world.settle(key)
    world.publish(key, {"base": base, "knowledge/hpo": knowledge})
    world.finish_job()
    world.start()
    world.store.lose(base)
    await world.settle(key)
    assert world.condition(key) == ("False", "ChainBroken")
    assert f"the chain is broken at base ({base})" in world.message(key)

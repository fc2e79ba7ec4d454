"""The versions a Model has had, and going back to one."""

from typing import Any

import pytest
from world import HPO, MINILM, ORGAN_SYSTEM, TRAINED_MODEL, World, digest

from llmos_operator.names import ObjectKey
from llmos_operator.reconcile.history import MOST_VERSIONS, remember_version


def with_tokens(tokens: int, **more: Any) -> dict[str, Any]:
    return {**MINILM, "task": "TextClassification", "onnx": {"maximumTokens": tokens}, **more}


async def next_version(world: World, key: ObjectKey, tokens: int, accuracy: str) -> str:
    world.cluster.change(key, spec=with_tokens(tokens))
    version = world.publish(key, accuracy=accuracy)
    world.clock.advance(60)
    await world.settle(key)
    return version.digest


async def test_the_latest_ten_versions_are_remembered_with_their_headline(world: World) -> None:
    key = world.add("Model", "minilm", with_tokens(8))
    digests = [await next_version(world, key, 8 + number, f"0.{10 + number}") for number in range(MOST_VERSIONS + 2)]
    found = world.status(key)["versions"]
    assert [item["digest"] for item in found] == digests[:1:-1]
    assert found[0] == {"digest": digests[-1], "time": "2026-01-01T12:12:00Z", "metric": "accuracy", "value": "0.21"}


async def test_one_that_comes_back_is_the_first_again_and_stands_once(world: World) -> None:
    key = world.add("Model", "minilm", with_tokens(8))
    first = await next_version(world, key, 8, "0.1")
    second = await next_version(world, key, 9, "0.2")
    await next_version(world, key, 8, "0.1")
    assert [item["digest"] for item in world.status(key)["versions"]] == [first, second]


async def test_the_headline_is_the_metric_a_model_is_judged_by(world: World) -> None:
    key = world.add("Model", "minilm", with_tokens(8))
    measured = {"Float32": {"evaluation": {"macroF1": "0.7", "macroF1Low": "0.6", "accuracy": "0.8"}}}
    world.publish(key, accuracy="0.1", evaluation={"metric": "MacroF1"}, onnx=measured)
    await world.settle(key)
    assert {name: world.status(key)["versions"][0][name] for name in ("metric", "value")} == {"metric": "macroF1", "value": "0.7"}


async def test_the_status_says_what_a_version_was_measured_on_and_how_often_that_was_used(world: World) -> None:
    key = world.add("Model", "minilm", with_tokens(8))
    facts = {"digest": "sha256:" + "d" * 64, "items": 90, "calibrationItems": 10, "uses": 4, "unknownAncestors": 1, "metric": "Accuracy"}
    world.publish(key, accuracy="0.1", evaluation={**facts, "report": "sha256:" + "e" * 64})
    await world.settle(key)
    assert world.status(key)["version"]["evaluation"] == facts


def test_nothing_is_remembered_of_nothing_and_a_memory_is_kept_while_there_is_none(world: World) -> None:
    assert remember_version([], None, "TextClassification", world.clock.now()) is None
    before = [{"digest": "sha256:x", "time": "2026-01-01T00:00:00Z"}]
    assert remember_version(before, None, "TextClassification", world.clock.now()) == before


async def test_an_earlier_version_is_had_again_and_released_again(world: World) -> None:
    key = world.add("Model", "minilm", with_tokens(8))
    old = await next_version(world, key, 8, "0.1")
    new = await next_version(world, key, 9, "0.2")
    world.cluster.change(key, spec=with_tokens(9, version={"pinned": old}))
    await world.settle(key)
    assert world.status(key)["version"]["digest"] == old
    assert "(pinned)" in world.message(key)
    assert world.children("Job") == []
    world.cluster.change(key, spec=with_tokens(9))
    await world.settle(key)
    assert world.status(key)["version"]["digest"] == new
    assert world.children("Job") == []


async def test_a_pin_to_nothing_stalls_and_keeps_the_version(world: World) -> None:
    key = world.add("Model", "minilm", with_tokens(8))
    old = await next_version(world, key, 8, "0.1")
    world.cluster.change(key, spec=with_tokens(8, version={"pinned": digest("nothing")}))
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "DigestNotFound")
    assert "spec.version.pinned" in world.message(key)
    assert world.status(key)["version"]["digest"] == old


async def test_a_pinned_version_of_another_task_is_refused(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    vectors = await world.make_ready(key)
    world.cluster.change(key, spec=with_tokens(8, version={"pinned": vectors}))
    world.cluster.change(key, status={**world.status(key), "version": {}})
    await world.settle(key)
    assert world.condition(key, "Stalled") == ("True", "TaskMismatch")


@pytest.mark.parametrize("is_gone", [True, False])
async def test_a_pin_needs_no_reference_and_keeps_what_the_references_were(world: World, is_gone: bool) -> None:
    base = await world.make_ready(world.add("Model", "minilm", MINILM))
    knowledge = await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    run = world.add("TrainingJob", "organ-system", ORGAN_SYSTEM)
    await world.settle(run)
    trained = world.publish(run, {"base": base, "knowledge/hpo": knowledge}).digest
    world.finish_job()
    await world.settle(run)
    key = world.add("Model", "organ-system", TRAINED_MODEL)
    old = await world.make_ready(key, {"trainingJob": trained})
    hashed = world.status(key)["inputsHash"]
    if is_gone:
        world.cluster.remove(run)
    world.cluster.change(key, spec={**TRAINED_MODEL, "version": {"pinned": old}})
    await world.settle(key)
    assert world.condition(key) == ("True", "Imported")
    assert world.status(key)["inputsHash"] == hashed
    assert [item["digest"] for item in world.status(key)["resolved"]] == [trained]

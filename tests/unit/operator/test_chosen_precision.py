"""An InferenceService that names no precision serves the one its Model's version has chosen; what runs is not rolled for less."""

import json
from typing import Any

from llmos.errors import TransientError
from llmos_operator.names import CONFIG_ANNOTATION, ObjectKey
from tests.unit.operator.world import MINILM, World, digest

UNNAMED = {"model": {"name": "minilm"}}


def served(world: World) -> str:
    deployment = world.cluster.objects[ObjectKey("Deployment", "demo", "phenotype")]
    config = json.loads(deployment["spec"]["template"]["metadata"]["annotations"][CONFIG_ANNOTATION])
    return str(config["model"]["precision"])


MEASURED = {
    "precision": "Float32",
    "precisionReason": "4.00 ms for a short text",
    "onnx": {
        "Float32": {
            "maximumDifference": "0.0000012",
            "batchDifference": "0",
            "batchFlipsPercent": "0",
            "batching": "Joined",
            "batchingReason": "no answer moved",
            "p50MillisecondsBatch1": "4.00",
            "p95MillisecondsBatch1": "4.10",
            "peakMemoryBytes": 123,
            "cpuFeatures": ["AVX2", "AVX512-VNNI"],
            "latencyTokens": 32,
        }
    },
}


async def test_what_the_job_measured_of_each_precision_is_in_the_status_and_the_message(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    world.publish(key, **MEASURED)
    await world.settle(key)
    version = world.status(key)["version"]
    shown = version["onnx"][0]
    assert {name: value for name, value in shown.items() if name not in ("precision", "digest", "sizeBytes")} == {
        name: value
        for name, value in MEASURED["onnx"]["Float32"].items()
        if name != "latencyTokens"  # type: ignore[index]
    }
    assert (version["precision"], version["precisionReason"]) == ("Float32", "4.00 ms for a short text")
    assert "precision" not in version.get("measurements", {})
    assert "Float32 is served where a service names none: 4.00 ms for a short text" in world.message(key)


async def test_how_well_an_export_writes_and_how_fast_is_in_the_status(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    written = {"bitsPerByte": "1.5260", "topTokenAgreement": "0.9100", "tokensPerSecond": "61.2", "firstTokenMilliseconds": "20.1"}
    world.publish(key, bitsPerByte="1.4610", onnx={"Float32": {"maximumDifference": "0.1", "differences": {"1x5": "0.1"}, **written}})
    await world.settle(key)
    version = world.status(key)["version"]
    assert version["onnx"][0]["measurements"] == written
    assert version["measurements"]["bitsPerByte"] == "1.4610", "the original's stays beside it"


async def make_model(world: World, *, version: dict[str, Any] | None = None) -> ObjectKey:
    """Make a Model ready, as its Job would have left it."""
    key = world.add("Model", "minilm", MINILM)
    await world.make_ready(key)
    if version:
        status = world.status(key)
        world.cluster.change(key, status={**status, "version": {**status["version"], **version}})
    return key


async def serve(world: World, spec: dict[str, Any]) -> ObjectKey:
    key = world.add("InferenceService", "phenotype", spec)
    await world.settle(key)
    return key


CHOSEN = {
    "precision": "Int8Dynamic",
    "onnx": [{"precision": "Float32", "digest": digest("a")}, {"precision": "Int8Dynamic", "digest": digest("b")}],
}


async def test_the_version_s_choice_is_served_where_the_service_names_none(world: World) -> None:
    await make_model(world, version=CHOSEN)
    key = await serve(world, UNNAMED)
    assert served(world) == "Int8Dynamic"
    world.roll_out()
    await world.settle(key)
    assert world.status(key)["model"]["precision"] == "Int8Dynamic"


async def test_a_named_precision_is_served_whatever_was_chosen(world: World) -> None:
    await make_model(world, version=CHOSEN)
    await serve(world, {**UNNAMED, "precision": "Float32"})
    assert served(world) == "Float32"


async def test_versions_of_before_chose_nothing_and_meant_float32(world: World) -> None:
    await make_model(world)
    await serve(world, UNNAMED)
    assert served(world) == "Float32"


async def test_a_service_whose_version_nobody_can_be_asked_about_keeps_what_it_serves(world: World) -> None:
    model = await make_model(world, version=CHOSEN)
    pinned = world.status(model)["version"]["digest"]
    key = await serve(world, {"model": {"name": "minilm", "digest": pinned}})
    assert served(world) == "Int8Dynamic"
    world.cluster.objects.pop(model)
    world.store.error = TransientError("away", reason="RegistryUnavailable")
    world.forget_requests()
    await world.settle(key)
    assert served(world) == "Int8Dynamic"

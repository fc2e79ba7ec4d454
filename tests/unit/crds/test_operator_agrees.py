"""The operator and the CRDs mean the same API: every accepted spec parses, defaults agree, and every status fits the schema.

The API server drops status fields that a schema does not know, without a word; here they are an error.
"""

from __future__ import annotations

import copy
from datetime import datetime
from functools import cache
from typing import Any

import jsonschema
import pytest

from llmos_operator.api import parse_spec
from llmos_operator.names import ObjectKey
from tests.unit.crds.crd_samples import Document, accepted, fields_of, load_crds, schema_of
from tests.unit.operator.world import HPO, MINILM, ORGAN_SYSTEM, PHENOTYPE, TRAINED_MODEL, World

CRDS = load_crds()
FORMATS = jsonschema.FormatChecker(formats=())
"""The API server enforces formats, too; jsonschema needs another package for `date-time`."""


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z") is not None


ACCEPTED = accepted()
JOB_BACKED: dict[str, Document] = {"Model": MINILM, "KnowledgeBase": HPO, "TrainingJob": ORGAN_SYSTEM}


@cache
def _status_validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = copy.deepcopy(schema_of(CRDS[kind])["properties"]["status"])
    for field in fields_of(schema):
        if "properties" in field.schema:
            field.schema["additionalProperties"] = False
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)


def _misfits(world: World, key: ObjectKey) -> list[str]:
    assert world.status(key)["conditions"], "the operator has not looked at it"
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in _status_validator(key.kind).iter_errors(world.status(key))
    ]


def _defaulted(schema: Document, value: Any) -> Any:
    """Return the value as the API server stores it."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        filled = {name: copy.deepcopy(field["default"]) for name, field in known.items() if "default" in field} | value
        return {name: _defaulted(known.get(name, {}), child) for name, child in filled.items()}
    if isinstance(value, list):
        return [_defaulted(schema.get("items", {}), child) for child in value]
    return value


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_the_operator_reads_what_the_api_accepts_and_knows_the_same_defaults(document: Document) -> None:
    schema = schema_of(CRDS[document["kind"]])["properties"]["spec"]
    stored = _defaulted(schema, document["spec"])
    from_server, from_user = (parse_spec(document["kind"], spec).to_json() for spec in (stored, document["spec"]))
    # Tolerations go into pods as they stand; with `operator` and without it they mean the same.
    for spec in (from_server, from_user):
        spec["workload"].pop("tolerations")
    assert from_server == from_user


async def _prepare(world: World, kind: str) -> ObjectKey:
    """Add the object, with what it needs made ready before."""
    if kind in {"TrainingJob", "InferenceService"}:
        await world.make_ready(world.add("Model", "minilm", MINILM))
        await world.make_ready(world.add("KnowledgeBase", "hpo", HPO))
    return world.add(kind, "subject", JOB_BACKED.get(kind, PHENOTYPE))


@pytest.mark.parametrize("kind", JOB_BACKED)
async def test_the_status_of_a_job_fits_while_it_runs_fails_and_succeeds(kind: str) -> None:
    world = World()
    key = await _prepare(world, kind)
    await world.settle(key)
    assert _misfits(world, key) == []

    world.fail_job(exit_code=137, message="not JSON")
    await world.settle(key)
    assert world.status(key)["lastFailure"]["exitCode"] == 137
    assert _misfits(world, key) == []

    world.cluster.change(key, metadata={**world.cluster.objects[key]["metadata"], "annotations": {"llmos.dev/requested-at": "now"}})
    await world.settle(key)
    assert _misfits(world, key) == []


@pytest.mark.parametrize("kind", JOB_BACKED)
async def test_the_status_fits_when_nobody_knows_when_or_how_a_job_ended(kind: str) -> None:
    world = World()
    key = await _prepare(world, kind)
    await world.settle(key)
    lost = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
    world.add_pod(world.job(), phase="Failed", containerStatuses=[{"name": "workload", "state": lost}])
    await world.settle(key)
    assert _misfits(world, key) == []
    world.finish_job()
    await world.settle(key)
    assert world.condition(key) == ("False", "JobFailed")
    assert _misfits(world, key) == []


async def test_the_status_of_a_version_fits_with_all_that_was_measured() -> None:
    world = World()
    model = world.add("Model", "minilm", MINILM)
    measured = {"accuracy": "0.406", "accuracyLow": "0.39", "accuracyHigh": "0.42", "calibrationError": "0.02"}
    world.publish(
        model,
        labels=14,
        parameters=22713216,
        accuracy="0.406",
        onnx={"Float32": {"maximumDifference": "0.0000043", "evaluation": measured}},
        evaluation={"digest": "sha256:" + "e" * 64, "items": 1663, "calibrationItems": 839, "metric": "Accuracy"},
        refused=[{"precision": "Int8Dynamic", "reason": "GateFailed", "message": "missed by 0.2"}],
    )
    knowledge = world.add("KnowledgeBase", "hpo", HPO)
    world.publish(knowledge, entities=31714, names=55233, facts=350000, sources=[{"name": "hpo", "version": "2025-01-16"}])
    for key in (model, knowledge):
        await world.settle(key)
        assert _misfits(world, key) == []
    assert world.status(model)["version"]["labels"] == 14
    assert world.status(model)["version"]["onnx"][0]["metricHigh"] == "0.42"
    assert {"refused", "evaluation"} <= world.status(model)["version"].keys()
    assert world.status(knowledge)["snapshot"]["sources"] == [{"name": "hpo", "version": "2025-01-16"}]


async def test_the_status_of_a_service_fits_before_and_while_it_serves() -> None:
    world = World()
    key = await _prepare(world, "InferenceService")
    await world.settle(key)
    assert _misfits(world, key) == []
    world.roll_out("subject")
    await world.settle(key)
    assert world.status(key)["readyReplicas"] == 1
    assert _misfits(world, key) == []


@pytest.mark.parametrize("minimum", ["0.3", "0.5"])
async def test_the_status_of_what_selects_its_model_fits(minimum: str) -> None:
    world = World()
    for name in ("one", "two"):
        package = {**MINILM["source"]["pythonPackage"], "path": name}
        model = world.add("Model", name, {"task": "TextClassification", "source": {"pythonPackage": package}})
        world.publish(model, accuracy="0.406", labelIds=["a"], labels=1, onnx={"Float32": {"p50MillisecondsBatch1": "5.1"}})
        await world.settle(model)
        assert _misfits(world, model) == []
    selector = {"task": "TextClassification", "metric": "accuracy", "minimum": minimum}
    service = world.add("InferenceService", "subject", {"model": {"selector": selector}})
    run = world.add("TrainingJob", "run", {**ORGAN_SYSTEM, "base": {"selector": selector}})
    for key in (service, run):
        await world.settle(key)
        assert _misfits(world, key) == []
        assert world.status(key)["selection"].get("name") == ("one" if minimum == "0.3" else None)


async def test_the_status_of_an_object_that_waits_for_another_fits() -> None:
    world = World()
    key = world.add("Model", "organ-system", TRAINED_MODEL)
    await world.settle(key)
    assert world.condition(key) == ("False", "DependencyNotFound")
    assert _misfits(world, key) == []

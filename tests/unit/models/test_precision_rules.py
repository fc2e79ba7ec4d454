import math
from decimal import Decimal
from typing import Any

import pytest

from llmos.models.config import Precision
from llmos.models.precisions.rules import Choice, choose_precision, decide_batching, difference_bound

BOUND = Decimal("0.001")
FLOAT32 = {"p50MillisecondsBatch1": "10.00", "sizeBytes": 90}
INT8 = {"p50MillisecondsBatch1": "4.00", "sizeBytes": 58}
FLOAT16 = {"p50MillisecondsBatch1": "10.00", "sizeBytes": 45}


@pytest.mark.parametrize(
    ("precision", "largest", "expected"),
    [
        ("Float32", 100.0, 0.001),
        ("Float16", 0.01, 0.001),  # never stricter than Float32
        ("Float16", 8.0, 0.08),
        ("BFloat16", 8.0, 0.4),
        ("Int8Dynamic", 8.0, math.inf),
    ],
)
def test_how_far_a_precision_may_be_from_torch(precision: str, largest: float, expected: float) -> None:
    assert difference_bound(Precision(precision), maximum_difference=BOUND, largest=largest) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("difference", "flips", "is_joined", "words"),
    [
        (0.0, 0.0, True, "no answer moved by more than 0.001, and no label flipped"),
        (0.001, None, True, "no answer moved"),
        (0.0011, 0.0, False, "its answer moved by more than 0.001"),
        (0.0005, 0.03, False, "labels flipped"),
        (math.nan, 0.0, False, "its answer moved"),
    ],
)
def test_requests_are_joined_only_where_answers_stay(difference: float, flips: float | None, is_joined: bool, words: str) -> None:
    found = decide_batching(difference=difference, flips=flips, maximum_difference=BOUND)
    assert (found.is_joined, words in found.reason) == (is_joined, True)


@pytest.mark.parametrize(
    ("measured", "passed", "expected", "words"),
    [
        ({"Float32": FLOAT32}, None, "Float32", "10.00 ms for a short text"),
        ({"Float32": FLOAT32, "Int8Dynamic": INT8}, None, "Float32", "nothing says what a quantized answer is worth"),
        ({"Float32": FLOAT32, "Int8Dynamic": INT8}, ["Float32", "Int8Dynamic"], "Int8Dynamic", "the fastest of Float32, Int8Dynamic"),
        ({"Float32": FLOAT32, "Int8Dynamic": INT8}, ["Float32"], "Float32", "Int8Dynamic did not pass"),
        ({"Int8Dynamic": INT8}, None, "Int8Dynamic", "4.00 ms"),
        ({"Float32": FLOAT32, "Float16": FLOAT16}, None, "Float16", "the fastest of"),  # as fast, and half the size
    ],
)
def test_the_fastest_of_those_that_passed_is_chosen(
    measured: dict[str, dict[str, Any]], passed: list[str] | None, expected: str, words: str
) -> None:
    found = choose_precision(measured, passed=passed)
    assert isinstance(found, Choice)
    assert (str(found.precision), words in found.reason) == (expected, True), found.reason


def test_where_none_passed_none_is_chosen() -> None:
    assert choose_precision({"Float32": FLOAT32}, passed=[]) is None


@pytest.mark.parametrize(
    ("precisions", "expected", "reason"),
    [
        (
            ["Int4", "Float32"],
            "Float32",
            "20.0 tokens a second; spec.evaluation sets no bound, so nothing says what a quantized answer is worth",
        ),
        (["Int4"], "Int4", "20.0 tokens a second"),
    ],
)
def test_of_a_generator_without_a_gate_the_most_exact_is_chosen_however_fast_the_others_are(
    precisions: list[str], expected: str, reason: str
) -> None:
    found = choose_precision({name: {"tokensPerSecond": "20.0", "sizeBytes": 1} for name in precisions})
    assert found == Choice(Precision(expected), reason)

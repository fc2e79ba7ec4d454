"""The gate as a statistic: intervals that hold what they promise, decisions that follow them, and nothing passed on a handful of items."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.errors import ConfigError
from llmos.models import Task
from llmos.models.evaluation.estimates import Estimate, bootstrap, estimate_share, estimate_share_drop, items_to_decide
from llmos.models.evaluation.spec import EvaluationBounds
from llmos.models.evaluation.task_metrics import Accuracy, ClassPredictions, MacroF1, find_metrics
from llmos.models.gate import Failed, GateMeasurements, Passed, Undecided, decide_gate


def spec(**bounds: Any) -> EvaluationBounds:
    return EvaluationBounds.model_validate(bounds)


def estimate(value: float, half: float, count: int = 100) -> Estimate:
    return Estimate(value, value - half, value + half, count, half * count**0.5 / 1.96)


def measured(value: Estimate, drop: Estimate | None = None, **more: Any) -> GateMeasurements:
    return GateMeasurements("Accuracy", value, drop or estimate(0.0, 0.0), more.pop("latency_ms", 1.0), **more)


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [(0.5, 0.6, Passed), (0.49, 0.6, Undecided), (0.4, 0.5, Undecided), (0.4, 0.4999, Failed)],
)
def test_a_minimum_is_passed_by_the_lower_end_and_failed_by_the_upper(low: float, high: float, decision: type) -> None:
    middle = (low + high) / 2
    assert isinstance(decide_gate(measured(Estimate(middle, low, high, 100, 0.5)), spec(minimum="0.5")), decision)


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [(-0.01, 0.01, Passed), (-0.01, 0.0101, Undecided), (0.01, 0.02, Undecided), (0.0101, 0.02, Failed)],
)
def test_a_drop_is_passed_by_the_upper_end_and_failed_by_the_lower(low: float, high: float, decision: type) -> None:
    drop = Estimate((low + high) / 2, low, high, 100, 0.1)
    assert isinstance(decide_gate(measured(estimate(0.9, 0.0), drop), spec(maximumDrop="0.01")), decision)


def test_a_failure_names_every_number_that_missed_and_by_how_much() -> None:
    slices = {"sex": {"F": estimate(0.8, 0.01), "M": estimate(0.5, 0.01)}}
    bounds = {"minimum": "0.9", "maximumLatencyMilliseconds": "2.5", "slices": [{"column": "sex", "minimum": "0.7"}]}
    decision = decide_gate(measured(estimate(0.75, 0.02), slices=slices, latency_ms=4.0), spec(**bounds))
    assert isinstance(decision, Failed)
    assert str(decision) == (
        "Accuracy is 0.7500 (0.7300 to 0.7700) and must be at least 0.9: missed by 0.1500; "
        "Accuracy where sex is 'M' is 0.5000 (0.4900 to 0.5100) and must be at least 0.7: missed by 0.2000; "
        "the latency in milliseconds is 4.00 and must be at most 2.5: missed by 1.50"
    )


def test_a_doubt_says_how_many_items_would_tell() -> None:
    decision = decide_gate(measured(estimate_share(np.arange(100) < 93)), spec(minimum="0.9"))
    assert isinstance(decision, Undecided)
    # (1.96 · √(0.9 · 0.1) + 0.84 · √(0.93 · 0.07))² / 0.03²
    assert decision.items_needed == 716
    assert "about 716 items would" in str(decision)


def test_on_the_bound_no_number_of_items_would_tell() -> None:
    decision = decide_gate(measured(estimate_share(np.arange(10) < 5)), spec(minimum="0.5"))
    assert isinstance(decision, Undecided)
    assert decision.items_needed is None
    assert "no number of items would" in str(decision)


def test_without_bounds_everything_passes_and_a_latency_nobody_measured_does_not() -> None:
    assert isinstance(decide_gate(measured(estimate(0.0, 0.0)), spec()), Passed)
    assert isinstance(decide_gate(measured(estimate(1.0, 0.0), latency_ms=None), spec(maximumLatencyMilliseconds="1")), Failed)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_handful_of_right_answers_passes_nothing(count: int) -> None:
    hits = np.ones(count, dtype=bool)
    drop = estimate_share_drop(hits, hits)
    assert drop.value == 0
    for metric in (Accuracy(), MacroF1()):
        predictions = ClassPredictions(np.arange(count) % 2, np.eye(2, dtype=np.float32)[np.arange(count) % 2])
        value, paired = metric.measure(predictions), metric.measure_drop(predictions, predictions)
        assert isinstance(decide_gate(measured(value, paired), spec(minimum="0.9")), Undecided)
        assert isinstance(decide_gate(measured(value, paired), spec(maximumDrop="0.01")), Undecided)


ORDER = {Failed: 0, Undecided: 1, Passed: 2}
shares = st.integers(0, 200)


@given(shares, shares, st.integers(1, 99))
def test_more_right_answers_never_make_it_worse(one: int, other: int, minimum: int) -> None:
    bounds = spec(minimum=str(Decimal(minimum) / 100))
    decisions = [decide_gate(measured(estimate_share(np.arange(200) < hits)), bounds) for hits in sorted((one, other))]
    assert ORDER[type(decisions[0])] <= ORDER[type(decisions[1])]


@given(shares, st.integers(1, 99), st.integers(1, 99))
def test_a_lower_minimum_never_makes_it_worse(hits: int, one: int, other: int) -> None:
    value = measured(estimate_share(np.arange(200) < hits))
    decisions = [decide_gate(value, spec(minimum=str(Decimal(bound) / 100))) for bound in sorted((one, other), reverse=True)]
    assert ORDER[type(decisions[0])] <= ORDER[type(decisions[1])]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30))
def test_an_item_lost_never_makes_a_drop_look_smaller(lost: int, won: int, bound: int) -> None:
    def drop(lost: int) -> Estimate:
        rows = np.arange(200)
        return estimate_share_drop(rows < 60 + lost if lost else rows < 60, (rows < 60) | ((rows >= 140) & (rows < 140 + won)))

    bounds = spec(maximumDrop=str(Decimal(bound) / 100))
    decisions = [decide_gate(measured(estimate(0.9, 0.0), drop(count)), bounds) for count in (lost + 1, lost)]
    assert ORDER[type(decisions[0])] <= ORDER[type(decisions[1])]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200))
def test_tango_s_interval_holds_its_value_and_mirrors_when_the_sides_are_exchanged(lost: int, won: int, same: int) -> None:
    count = lost + won + same
    if count == 0:
        return
    before = np.arange(count) < lost
    after = (np.arange(count) >= lost) & (np.arange(count) < lost + won)
    one, other = estimate_share_drop(before, after), estimate_share_drop(after, before)
    assert one.low <= one.value <= one.high
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)


def test_where_two_models_never_differ_tango_s_bound_is_the_known_one() -> None:
    hits = np.ones(1000, dtype=bool)
    z2 = 1.959963984540054**2
    assert estimate_share_drop(hits, hits).high == pytest.approx(z2 / (1000 + z2))


@pytest.mark.parametrize(("count", "lost", "won"), [(50, 0.05, 0.02), (200, 0.10, 0.10), (1000, 0.01, 0.002)])
def test_the_interval_of_a_drop_holds_the_truth_in_about_95_of_100_sets(count: int, lost: float, won: float) -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        kind = generator.choice(3, size=count, p=[lost, won, 1 - lost - won])
        found = estimate_share_drop(kind != 1, kind != 0)
        held += found.low <= lost - won <= found.high
    # Three standard errors of 400 draws below 95 %.
    assert held / 400 >= 0.95 - 3 * (0.95 * 0.05 / 400) ** 0.5


def test_the_interval_of_a_share_holds_the_truth_in_about_95_of_100_sets() -> None:
    generator = np.random.default_rng(1)
    for count, share in ((20, 0.9), (100, 0.5), (500, 0.98)):
        found = [estimate_share(generator.random(count) < share) for _ in range(1000)]
        assert sum(item.low <= share <= item.high for item in found) / 1000 >= 0.93


def test_a_bootstrap_is_never_narrower_than_what_its_items_allow() -> None:
    same = bootstrap(lambda _weights: 1.0, 50, effective_count=50)
    assert (same.value, same.low) == (1.0, pytest.approx(50 / (50 + 1.959963984540054**2)))


def test_the_items_asked_for_decide_in_four_sets_of_five() -> None:
    needed = items_to_decide(estimate_share(np.arange(100) < 93), 0.9)
    assert needed is not None
    generator = np.random.default_rng(2)
    passed = [
        isinstance(decide_gate(measured(estimate_share(generator.random(needed) < 0.93)), spec(minimum="0.9")), Passed) for _ in range(500)
    ]
    assert 0.75 < np.mean(passed) < 0.85


def test_a_metric_that_a_task_has_not_is_refused() -> None:
    assert find_metrics(Task.TEXT_CLASSIFICATION, None)[1].name == "Accuracy"
    assert find_metrics(Task.TEXT_CLASSIFICATION, "MacroF1")[1].name == "MacroF1"
    with pytest.raises(ConfigError, match=r"evaluation\.metric is Accuracy, and FeatureExtraction has RetrievalAccuracy"):
        find_metrics(Task.FEATURE_EXTRACTION, "Accuracy")
    with pytest.raises(ConfigError, match=r"metric is Luck, and TextClassification has Accuracy, MacroF1"):
        find_metrics(Task.TEXT_CLASSIFICATION, "Luck")


def test_a_set_is_measured_only_by_metrics_that_it_has_the_answers_for() -> None:
    names = {wanted: [metric.name for metric in find_metrics(Task.TEXT_GENERATION, wanted)[0]] for wanted in (None, "AnswerAccuracy")}
    assert names == {None: ["BitsPerByte"], "AnswerAccuracy": ["AnswerAccuracy"]}

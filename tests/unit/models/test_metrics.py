import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from llmos.models.evaluation.metrics import measure_gain, score, wilson_interval


def draw(count: int, num_labels: int, skill: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, num_labels, count)
    return truth, np.where(generator.random(count) < skill, truth, generator.integers(0, num_labels, count))


def test_accuracy_and_macro_f1_are_scikit_learns() -> None:
    truth, predicted = draw(500, 7, 0.4)
    scores = score(truth, predicted, num_labels=7)
    assert scores.accuracy.value == accuracy_score(truth, predicted)
    assert scores.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_macro_f1_is_over_the_labels_that_occur() -> None:
    truth, predicted = [0, 0, 1, 1], [0, 0, 1, 2]
    expected = f1_score(truth, predicted, average="macro", labels=[0, 1])
    assert score(truth, predicted, num_labels=4).macro_f1.value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("hits", "count", "expected"),
    # Wilson (1927), as computed by hand from the formula.
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (5, 10, (0.2366, 0.7634)), (81, 263, (0.2553, 0.3662))],
)
def test_wilson_s_interval_is_the_known_one(hits: int, count: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(hits, count) == pytest.approx(expected, abs=5e-5)


def test_an_interval_holds_its_value_and_narrows_with_more_items() -> None:
    few, many = (score(*draw(count, 5, 0.5), num_labels=5) for count in (100, 2000))
    for scores in (few, many):
        for interval in (scores.accuracy, scores.macro_f1):
            assert interval.low < interval.value < interval.high
    assert many.macro_f1.high - many.macro_f1.low < few.macro_f1.high - few.macro_f1.low


def test_the_gain_is_paired() -> None:
    truth, good = draw(1000, 5, 0.6, seed=1)
    baseline = draw(1000, 5, 0.0, seed=2)[1]
    gain = measure_gain(truth, good, baseline)
    assert gain.value == pytest.approx(np.mean(truth == good) - np.mean(truth == baseline))
    assert 0 < gain.low < gain.value < gain.high
    same = measure_gain(truth, good, good)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_same_predictions_give_the_same_interval() -> None:
    truth, predicted = draw(200, 5, 0.5)
    assert score(truth, predicted, num_labels=5) == score(truth, predicted, num_labels=5)


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        score([], [], num_labels=2)

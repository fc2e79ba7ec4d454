"""How good a classifier is, with the interval that the number deserves.

    N items, L labels.

Accuracy has Wilson's 95 % interval; macro-F1 and the gain over a baseline have bootstrap intervals, the gain paired on the same items. All
speak about items of the groups that were held out: another draw of groups moves a number further, and no interval here says how far.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Z_95", "Interval", "Scores", "measure_gain", "score", "wilson_interval"]

Z_95: Final = 1.959963984540054
"""Standard normal quantile of 97.5 %."""

_RESAMPLES: Final = 1000
_SEED: Final = 20261123

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scores:
    """What is measured of one set of predictions."""

    accuracy: Interval
    macro_f1: Interval
    """Mean F1 over the labels that occur among the held-out items."""


def score(truth: Any, predicted: Any, *, num_labels: int) -> Scores:
    """Score predictions.

    Args:
        truth: [N] label positions, at least one.
        predicted: [N] label positions.

    Raises: ValueError if there are no items or the lengths differ.
    """
    truth_N, predicted_N = _as_ints(truth, predicted)
    hits = int(np.sum(truth_N == predicted_N))
    return Scores(
        accuracy=Interval(hits / len(truth_N), *wilson_interval(hits, len(truth_N))),
        macro_f1=Interval(
            _macro_f1(truth_N, predicted_N, num_labels),
            *_percentiles([_macro_f1(truth_N[rows], predicted_N[rows], num_labels) for rows in _resamples(len(truth_N))]),
        ),
    )


def measure_gain(truth: Any, predicted: Any, baseline: Any) -> Interval:
    """Return by how much predictions are more accurate than a baseline's on the same items: positive is better."""
    truth_N, predicted_N = _as_ints(truth, predicted)
    gain_N = (predicted_N == truth_N).astype(np.float64) - (_as_ints(truth, baseline)[1] == truth_N)
    return Interval(float(gain_N.mean()), *_percentiles([float(gain_N[rows].mean()) for rows in _resamples(len(gain_N))]))


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"hits must be within 0 and count, and count above 0; found {hits} of {count}")
    share, z2 = hits / count, Z_95 * Z_95
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    # Rounding may leave it a hair outside.
    return max(0.0, middle - half), min(1.0, middle + half)


def _macro_f1(truth_N: Ints, predicted_N: Ints, num_labels: int) -> float:
    occurs_L = np.bincount(truth_N, minlength=num_labels)
    claimed_L = np.bincount(predicted_N, minlength=num_labels)
    hits_L = np.bincount(truth_N[truth_N == predicted_N], minlength=num_labels)
    f1_L = 2 * hits_L / np.maximum(1, occurs_L + claimed_L)
    return float(f1_L[occurs_L > 0].mean())


def _resamples(count: int) -> Any:
    generator = np.random.default_rng(_SEED)
    return (generator.integers(0, count, count) for _ in range(_RESAMPLES))


def _percentiles(values: list[float]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _as_ints(truth: Any, predicted: Any) -> tuple[Ints, Ints]:
    truth_N, predicted_N = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth_N.ndim != 1 or truth_N.shape != predicted_N.shape or not len(truth_N):
        raise ValueError(f"truth and predictions must be equally long lists, not empty; found {truth_N.shape} and {predicted_N.shape}")
    return truth_N, predicted_N

"""How far a classifier's scores can be taken at their word: one temperature, the error that is left, and what answering less would save.

    N items, L labels.

The temperature (Guo et al. 2017) is fitted on the calibration part and judged on the evaluation part. Must not: change which label is best.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from llmos.models.evaluation.estimates import format_decimal
from llmos.models.evaluation.predictions import ClassPredictions

__all__ = ["Calibration", "calibration_error", "fit_temperature", "measure_calibration", "risk_at", "softmax"]

LEAST_ITEMS: Final = 30
"""Of fewer items a temperature says nothing; 1 is kept."""

_BINS: Final = 15
_SHARPEST, _FLATTEST = 20.0, 0.05
"""Bounds of one over the temperature."""

COVERAGES: Final = (20, 40, 60, 80, 100)
"""Percent of the items answered, the surest first."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the scores are worth."""

    temperature: float
    num_items: int
    """It was fitted on; 0 where nothing could be fitted: too few items, or a part on which no sureness at all would be best."""

    accuracy: float | None
    """Share of the calibration part that is right. Far from that of the evaluation part, the two are unlike, and so is what was fitted."""

    error: float
    """Expected calibration error, 15 bins of equal width, at that temperature."""

    error_before: float
    """At temperature 1."""

    risks: Mapping[int, float]
    """Percent answered to share of those that is wrong."""

    @property
    def is_fitted(self) -> bool:
        """Whether there is a temperature to serve with."""
        return self.num_items > 0

    def to_document(self) -> dict[str, Any]:
        """Return it as in the contract: decimals as text."""
        return {
            "temperature": format_decimal(self.temperature),
            "calibrationItems": self.num_items,
            **({} if self.accuracy is None else {"calibrationAccuracy": format_decimal(self.accuracy)}),
            "calibrationError": format_decimal(self.error),
            "calibrationErrorUnscaled": format_decimal(self.error_before),
            "riskAtCoveragePercent": {str(coverage): format_decimal(risk) for coverage, risk in self.risks.items()},
        }


def measure_calibration(fitted_on: ClassPredictions | None, judged_on: ClassPredictions) -> Calibration:
    """Fit on one part and judge on the other."""
    found = fit_temperature(fitted_on) if fitted_on is not None and len(fitted_on.truth_N) >= LEAST_ITEMS else None
    temperature = found or 1.0
    confidence_N = softmax(judged_on.logits_NL / temperature).max(axis=1)
    return Calibration(
        temperature,
        len(fitted_on.truth_N) if fitted_on is not None and found else 0,
        float(fitted_on.hits_N.mean()) if fitted_on is not None and len(fitted_on.truth_N) else None,
        calibration_error(confidence_N, judged_on.hits_N),
        calibration_error(softmax(judged_on.logits_NL).max(axis=1), judged_on.hits_N),
        {coverage: risk_at(coverage, confidence_N, judged_on.hits_N) for coverage in COVERAGES},
    )


def fit_temperature(predictions: ClassPredictions) -> float | None:
    """Return the temperature with the smallest log loss, to three digits; None if it is not between 0.05 and 20.

    It is part of the artifact: more digits would tell two processors apart, and change no answer. Above, the model is no better than
    guessing there; below, it never errs there. Neither says how sure it may be elsewhere.
    """
    logits_NL = predictions.logits_NL.astype(np.float64)
    truth_N = logits_NL[np.arange(len(logits_NL)), predictions.truth_N]

    def slope(sharpness: float) -> float:
        return float((np.sum(softmax(sharpness * logits_NL) * logits_NL, axis=1) - truth_N).mean())

    # The loss is convex in one over the temperature, so its slope has one zero.
    low, high = _FLATTEST, _SHARPEST
    if not slope(low) < 0 < slope(high):
        return None
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return float(f"{2 / (low + high):.3g}")


def calibration_error(confidence_N: NDArray[Any], hits_N: NDArray[Any]) -> float:
    """Return the mean distance between how sure and how often right, over 15 bins weighted by their items."""
    bin_N = np.minimum((confidence_N * _BINS).astype(np.int64), _BINS - 1)
    surplus = np.bincount(bin_N, confidence_N - hits_N, _BINS)
    return float(np.abs(surplus).sum() / len(hits_N))


def risk_at(coverage_percent: int, confidence_N: NDArray[Any], hits_N: NDArray[Any]) -> float:
    """Return the share that is wrong among the surest so many percent of the items, at least one."""
    kept = max(1, round(len(hits_N) * coverage_percent / 100))
    surest = np.argsort(-confidence_N, kind="stable")[:kept]
    return float(1 - np.mean(hits_N[surest]))


def softmax(logits_NL: NDArray[Any]) -> NDArray[np.float64]:
    """Return shares that sum to one in each row."""
    shifted_NL = logits_NL.astype(np.float64) - logits_NL.max(axis=1, keepdims=True)
    powers_NL = np.exp(shifted_NL)
    return np.asarray(powers_NL / powers_NL.sum(axis=1, keepdims=True), dtype=np.float64)

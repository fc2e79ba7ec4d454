"""The metric of each part of a set: for every value of a column, of the items that have it.

Must not: hide a small slice; its interval says how little is known of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from llmos.models.datasets import Example
from llmos.models.evaluation.estimates import Estimate
from llmos.models.evaluation.metric import Metric
from llmos.models.evaluation.predictions import Predictions

__all__ = ["describe_slices", "measure_slices"]

_SHOWN: Final = 8
"""Values of a column in the measurements, the worst first; the report has all."""

Slices = Mapping[str, Mapping[str, Estimate]]
"""Column to value to estimate."""


def measure_slices(examples: Sequence[Example], predictions: Predictions, metric: Metric[Any]) -> Slices:
    """Return the metric by column and value; values sorted."""
    rows: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, example in enumerate(examples):
        for column, value in example.slices.items():
            rows[column][value].append(row)
    return {
        column: {value: metric.measure(predictions.take(np.asarray(values[value]))) for value in sorted(values)}
        for column, values in sorted(rows.items())
    }


def describe_slices(slices: Slices, metric: Metric[Any], *, most: int = _SHOWN) -> dict[str, Any]:
    """Return slices as a document, of each column those that may be worst."""

    def worst(item: tuple[str, Estimate]) -> tuple[float, str]:
        value, estimate = item
        return (-estimate.high if metric.is_lower_better else estimate.low, value)

    return {
        column: [
            {"value": value, "items": estimate.count, **estimate.to_document(metric.key)}
            for value, estimate in sorted(values.items(), key=worst)[:most]
        ]
        for column, values in slices.items()
    }

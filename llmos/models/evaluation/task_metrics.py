"""The metrics of each task.

    N items, L labels.

A new metric is one class, a line of `METRICS` and one of `fit.METRIC_FACTS`; a new task adds how its outputs become predictions. Must not:
run a model.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from llmos.errors import ConfigError
from llmos.models.config import Task
from llmos.models.evaluation.counted_metrics import (
    AnswerAccuracy,
    BitsPerByte,
    MaskedAccuracy,
    RetrievalAccuracy,
    RougeL,
    SpanF1,
    WordErrorRate,
)
from llmos.models.evaluation.estimates import Estimate, Statistic, estimate_share, estimate_share_drop
from llmos.models.evaluation.fit import METRIC_FACTS, TASK_METRICS, choose_metric
from llmos.models.evaluation.metric import Metric
from llmos.models.evaluation.predictions import ClassPredictions

__all__ = ["METRICS", "Accuracy", "ClassPredictions", "MacroF1", "Metric", "find_metrics"]

Ints = NDArray[np.int64]


class Accuracy(Metric[ClassPredictions]):
    """The share of items whose best label is the right one."""

    name, key = "Accuracy", "accuracy"

    def statistic(self, predictions: ClassPredictions) -> Statistic:
        """Return the weighted share."""
        hits_N = predictions.hits_N
        return lambda weights_N: float(weights_N @ hits_N / weights_N.sum())

    def measure(self, predictions: ClassPredictions) -> Estimate:
        """Return it with Wilson's interval."""
        return estimate_share(predictions.hits_N)

    def measure_drop(self, reference: ClassPredictions, predictions: ClassPredictions) -> Estimate:
        """Return it with Tango's interval."""
        return estimate_share_drop(reference.hits_N, predictions.hits_N)


class MacroF1(Metric[ClassPredictions]):
    """The mean F1 of the labels that occur, each label weighing the same however rare it is."""

    name, key = "MacroF1", "macroF1"

    def statistic(self, predictions: ClassPredictions) -> Statistic:
        """Return the weighted mean."""
        truth_N, predicted_N = predictions.truth_N, predictions.predicted_N
        hits_N, num_labels = predictions.hits_N, predictions.logits_NL.shape[1]

        def value(weights_N: Ints) -> float:
            occurs_L = np.bincount(truth_N, weights_N, num_labels)
            claimed_L = np.bincount(predicted_N, weights_N, num_labels)
            right_L = np.bincount(truth_N, weights_N * hits_N, num_labels)
            f1_L = 2 * right_L / np.maximum(1, occurs_L + claimed_L)
            return float(f1_L[occurs_L > 0].mean())

        return value

    def effective_count(self, predictions: ClassPredictions) -> float:
        """Return the number of labels times the harmonic mean of their items: the rare ones decide."""
        counts = np.bincount(predictions.truth_N)
        counts = counts[counts > 0]
        return float(len(counts) ** 2 / np.sum(1 / counts))


_ALL: Final[Mapping[str, Metric[Any]]] = {
    metric.name: metric
    for metric in (
        Accuracy(),
        MacroF1(),
        SpanF1(),
        MaskedAccuracy(),
        RetrievalAccuracy(),
        WordErrorRate(),
        BitsPerByte(),
        AnswerAccuracy(),
        RougeL(),
    )
}

METRICS: Final[Mapping[Task, Sequence[Metric[Any]]]] = {
    Task(task): tuple(_ALL[name] for name in names) for task, names in TASK_METRICS.items()
}
"""Of each task, the one that bounds speak of by default first."""


def find_metrics(task: Task, wanted: str | None) -> tuple[Sequence[Metric[Any]], Metric[Any]]:
    """Return the metrics of a task that one set can be measured by, and the one that bounds speak of.

    Raises: ConfigError (InvalidSpec) if the task has not that one.
    """
    try:
        chosen = _ALL[choose_metric(task, wanted)]
    except ValueError as error:
        raise ConfigError(f"spec.{error}", reason="InvalidSpec") from error
    # A set of questions is no text to expect, and the other way round.
    kind = METRIC_FACTS[chosen.name].label_kind
    return [metric for metric in METRICS[task] if METRIC_FACTS[metric.name].label_kind is kind], chosen

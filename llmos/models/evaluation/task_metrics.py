"""The metrics of each task, each a function of which items count how often, so that one bootstrap serves them all.

    N items, L labels.

A new metric is one class here and one line of `METRICS`; a new task adds how its outputs become predictions. Must not: run a model.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from llmos.errors import ConfigError
from llmos.models.config import Task
from llmos.models.evaluation.estimates import Estimate, Statistic, bootstrap, estimate_share, estimate_share_drop

__all__ = ["METRICS", "Accuracy", "ClassPredictions", "MacroF1", "Metric", "find_metrics"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassPredictions:
    """What a classifier said of N items."""

    truth_N: Ints
    """Positions of labels."""

    logits_NL: NDArray[np.float32]

    @property
    def predicted_N(self) -> Ints:
        """The best label of each item; of equals the first."""
        return np.asarray(self.logits_NL.argmax(axis=1), dtype=np.int64)

    @property
    def hits_N(self) -> NDArray[np.bool_]:
        """Which items are right."""
        return np.asarray(self.predicted_N == self.truth_N, dtype=np.bool_)

    def take(self, rows: NDArray[np.int64]) -> "ClassPredictions":
        """Return those of some items."""
        return ClassPredictions(self.truth_N[rows], self.logits_NL[rows])


class Metric(ABC):
    """One number that says how good predictions are; higher is better."""

    name: str
    """As in `spec.evaluation.metric`."""

    key: str
    """As in measurements."""

    @abstractmethod
    def statistic(self, predictions: ClassPredictions) -> Statistic:
        """Return the metric as a function of how often each item counts."""

    def effective_count(self, predictions: ClassPredictions) -> float:
        """Return how many items of a plain share would tell as much."""
        return float(len(predictions.truth_N))

    def measure(self, predictions: ClassPredictions) -> Estimate:
        """Return the metric with its interval."""
        return bootstrap(self.statistic(predictions), len(predictions.truth_N), effective_count=self.effective_count(predictions))

    def measure_drop(self, reference: ClassPredictions, predictions: ClassPredictions) -> Estimate:
        """Return by how much predictions are worse than a reference's of the same items, paired item by item."""
        before, after = self.statistic(reference), self.statistic(predictions)
        return bootstrap(
            lambda weights_N: before(weights_N) - after(weights_N),
            len(predictions.truth_N),
            effective_count=self.effective_count(predictions),
        )


class Accuracy(Metric):
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


class MacroF1(Metric):
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


METRICS: Final[Mapping[Task, Sequence[Metric]]] = {
    Task.TEXT_CLASSIFICATION: (Accuracy(), MacroF1()),
    Task.SEQUENCE_PAIR: (Accuracy(), MacroF1()),
}
"""Of each task, the one that bounds speak of by default first."""


def find_metrics(task: Task, wanted: str | None) -> tuple[Sequence[Metric], Metric]:
    """Return all metrics of a task, and the one that bounds speak of.

    Raises: ConfigError (InvalidSpec) if the task has none, or not that one.
    """
    metrics = METRICS.get(task, ())
    if not metrics:
        raise ConfigError(
            f"spec.evaluation is given, and {task} is not measured at its task yet; leave it out, or serve one of {', '.join(METRICS)}",
            reason="InvalidSpec",
        )
    chosen = metrics[0] if wanted is None else next((metric for metric in metrics if metric.name == wanted), None)
    if chosen is None:
        raise ConfigError(
            f"spec.evaluation.metric is {wanted}, and {task} has {', '.join(metric.name for metric in metrics)}", reason="InvalidSpec"
        )
    return metrics, chosen

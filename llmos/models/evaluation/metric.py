"""What a metric is: a function of which items count how often, so that one bootstrap serves them all.

    N items.

Must not: run a model.
"""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from llmos.models.evaluation.estimates import Estimate, Statistic, bootstrap
from llmos.models.evaluation.predictions import ClassPredictions, CountedPredictions

__all__ = ["Metric"]

P = TypeVar("P", ClassPredictions, CountedPredictions)


class Metric(ABC, Generic[P]):
    """One number that says how good predictions are."""

    name: str
    """As in `spec.evaluation.metric`."""

    key: str
    """As in measurements."""

    is_lower_better: bool = False

    @abstractmethod
    def statistic(self, predictions: P) -> Statistic:
        """Return the metric as a function of how often each item counts."""

    def effective_count(self, predictions: P) -> float:
        """Return how many items of a plain share would tell as much."""
        return float(predictions.count)

    def scale(self, reference: P) -> float:
        """Return by how much an item that was not seen may move the metric, for each share that such items have of all."""
        return 1.0

    def measure(self, predictions: P) -> Estimate:
        """Return the metric with its interval."""
        return bootstrap(
            self.statistic(predictions),
            predictions.count,
            effective_count=self.effective_count(predictions),
            scale=self.scale(predictions),
        )

    def measure_drop(self, reference: P, predictions: P) -> Estimate:
        """Return by how much predictions are worse than a reference's of the same items, paired item by item."""
        before, after = self.statistic(reference), self.statistic(predictions)
        sign = -1.0 if self.is_lower_better else 1.0
        return bootstrap(
            lambda weights_N: sign * (before(weights_N) - after(weights_N)),
            predictions.count,
            effective_count=self.effective_count(predictions),
            scale=self.scale(reference),
        )

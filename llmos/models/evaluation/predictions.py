"""What a model said of the items of a set, in the two forms that metrics read.

    N items, L labels.

Must not: run a model, or know a metric.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassPredictions", "CountedPredictions", "Predictions"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassPredictions:
    """What a classifier said of N items."""

    truth_N: Ints
    """Positions of labels."""

    logits_NL: NDArray[np.float32]

    @property
    def count(self) -> int:
        """N."""
        return len(self.truth_N)

    @property
    def predicted_N(self) -> Ints:
        """The best label of each item; of equals the first."""
        return np.asarray(self.logits_NL.argmax(axis=1), dtype=np.int64)

    @property
    def hits_N(self) -> NDArray[np.bool_]:
        """Which items are right."""
        return np.asarray(self.predicted_N == self.truth_N, dtype=np.bool_)

    def take(self, rows: Ints) -> "ClassPredictions":
        """Return those of some items."""
        return ClassPredictions(self.truth_N[rows], self.logits_NL[rows])


@dataclass(frozen=True, slots=True)
class CountedPredictions:
    """What was counted in N items: a metric is the sum of one count over the sum of the other."""

    top_N: NDArray[np.float64]
    """Right answers, errors, bits, …"""

    bottom_N: NDArray[np.float64]
    """Answers, words, bytes, …: what they are a part of; 0 where an item has nothing to count."""

    texts: tuple[str, ...] = ()
    """What was answered, in words, for people; empty where that is no text."""

    @property
    def count(self) -> int:
        """N."""
        return len(self.top_N)

    def take(self, rows: Ints) -> "CountedPredictions":
        """Return those of some items."""
        return CountedPredictions(self.top_N[rows], self.bottom_N[rows], tuple(self.texts[row] for row in rows) if self.texts else ())


Predictions = ClassPredictions | CountedPredictions

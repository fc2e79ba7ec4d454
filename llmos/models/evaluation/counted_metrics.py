"""Metrics that are one count over another: each item adds to both, so that long items weigh as much as they hold.

    N items.

Must not: count; whoever runs the model does.
"""

import numpy as np

from llmos.models.evaluation.estimates import Estimate, Statistic, estimate_share, estimate_share_drop
from llmos.models.evaluation.metric import Metric
from llmos.models.evaluation.predictions import CountedPredictions

__all__ = ["AnswerAccuracy", "BitsPerByte", "MaskedAccuracy", "Ratio", "RetrievalAccuracy", "RougeL", "Share", "SpanF1", "WordErrorRate"]


class Ratio(Metric[CountedPredictions]):
    """The sum of one count over the sum of the other."""

    def statistic(self, predictions: CountedPredictions) -> Statistic:
        """Return the ratio of the weighted sums; perfect where there is nothing to count."""
        top_N, bottom_N = predictions.top_N, predictions.bottom_N
        perfect = 0.0 if self.is_lower_better else 1.0

        def value(weights_N: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
            bottom = float(weights_N @ bottom_N)
            return float(weights_N @ top_N) / bottom if bottom > 0 else perfect

        return value

    def effective_count(self, predictions: CountedPredictions) -> float:
        """Return Kish's number: fewer than there are where a few items hold most of what is counted."""
        squares = float(np.sum(predictions.bottom_N**2))
        return float(np.sum(predictions.bottom_N)) ** 2 / squares if squares else float(predictions.count)


class Share(Ratio):
    """The share of items that are right: each counts once."""

    def measure(self, predictions: CountedPredictions) -> Estimate:
        """Return it with Wilson's interval."""
        return estimate_share(predictions.top_N > 0)

    def measure_drop(self, reference: CountedPredictions, predictions: CountedPredictions) -> Estimate:
        """Return it with Tango's interval."""
        return estimate_share_drop(reference.top_N > 0, predictions.top_N > 0)


class SpanF1(Ratio):
    """F1 of spans, all items together: right where first token, last token and label are."""

    name, key = "SpanF1", "spanF1"


class MaskedAccuracy(Ratio):
    """The share of masked tokens that the model fills in as they were."""

    name, key = "MaskedAccuracy", "maskedAccuracy"


class RetrievalAccuracy(Share):
    """The share of texts whose nearest second text is their own."""

    name, key = "RetrievalAccuracy", "retrievalAccuracy"


class WordErrorRate(Ratio):
    """Words that were misheard, missed or added, for each word that was said."""

    name, key, is_lower_better = "WordErrorRate", "wordErrorRate", True


class BitsPerByte(Ratio):
    """Bits that the model needs for each byte of a text: how unexpected it is to it."""

    name, key, is_lower_better = "BitsPerByte", "bitsPerByte", True

    def scale(self, reference: CountedPredictions) -> float:
        """Return the value itself: an item unlike all others is taken to need twice the bits."""
        return self.statistic(reference)(np.ones(reference.count, dtype=np.int64))


class AnswerAccuracy(Share):
    """The share of questions whose answer holds one of the acceptable ones."""

    name, key = "AnswerAccuracy", "answerAccuracy"


class RougeL(Ratio):
    """The mean ROUGE-L of items: F1 of the longest common run of words, with gaps, of the most similar reference."""

    name, key = "RougeL", "rougeL"

"""Noticing labels in a wrong order: a model that errs almost everywhere, and hardly at all once its labels are exchanged.

    L labels.

Weights do not say which column means what; a list beside them does, and a list in another order makes every answer wrong without making
anything fail. Must not: correct it; only whoever trained the model knows.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from llmos.errors import PermanentError
from llmos.models.evaluation.estimates import estimate_share, format_decimal
from llmos.models.evaluation.predictions import ClassPredictions
from llmos.models.labels import Label

__all__ = ["check_label_order"]

_LEAST_ITEMS_A_LABEL: Final = 5
"""Of fewer, some exchange of labels always looks good."""

_LEAST_SHARE: Final = 0.5
"""An exchange must make at least half of all items right, and three times as many as before."""


def check_label_order(predictions: ClassPredictions, labels: Sequence[Label]) -> None:
    """Refuse a model that is right once its labels are exchanged.

    Raises: PermanentError (LabelsPermuted) with both shares and an example.
    """
    count, num_labels = len(predictions.truth_N), len(labels)
    if count < _LEAST_ITEMS_A_LABEL * num_labels or num_labels < 2:
        return
    confusion_LL = np.zeros((num_labels, num_labels), dtype=np.int64)
    np.add.at(confusion_LL, (predictions.predicted_N, predictions.truth_N), 1)
    claimed = np.flatnonzero(confusion_LL.sum(axis=1))
    meant_L = confusion_LL.argmax(axis=1)
    if len(set(meant_L[claimed])) < len(claimed):
        return  # no exchange: two outputs would mean the same label
    is_right_N = meant_L[predictions.predicted_N] == predictions.truth_N
    before, after = estimate_share(predictions.hits_N), estimate_share(is_right_N)
    # One label alone is no order: at least two must have gone elsewhere, each with some items.
    moved = [int(column) for column in claimed if meant_L[column] != column and confusion_LL[column].max() >= _LEAST_ITEMS_A_LABEL]
    if after.low < _LEAST_SHARE or after.low < 3 * before.high or len(moved) < 2:
        return
    raise PermanentError(
        f"the labels stand in another order than the model's outputs: {format_decimal(before.value)} of the evaluation set is right as "
        f"they are, and {format_decimal(after.value)} if they are exchanged (what it calls {labels[moved[0]].id} is "
        f"{labels[int(meant_L[moved[0]])].id}); correct labels.json, or id2label in config.json, beside the weights",
        reason="LabelsPermuted",
    )

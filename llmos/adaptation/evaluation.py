"""Measuring a saved classifier on the held-out side, beside the baseline on the same split.

What is measured is the folder that is pushed, loaded again: merging and saving are inside the number. Must not: be called before the
training is over; nothing is chosen by these numbers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from llmos.adaptation.baseline import predict_with_tfidf
from llmos.adaptation.determinism import deterministic
from llmos.adaptation.split import Split
from llmos.adaptation.training import predict
from llmos.models.config import Task
from llmos.models.evaluation.metrics import Interval, Scores, measure_gain, score
from llmos.models.text_tasks import load_text_network

__all__ = ["evaluate"]


def evaluate(
    folder: Path, split: Split, columns: Mapping[str, int], *, maximum_tokens: int, baseline: Literal["CharacterTfidf", "None"]
) -> dict[str, Any]:
    """Return the measurements of the contract: decimals as text.

    Args:
        folder: the saved classifier.
        columns: label id to output column.
        maximum_tokens: longer texts are cut.
    """
    network = load_text_network(folder, Task.TEXT_CLASSIFICATION)
    texts, truth = [item.text for item in split.held_out], [columns[item.label] for item in split.held_out]
    with deterministic(0):
        predicted = predict(network.model, network.tokenizer, texts, maximum_tokens=maximum_tokens).argmax(axis=1)
    values = _describe(score(truth, predicted, num_labels=len(columns)))
    targets = [columns[item.label] for item in split.train]
    # The commonest label of the training side, everywhere: what knowing nothing gives.
    values["majorityAccuracy"] = _text(float(np.mean(np.asarray(truth) == np.bincount(targets).argmax())))
    if baseline == "CharacterTfidf":
        guessed = predict_with_tfidf([item.text for item in split.train], targets, texts)
        scores = score(truth, guessed, num_labels=len(columns))
        values |= {"baselineAccuracy": _text(scores.accuracy.value), "baselineMacroF1": _text(scores.macro_f1.value)}
        values |= _with_bounds("gain", measure_gain(truth, predicted, guessed))
    return values


def _describe(scores: Scores) -> dict[str, Any]:
    return {**_with_bounds("accuracy", scores.accuracy), **_with_bounds("macroF1", scores.macro_f1)}


def _with_bounds(name: str, interval: Interval) -> dict[str, Any]:
    return {name: _text(interval.value), f"{name}Low": _text(interval.low), f"{name}High": _text(interval.high)}


def _text(value: float) -> str:
    return f"{value:.4f}"

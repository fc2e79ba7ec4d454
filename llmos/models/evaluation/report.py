"""What `llmos eval` reads beside the measurements: every item's answer without its text, and a few wrong ones with it.

A payload of its own that the measurements name, not the provenance: how sure a model is differs in the last digits between processors, and
a version's digest must not. Bounded. Must not: talk to a registry.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from llmos.artifacts import DATASET_FILE, FileLayer, canonical_json
from llmos.models.datasets import Example
from llmos.models.evaluation.answers import ANSWERS_NAME, ERRORS_NAME, SLICES_NAME
from llmos.models.evaluation.calibration import softmax
from llmos.models.evaluation.estimates import format_decimal
from llmos.models.evaluation.measuring import Measured
from llmos.models.evaluation.metric import Metric
from llmos.models.evaluation.predictions import ClassPredictions, CountedPredictions
from llmos.models.evaluation.slicing import describe_slices
from llmos.models.labels import Label

__all__ = ["report_layers", "write_report"]

_MOST_ERRORS: Final = 50
_MOST_CHARACTERS: Final = 300


def write_report(
    folder: Path, *, examples: Sequence[Example], labels: Sequence[Label], metric: Metric[Any], measured: Sequence[Measured]
) -> Path:
    """Write the files of a report into a new folder and return the folder.

    Args:
        examples: the evaluation part, in the order of the predictions.
    """
    folder.mkdir(parents=True)
    columns = {item.precision: _describe_answers(item, labels) for item in measured}
    answers = [
        {
            "item": example.digest,
            **({} if example.label is None else {"label": example.label}),
            "answers": {precision: column[row] for precision, column in columns.items()},
        }
        for row, example in enumerate(examples)
    ]
    errors = [line for item in measured for line in _find_errors(item, examples, labels, is_lower_better=metric.is_lower_better)]
    slices = [
        {"precision": item.precision, "slices": describe_slices(item.slices, metric, most=len(examples))}
        for item in measured
        if item.slices
    ]
    for name, lines in ((ANSWERS_NAME, answers), (ERRORS_NAME, errors), (SLICES_NAME, slices)):
        (folder / name).write_bytes(b"".join(canonical_json(line) + b"\n" for line in lines))
    return folder


def report_layers(folder: Path) -> list[FileLayer]:
    """Return a report's files."""
    return [FileLayer(path=name, source=folder / name, media_type=DATASET_FILE) for name in (ANSWERS_NAME, ERRORS_NAME, SLICES_NAME)]


def _describe_answers(measured: Measured, labels: Sequence[Label]) -> list[list[str]]:
    """Return of each item the label and its score, or the two counts that the metric adds up."""
    predictions = measured.predictions
    if isinstance(predictions, CountedPredictions):
        pairs = zip(predictions.top_N, predictions.bottom_N, strict=True)
        return [[format_decimal(float(top)), format_decimal(float(bottom))] for top, bottom in pairs]
    scores_N = _scores(measured, predictions)
    return [[labels[column].id, format_decimal(float(score))] for column, score in zip(predictions.predicted_N, scores_N, strict=True)]


def _scores(measured: Measured, predictions: ClassPredictions) -> Any:
    temperature = measured.calibration.temperature if measured.calibration else 1.0
    return softmax(predictions.logits_NL / temperature).max(axis=1)


def _find_errors(
    measured: Measured, examples: Sequence[Example], labels: Sequence[Label], *, is_lower_better: bool
) -> list[dict[str, Any]]:
    """Return the surest errors, or the items that fared worst."""
    predictions = measured.predictions
    if isinstance(predictions, CountedPredictions):
        return _find_worst(measured.precision, predictions, examples, is_lower_better=is_lower_better)
    scores_N, predicted_N = _scores(measured, predictions), predictions.predicted_N
    wrong = [int(row) for row in np.argsort(-scores_N, kind="stable") if not predictions.hits_N[row]]
    return [
        {
            **_describe_item(measured.precision, examples[row]),
            "label": examples[row].label,
            "answer": labels[predicted_N[row]].id,
            "score": format_decimal(float(scores_N[row])),
        }
        for row in wrong[:_MOST_ERRORS]
    ]


def _find_worst(
    precision: str, predictions: CountedPredictions, examples: Sequence[Example], *, is_lower_better: bool
) -> list[dict[str, Any]]:
    counted_N = predictions.bottom_N > 0
    value_N = np.divide(predictions.top_N, predictions.bottom_N, out=np.zeros(predictions.count), where=counted_N)
    perfect = 0.0 if is_lower_better else 1.0
    order = np.argsort(-value_N if is_lower_better else value_N, kind="stable")
    wrong = [int(row) for row in order if counted_N[row] and value_N[row] != perfect]
    return [
        {
            **_describe_item(precision, examples[row]),
            "label": _describe_right(examples[row])[:_MOST_CHARACTERS],
            "answer": predictions.texts[row][:_MOST_CHARACTERS] if predictions.texts else "",
            "score": format_decimal(float(value_N[row])),
        }
        for row in wrong[:_MOST_ERRORS]
    ]


def _describe_item(precision: str, example: Example) -> dict[str, Any]:
    second = {} if example.second_text is None else {"secondText": example.second_text[:_MOST_CHARACTERS]}
    return {"precision": precision, "text": example.text[:_MOST_CHARACTERS], **second}


def _describe_right(example: Example) -> str:
    """Return what would have been right, in words; empty where the text itself says it."""
    return " ".join(example.tags) if example.tags else example.answers[0] if example.answers else example.second_text or ""

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
from llmos.models.evaluation.slicing import describe_slices
from llmos.models.evaluation.task_metrics import Metric
from llmos.models.labels import Label

__all__ = ["report_layers", "write_report"]

_MOST_ERRORS: Final = 50
_MOST_CHARACTERS: Final = 300


def write_report(
    folder: Path, *, examples: Sequence[Example], labels: Sequence[Label], metric: Metric, measured: Sequence[Measured]
) -> Path:
    """Write the files of a report into a new folder and return the folder.

    Args:
        examples: the evaluation part, in the order of the predictions.
    """
    folder.mkdir(parents=True)
    scores = {item.precision: softmax(item.predictions.logits_NL / item.calibration.temperature).max(axis=1) for item in measured}
    answers = []
    for row, example in enumerate(examples):
        said = {
            item.precision: [labels[item.predictions.predicted_N[row]].id, format_decimal(float(scores[item.precision][row]))]
            for item in measured
        }
        answers.append({"item": example.digest, "label": example.label, "answers": said})
    errors = [line for item in measured for line in _find_errors(item, examples, labels, scores[item.precision])]
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


def _find_errors(measured: Measured, examples: Sequence[Example], labels: Sequence[Label], scores_N: Any) -> list[dict[str, Any]]:
    predicted_N = measured.predictions.predicted_N
    wrong = [int(row) for row in np.argsort(-scores_N, kind="stable") if not measured.predictions.hits_N[row]]
    return [
        {
            "precision": measured.precision,
            "text": examples[row].text[:_MOST_CHARACTERS],
            **({} if examples[row].second_text is None else {"secondText": str(examples[row].second_text)[:_MOST_CHARACTERS]}),
            "label": examples[row].label,
            "answer": labels[predicted_N[row]].id,
            "score": format_decimal(float(scores_N[row])),
        }
        for row in wrong[:_MOST_ERRORS]
    ]

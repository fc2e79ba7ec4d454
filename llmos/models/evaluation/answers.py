"""Reading an evaluation report, and what follows from every item's answer: confusion, scores of labels, one model against another.

    N items, L labels.

Needs neither torch nor a model. Must not: talk to a registry.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from llmos.errors import PermanentError
from llmos.models.evaluation.estimates import Estimate
from llmos.models.evaluation.task_metrics import ClassPredictions, Metric

__all__ = [
    "ANSWERS_NAME",
    "ERRORS_NAME",
    "SLICES_NAME",
    "Answer",
    "Comparison",
    "LabelScore",
    "Report",
    "compare_answers",
    "count_confusion",
    "read_report",
    "score_labels",
]

ANSWERS_NAME: Final = "answers.jsonl"
"""A line for each item: `{"item": digest, "label": id, "answers": {precision: [id, score]}}`."""

ERRORS_NAME: Final = "errors.jsonl"
"""A line for each sample: `{"precision", "text", "label", "answer", "score"}`, the surest errors first."""

SLICES_NAME: Final = "slices.jsonl"
"""A line for each precision: `{"precision", "slices": {column: [{"value", "items", …}]}}`, all values, the worst first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One item and what each precision said of it."""

    item: str
    """The item's digest."""

    label: str
    """Id of the right label."""

    given: Mapping[str, str]
    """Precision to id of the label it gave."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that one version's evaluation left behind."""

    answers: tuple[Answer, ...]
    errors: tuple[Mapping[str, Any], ...] = ()
    slices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How one label fares."""

    id: str
    items: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same items."""

    items: int
    first: Estimate
    second: Estimate
    gain: Estimate
    """Of the first over the second: positive is better."""

    only_first: int
    """Items that only the first has right."""

    only_second: int


def read_report(folder: Path) -> Report:
    """Read the files of a report; raises PermanentError (ChainBroken) if they are anything else."""
    try:
        answers = [
            Answer(str(row["item"]), str(row["label"]), {name: str(given[0]) for name, given in row["answers"].items()})
            for row in _lines(folder / ANSWERS_NAME)
        ]
        slices = {str(row["precision"]): row["slices"] for row in _lines(folder / SLICES_NAME)}
        return Report(tuple(answers), tuple(_lines(folder / ERRORS_NAME)), slices)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise PermanentError(f"the evaluation report cannot be read: {error!r}", reason="ChainBroken") from error


def count_confusion(answers: Sequence[Answer], precision: str) -> Counter[tuple[str, str]]:
    """Return how often each right label was given which label."""
    return Counter((answer.label, answer.given[precision]) for answer in answers)


def score_labels(confusion: Mapping[tuple[str, str], int]) -> list[LabelScore]:
    """Return the scores of the labels that occur, the worst F1 first."""
    occurs: Counter[str] = Counter()
    claimed: Counter[str] = Counter()
    for (label, given), count in confusion.items():
        occurs[label] += count
        claimed[given] += count
    scores = []
    for label, items in occurs.items():
        right = confusion.get((label, label), 0)
        scores.append(
            LabelScore(label, items, right / items, right / claimed[label] if claimed[label] else 0.0, 2 * right / (items + claimed[label]))
        )
    return sorted(scores, key=lambda score: (score.f1, score.id))


def compare_answers(first: Report, first_precision: str, second: Report, second_precision: str, metric: Metric) -> Comparison:
    """Compare two versions on the items that both answered.

    Raises: ValueError if there is no such item.
    """
    others = {answer.item: answer for answer in second.answers}
    pairs = [(answer, others[answer.item]) for answer in first.answers if answer.item in others]
    if not pairs:
        raise ValueError("the two were measured on sets that share no item, so nothing can be said of one against the other")
    ids = sorted({label for pair in pairs for label in (pair[0].label, pair[0].given[first_precision], pair[1].given[second_precision])})
    one = _to_predictions([pair[0] for pair in pairs], first_precision, ids)
    other = _to_predictions([pair[1] for pair in pairs], second_precision, ids)
    return Comparison(
        items=len(pairs),
        first=metric.measure(one),
        second=metric.measure(other),
        gain=metric.measure_drop(one, other),
        only_first=int(np.sum(one.hits_N & ~other.hits_N)),
        only_second=int(np.sum(~one.hits_N & other.hits_N)),
    )


def _to_predictions(answers: Sequence[Answer], precision: str, ids: Sequence[str]) -> ClassPredictions:
    columns = {id: column for column, id in enumerate(ids)}
    given_N = np.asarray([columns[answer.given[precision]] for answer in answers], dtype=np.int64)
    truth_N = np.asarray([columns[answer.label] for answer in answers], dtype=np.int64)
    return ClassPredictions(truth_N, np.eye(len(ids), dtype=np.float32)[given_N])


def _lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]

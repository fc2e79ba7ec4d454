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
from llmos.models.evaluation.metric import Metric
from llmos.models.evaluation.predictions import ClassPredictions, CountedPredictions, Predictions

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
"""A line for each item: `{"item": digest, "label": id, "answers": {precision: [id, score]}}`; without `label`, an answer is the two counts
that the metric adds up, such as errors and words."""

ERRORS_NAME: Final = "errors.jsonl"
"""A line for each sample: `{"precision", "text", "label", "answer", "score"}`, the surest errors first; where answers are counted, the
worst items, and `score` is the item's own metric."""

SLICES_NAME: Final = "slices.jsonl"
"""A line for each precision: `{"precision", "slices": {column: [{"value", "items", …}]}}`, all values, the worst first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One item and what each precision said of it."""

    item: str
    """The item's digest."""

    label: str = ""
    """Id of the right label; empty where answers are counted."""

    given: Mapping[str, str] = field(default_factory=dict)
    """Precision to id of the label it gave."""

    counts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Precision to what the metric adds up: its two counts of this item."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that one version's evaluation left behind."""

    answers: tuple[Answer, ...]
    """All of labels, or all counted."""

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
    """Items that only the first has right; where answers are counted, that it has better."""

    only_second: int


def read_report(folder: Path) -> Report:
    """Read the files of a report; raises PermanentError (ChainBroken) if they are anything else."""
    try:
        answers = [_parse_answer(row) for row in _lines(folder / ANSWERS_NAME)]
        slices = {str(row["precision"]): row["slices"] for row in _lines(folder / SLICES_NAME)}
        return Report(tuple(answers), tuple(_lines(folder / ERRORS_NAME)), slices)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise PermanentError(f"the evaluation report cannot be read: {error!r}", reason="ChainBroken") from error


def _parse_answer(row: Mapping[str, Any]) -> Answer:
    if "label" in row:
        return Answer(str(row["item"]), str(row["label"]), {name: str(given[0]) for name, given in row["answers"].items()})
    counts = {str(name): (float(given[0]), float(given[1])) for name, given in row["answers"].items()}
    return Answer(str(row["item"]), counts=counts)


def count_confusion(answers: Sequence[Answer], precision: str) -> Counter[tuple[str, str]]:
    """Return how often each right label was given which label; nothing where answers are counted."""
    return Counter((answer.label, answer.given[precision]) for answer in answers if answer.given)


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


def compare_answers(first: Report, first_precision: str, second: Report, second_precision: str, metric: Metric[Any]) -> Comparison:
    """Compare two versions on the items that both answered.

    Raises: ValueError if there is no such item.
    """
    others = {answer.item: answer for answer in second.answers}
    pairs = [(answer, others[answer.item]) for answer in first.answers if answer.item in others]
    if not pairs:
        raise ValueError("the two were measured on sets that share no item, so nothing can be said of one against the other")
    ids = sorted({label for one, other in pairs for label in (one.label, *one.given.values(), *other.given.values())})
    one = _to_predictions([pair[0] for pair in pairs], first_precision, ids)
    other = _to_predictions([pair[1] for pair in pairs], second_precision, ids)
    better_N = _goodness(one, metric) - _goodness(other, metric)
    return Comparison(
        items=len(pairs),
        first=metric.measure(one),
        second=metric.measure(other),
        gain=metric.measure_drop(one, other),
        only_first=int(np.sum(better_N > 0)),
        only_second=int(np.sum(better_N < 0)),
    )


def _goodness(predictions: Predictions, metric: Metric[Any]) -> Any:
    """Return how good each answer is by itself: 1 and 0 where it is right or wrong."""
    if isinstance(predictions, ClassPredictions):
        return predictions.hits_N.astype(np.float64)
    share_N = predictions.top_N / np.maximum(predictions.bottom_N, 1e-9)
    return -share_N if metric.is_lower_better else share_N


def _to_predictions(answers: Sequence[Answer], precision: str, ids: Sequence[str]) -> Predictions:
    if not answers[0].given:
        counts = np.asarray([answer.counts[precision] for answer in answers], dtype=np.float64)
        return CountedPredictions(counts[:, 0], counts[:, 1])
    columns = {id: column for column, id in enumerate(ids)}
    given_N = np.asarray([columns[answer.given[precision]] for answer in answers], dtype=np.int64)
    truth_N = np.asarray([columns[answer.label] for answer in answers], dtype=np.int64)
    return ClassPredictions(truth_N, np.eye(len(ids), dtype=np.float32)[given_N])


def _lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]

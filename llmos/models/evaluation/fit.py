"""Which metrics a task has, and whether an evaluation asks for what its task can be asked. The CRD's rules say the same.

Must not: import NumPy, or compute a metric; `task_metrics` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.models.datasets.examples import LabelKind
from llmos.models.evaluation.spec import EvaluationSpec

__all__ = ["METRIC_FACTS", "TASK_METRICS", "MetricFacts", "check_fit", "choose_metric"]


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """What a set must hold for a metric, and which way is up."""

    label_kind: LabelKind
    is_lower_better: bool = False
    takes_facts: bool = False


METRIC_FACTS: Final[Mapping[str, MetricFacts]] = {
    "Accuracy": MetricFacts(LabelKind.ID),
    "MacroF1": MetricFacts(LabelKind.ID),
    "SpanF1": MetricFacts(LabelKind.TAGS),
    "MaskedAccuracy": MetricFacts(LabelKind.NONE),
    "RetrievalAccuracy": MetricFacts(LabelKind.NONE),
    "WordErrorRate": MetricFacts(LabelKind.TEXTS, is_lower_better=True),
    "BitsPerByte": MetricFacts(LabelKind.NONE, is_lower_better=True),
    "AnswerAccuracy": MetricFacts(LabelKind.TEXTS, takes_facts=True),
    "RougeL": MetricFacts(LabelKind.TEXTS),
}

_LABELLED: Final = ("Accuracy", "MacroF1")
TASK_METRICS: Final[Mapping[str, Sequence[str]]] = {
    "TextClassification": _LABELLED,
    "SequencePair": _LABELLED,
    "ImageClassification": _LABELLED,
    "AudioClassification": _LABELLED,
    "TokenClassification": ("SpanF1",),
    "MaskedLM": ("MaskedAccuracy",),
    "FeatureExtraction": ("RetrievalAccuracy",),
    "SpeechRecognition": ("WordErrorRate",),
    "TextGeneration": ("BitsPerByte", "AnswerAccuracy"),
    "Summarization": ("RougeL", "BitsPerByte"),
}
"""Of each task, the one that bounds speak of by default first."""

_OF_FILES: Final = ("ImageClassification", "AudioClassification", "SpeechRecognition")


def choose_metric(task: str, wanted: str | None) -> str:
    """Return the metric that bounds speak of; ValueError if the task has not that one."""
    known = TASK_METRICS[task]
    if wanted is not None and wanted not in known:
        raise ValueError(f"evaluation.metric is {wanted}, and {task} has {', '.join(known)}")
    return wanted or known[0]


def check_fit(task: str, evaluation: EvaluationSpec) -> None:
    """Refuse an evaluation that its task cannot be asked; raises ValueError."""
    metric = choose_metric(task, evaluation.metric)
    facts = METRIC_FACTS[metric]
    _check_bounds(metric, facts, evaluation)
    file = evaluation.dataset.file
    if file is None:
        if facts.label_kind is not LabelKind.ID or task in _OF_FILES:
            raise ValueError(f"must not set evaluation.dataset.trainingJob with task {task}: what a TrainingJob holds out has labels' ids")
        return
    if (file.media is not None) != (task in _OF_FILES):
        raise ValueError(f"must set evaluation.dataset.file.media with task {', '.join(_OF_FILES)}, and only then")
    if file.facts_column is not None and not facts.takes_facts:
        raise ValueError("must set evaluation.dataset.file.factsColumn only with metric AnswerAccuracy")
    if file.language is not None and task != "SpeechRecognition":
        raise ValueError("must set evaluation.dataset.file.language only with task SpeechRecognition")
    if task == "FeatureExtraction" and file.second_text_column is None:
        raise ValueError(
            "must set evaluation.dataset.file.secondTextColumn with task FeatureExtraction: the text that belongs to the first one"
        )


def _check_bounds(metric: str, facts: MetricFacts, evaluation: EvaluationSpec) -> None:
    bounds = [("evaluation", evaluation.minimum, evaluation.maximum)]
    bounds += [(f"the bound of evaluation.slices on {bound.column!r}", bound.minimum, bound.maximum) for bound in evaluation.slices]
    for where, minimum, maximum in bounds:
        if facts.is_lower_better and minimum is not None:
            raise ValueError(f"must set maximum and not minimum in {where}: {metric} is better the lower it is")
        if not facts.is_lower_better and maximum is not None:
            raise ValueError(f"must set minimum and not maximum in {where}: {metric} is better the higher it is")

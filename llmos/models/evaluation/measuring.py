"""Measuring the precisions of one model on one evaluation set, beside the model in torch and Float32 on the same items.

    N items, L labels.

One object for one import: the original answers once, and each export is held against that. Must not: push, or raise for a model that is not
good enough; the caller reads the decision.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llmos.models.config import Task
from llmos.models.datasets import Example
from llmos.models.evaluation.answering import Answering
from llmos.models.evaluation.calibration import Calibration, measure_calibration
from llmos.models.evaluation.permuted import check_label_order
from llmos.models.evaluation.predictions import ClassPredictions, Predictions
from llmos.models.evaluation.prepare import EvaluationSet
from llmos.models.evaluation.slicing import Slices, describe_slices, measure_slices
from llmos.models.evaluation.task_metrics import find_metrics
from llmos.models.gate import Decision, GateMeasurements, Passed, decide_gate
from llmos.models.labels import Label

__all__ = ["Evaluator", "Measured", "Progress"]

Progress = Callable[[str, int, str], None]
"""Called with the phase, its percent, and a message."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one precision came to."""

    precision: str
    predictions: Predictions
    slices: Slices
    calibration: Calibration | None
    """None where an answer has no score to be sure by."""

    decision: Decision
    document: dict[str, Any]
    """As in the contract: decimals as text."""

    @property
    def has_passed(self) -> bool:
        """Whether every bound is cleared."""
        return isinstance(self.decision, Passed)


class Evaluator:
    """Measures exports on an evaluation set."""

    def __init__(
        self,
        evaluated: EvaluationSet,
        *,
        task: Task,
        source: Answering,
        labels: Sequence[Label] = (),
        on_progress: Progress = lambda _phase, _percent, _message: None,
    ) -> None:
        """Let the original answer.

        Args:
            source: asks the original, in torch and Float32.
            labels: of the model, in the order of the output's columns.

        Raises: ConfigError (InvalidSpec) if the task has not that metric; PermanentError (LabelsPermuted).
        """
        self.metrics, self.metric = find_metrics(task, evaluated.bounds.metric)
        self.evaluated = evaluated
        self._on_progress = on_progress
        self.source = self._ask("the original", [evaluated.parts.evaluation], source)[0]
        if isinstance(self.source, ClassPredictions):
            check_label_order(self.source, labels)

    def describe_source(self) -> dict[str, Any]:
        """Return what the original came to, and on what."""
        values = {key: value for metric in self.metrics for key, value in metric.measure(self.source).to_document(metric.key).items()}
        return {**self.evaluated.describe(), "metric": self.metric.name, "source": values}

    def measure(self, precision: str, answering: Answering, *, latency: Callable[[], float | None]) -> Measured:
        """Measure one export.

        Args:
            answering: asks the export.
            latency: asked afterwards for the milliseconds of one item alone, 95th percentile.
        """
        predictions, calibration = self._answer(precision, answering)
        slices = measure_slices(self.evaluated.parts.evaluation, predictions, self.metric)
        values = {metric.name: metric.measure(predictions) for metric in self.metrics}
        drop = self.metric.measure_drop(self.source, predictions)
        found = GateMeasurements(self.metric.name, values[self.metric.name], drop, latency(), slices)
        decision = decide_gate(found, self.evaluated.bounds)
        document: dict[str, Any] = {
            key: value for metric in self.metrics for key, value in values[metric.name].to_document(metric.key).items()
        }
        document |= drop.to_document(f"{self.metric.key}Drop")
        document |= calibration.to_document() if calibration else {}
        document |= {"slices": describe_slices(slices, self.metric)} if slices else {}
        document |= {"gate": type(decision).__name__}
        return Measured(precision, predictions, slices, calibration, decision, document)

    def _answer(self, precision: str, answering: Answering) -> tuple[Predictions, Calibration | None]:
        """Return the answers, and where an answer has a score, what that is worth."""
        parts = self.evaluated.parts
        if not isinstance(self.source, ClassPredictions):
            return self._ask(precision, [parts.evaluation], answering)[0], None
        fitted_on, predictions = self._ask(precision, [parts.calibration, parts.evaluation], answering)
        assert isinstance(fitted_on, ClassPredictions)
        assert isinstance(predictions, ClassPredictions)
        return predictions, measure_calibration(fitted_on if fitted_on.count else None, predictions)

    def _ask(self, name: str, parts: Sequence[Sequence[Example]], answering: Answering) -> list[Predictions]:
        total = sum(len(part) for part in parts)
        before = 0
        found = []
        for part in parts:

            def tell(done: int, all_: int, before: int = before, size: int = len(part)) -> None:
                items = before + (size * done // all_ if all_ else size)
                self._on_progress("Evaluate", 100 * items // total, f"{name}: {items:,} of {total:,} items")

            found.append(answering(part, tell))
            before += len(part)
        return found

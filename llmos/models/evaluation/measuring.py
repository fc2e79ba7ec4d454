"""Measuring the precisions of one model on one evaluation set, beside the model in torch and Float32 on the same items.

    N items, L labels.

One object for one import: texts are encoded once, torch answers once, and each export is held against that. Must not: push, or raise for a
model that is not good enough; the caller reads the decision.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmos.models.config import Task
from llmos.models.datasets import Example
from llmos.models.evaluation.calibration import Calibration, measure_calibration
from llmos.models.evaluation.permuted import check_label_order
from llmos.models.evaluation.predicting import Run, encode_texts, predict
from llmos.models.evaluation.prepare import EvaluationSet
from llmos.models.evaluation.slicing import Slices, describe_slices, measure_slices
from llmos.models.evaluation.task_metrics import ClassPredictions, find_metrics
from llmos.models.gate import Decision, GateMeasurements, Passed, decide_gate
from llmos.models.labels import Label
from llmos.models.tensors import Inputs

__all__ = ["Evaluator", "Measured"]

Progress = Callable[[str, int, str], None]
"""Called with the phase, its percent, and a message."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one precision came to."""

    precision: str
    predictions: ClassPredictions
    slices: Slices
    calibration: Calibration
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
        labels: Sequence[Label],
        tokenizer_file: Path,
        input_names: Sequence[str],
        run_source: Run,
        on_progress: Progress = lambda _phase, _percent, _message: None,
    ) -> None:
        """Let the original answer.

        Args:
            labels: of the model, in the order of the output's columns.
            tokenizer_file: as it is served.
            input_names: of the network.
            run_source: the original, in torch and Float32.

        Raises: ConfigError (InvalidSpec) if the task has not that metric; PermanentError (LabelsPermuted).
        """
        self.metrics, self.metric = find_metrics(task, evaluated.bounds.metric)
        self.evaluated = evaluated
        self._on_progress = on_progress
        self._columns = {label.id: column for column, label in enumerate(labels)}
        parts = evaluated.parts
        self._parts = [(part, encode_texts(part, tokenizer_file, input_names)) for part in (parts.calibration, parts.evaluation)]
        self.source = self._predict("the original", self._parts[1:], run_source, is_batched=True)[0]
        check_label_order(self.source, labels)

    def describe_source(self) -> dict[str, Any]:
        """Return what the original came to, and on what."""
        values = {key: value for metric in self.metrics for key, value in metric.measure(self.source).to_document(metric.key).items()}
        return {**self.evaluated.describe(), "metric": self.metric.name, "source": values}

    def measure(self, precision: str, run: Run, *, is_batched: bool, latency_ms: float | None) -> Measured:
        """Measure one export.

        Args:
            run: the export.
            is_batched: whether it is served in batches.
            latency_ms: of one item alone, 95th percentile.
        """
        fitted_on, predictions = self._predict(precision, self._parts, run, is_batched=is_batched)
        calibration = measure_calibration(fitted_on if len(fitted_on.truth_N) else None, predictions)
        slices = measure_slices(self.evaluated.parts.evaluation, predictions, self.metric)
        values = {metric.name: metric.measure(predictions) for metric in self.metrics}
        drop = self.metric.measure_drop(self.source, predictions)
        found = GateMeasurements(self.metric.name, values[self.metric.name], drop, latency_ms, slices)
        decision = decide_gate(found, self.evaluated.bounds)
        document: dict[str, Any] = {
            key: value for metric in self.metrics for key, value in values[metric.name].to_document(metric.key).items()
        }
        document |= drop.to_document(f"{self.metric.key}Drop")
        document |= calibration.to_document()
        document |= {"slices": describe_slices(slices, self.metric)} if slices else {}
        document |= {"gate": type(decision).__name__}
        return Measured(precision, predictions, slices, calibration, decision, document)

    def _predict(
        self, name: str, parts: Sequence[tuple[Sequence[Example], list[Inputs]]], run: Run, *, is_batched: bool
    ) -> list[ClassPredictions]:
        total = sum(len(rows) for _, rows in parts)
        before = 0
        found = []
        for examples, rows in parts:

            def tell(done: int, _total: int, before: int = before) -> None:
                self._on_progress("Evaluate", 100 * (before + done) // total, f"{name}: {before + done:,} of {total:,} items")

            outputs = predict(run, rows, is_batched=is_batched, on_progress=tell)
            truth_N = np.asarray([self._columns[label] for example in examples for label in example.labels], dtype=np.int64)
            logits_NL = np.stack(outputs).astype(np.float32) if outputs else np.zeros((0, len(self._columns)), dtype=np.float32)
            found.append(ClassPredictions(truth_N, logits_NL))
            before += len(rows)
        return found

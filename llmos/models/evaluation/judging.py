"""The gate inside an import: each export is measured and judged before it is pushed, and what fell short is remembered with its number.

Must not: decide by itself; `gate` does. What is refused here is in no version, so nothing can serve it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmos.artifacts import DATASET_ARTIFACT, DATASET_CONFIG, Registry, Repository
from llmos.errors import PermanentError
from llmos.models.config import Task
from llmos.models.evaluation.answering import Answering, Exams
from llmos.models.evaluation.exams.exam import Asked
from llmos.models.evaluation.measuring import Evaluator, Measured, Progress
from llmos.models.evaluation.prepare import EvaluationSet
from llmos.models.evaluation.report import report_layers, write_report
from llmos.models.gate import Failed, Passed, Undecided
from llmos.models.labels import Label
from llmos.models.measure.comparison import run_torch
from llmos.models.measure.session import open_session
from llmos.models.network import Network
from llmos.models.tensors import Inputs

__all__ = ["Judge", "NetworkJudge"]

_LATENCIES = ("p95MillisecondsBatch1", "p50MillisecondsBatch1")
"""Measurements that may say how long one item takes, the better first."""


class Judge:
    """Judges the exports of one model, however they are asked."""

    def __init__(self, evaluator: Evaluator, *, labels: Sequence[Label], scratch: Path) -> None:
        """Args: scratch: a folder for the report."""
        self._evaluator = evaluator
        self._labels = labels
        self._scratch = scratch
        self._measured: list[Measured] = []

    def hold(self, precision: str, answering: Answering, *, latency: Callable[[], float | None]) -> Measured:
        """Measure and judge one export, and remember it; the arguments are those of `Evaluator.measure`."""
        measured = self._evaluator.measure(precision, answering, latency=latency)
        self._measured.append(measured)
        return measured

    def refusals(self) -> list[dict[str, str]]:
        """Return what was refused and why."""
        return [
            {"precision": item.precision, "reason": _reason(item), "message": f"{item.decision}"[:1024]}
            for item in self._measured
            if not isinstance(item.decision, Passed)
        ]

    def check(self) -> None:
        """Refuse a model of which no export passed.

        Raises: PermanentError: GateUndecided if more items might let one pass, else GateFailed.
        """
        refused = self.refusals()
        if len(refused) < len(self._measured):
            return
        lines = "; ".join(f"{item['precision']}: {item['message']}" for item in refused)
        if any(isinstance(item.decision, Undecided) for item in self._measured):
            raise PermanentError(f"no precision is known to pass spec.evaluation: {lines}; give more items", reason="GateUndecided")
        uses = self._evaluator.evaluated.num_uses or 1
        often = f", and the set has been measured on {uses} times" if uses > 1 else ""
        raise PermanentError(f"no precision passes spec.evaluation: {lines}; nothing was published{often}", reason="GateFailed")

    def push_report(self, registry: Registry, repository: Repository) -> str:
        """Push what `llmos eval` reads and return its digest, which belongs into the measurements."""
        folder = write_report(
            self._scratch / "report",
            examples=self._evaluator.evaluated.parts.evaluation,
            labels=self._labels,
            metric=self._evaluator.metric,
            measured=self._measured,
        )
        pushed = registry.push_payload(
            repository, report_layers(folder), artifact_type=DATASET_ARTIFACT, config_type=DATASET_CONFIG, config={}
        )
        return pushed.digest

    def describe(self, precision: str) -> dict[str, Any]:
        """Return what belongs at the top of a version's measurements: the numbers of the chosen precision, and the set's facts."""
        chosen = next(item for item in self._measured if item.precision == precision)
        flat: dict[str, Any] = {name: value for name, value in chosen.document.items() if isinstance(value, str) and name != "gate"}
        refused = self.refusals()
        return {**flat, "evaluation": self._evaluator.describe_source(), **({"refused": refused} if refused else {})}


class NetworkJudge(Judge):
    """Judges the exports of a model that answers all at once."""

    def __init__(
        self,
        network: Network,
        evaluated: EvaluationSet,
        *,
        task: Task,
        labels: Sequence[Label],
        scratch: Path,
        maximum_length: int,
        on_progress: Progress = lambda _phase, _percent, _message: None,
    ) -> None:
        """Let the original answer first; raises as `Evaluator`."""
        assets = scratch / "assets"
        assets.mkdir(parents=True)
        network.write_assets(assets, maximum_length=maximum_length)
        asked = Asked(labels, network.input_names, assets, getattr(network, "spec", None), evaluated.media)
        self._exams = Exams(task, asked)
        source = self._exams.answering(lambda inputs: run_torch(network, inputs)[0], is_batched=True)
        evaluator = Evaluator(evaluated, task=task, source=source, labels=labels, on_progress=on_progress)
        super().__init__(evaluator, labels=labels, scratch=scratch)

    def calibration_inputs(self) -> Iterator[Inputs]:
        """Yield the calibration part as the model takes it, each input as a batch of one; nothing is measured on these items."""
        rows = self._exams.rows(self._evaluator.evaluated.parts.calibration)
        return ({name: array[None] for name, array in rows[row].items()} for row in range(len(rows)))

    def judge(self, precision: str, folder: Path, measurements: Mapping[str, Any]) -> Measured:
        """Measure and judge one export.

        Args:
            folder: its files, `model.onnx` and `config.pbtxt` among them.
            measurements: what was measured before; the latency is read from them.
        """
        session = open_session(folder / "model.onnx")
        # Triton's own file says whether rows may run together: what is measured is what is served.
        is_batched = "max_batch_size: 0\n" not in (folder / "config.pbtxt").read_text(encoding="utf-8")
        latency = next((float(measurements[name]) for name in _LATENCIES if name in measurements), None)
        answering = self._exams.answering(lambda inputs: session.run(None, dict(inputs))[0], is_batched=is_batched)
        return self.hold(precision, answering, latency=lambda: latency)


def _reason(measured: Measured) -> str:
    return "GateFailed" if isinstance(measured.decision, Failed) else "GateUndecided"

"""Every precision of one model: exported, built, compared, judged, pushed; and which of them is served where nobody says.

A precision that cannot run here, or that falls short at its task, is left out and the measurements say why; where none is left there is no
version. Must not: fetch weights, or commit a version.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmos.artifacts import Payload, Registry
from llmos.errors import PermanentError
from llmos.models.config import ModelSpec, Precision
from llmos.models.evaluation.judging import NetworkJudge
from llmos.models.evaluation.prepare import EvaluationSet
from llmos.models.exports import Exports, push_export
from llmos.models.formats import tools_of
from llmos.models.labels import Label, label_measurements
from llmos.models.loading import load_network
from llmos.models.onnx_build import BuiltOnnx, build_onnx
from llmos.models.onnx_export import export_onnx
from llmos.models.precisions.rules import choose_precision
from llmos.models.serving_files import MADE_FROM, TASK, add_temperature
from llmos.workload import JobConfig, Reporter

__all__ = ["export_precisions"]

_log = logging.getLogger(__name__)


def export_precisions(
    config: JobConfig,
    spec: ModelSpec,
    registry: Registry,
    reporter: Reporter,
    *,
    folder: Path,
    weights: Payload,
    labels: Sequence[Label],
    evaluated: EvaluationSet | None,
) -> Exports:
    """Make every precision of `spec.onnx` of a model folder.

    Raises: as `load_network`, `export_onnx` and `build_onnx`; PermanentError (GateFailed, GateUndecided, PrecisionUnsupported) where no
        precision is left.
    """
    reporter.progress("Import", 0, "loading the weights")
    network = load_network(folder, spec.task, form=spec.format)
    reporter.progress("Export", 0, "torch to ONNX")
    exported = config.scratch / "exported" / "model.onnx"
    exported.parent.mkdir(parents=True)
    export_onnx(network, exported, maximum_tokens=spec.onnx.maximum_tokens)
    judge = None
    if evaluated is not None:
        judge = NetworkJudge(
            network,
            evaluated,
            task=spec.task,
            labels=labels,
            scratch=config.scratch / "evaluation",
            maximum_length=spec.onnx.maximum_tokens,
            on_progress=reporter.progress,
        )
    bench = _Bench(config, spec, registry, reporter, network=network, exported=exported, labels=labels, weights=weights, judge=judge)
    for precision in spec.onnx.precisions:
        bench.make(precision)
    worst = max((str(values["maximumDifference"]) for values in bench.measured.values()), key=float, default="")
    return Exports(
        bench.payloads,
        {"parameters": network.num_parameters, **label_measurements(labels), **bench.conclude()},
        f"{network.num_parameters:,} parameters taken as ONNX, which there is no original to compare with"
        if network.given
        else f"{network.num_parameters:,} parameters imported; the ONNX export differs from torch by at most {worst}",
        ("torch", "transformers", "onnx", "onnxscript", *tools_of(spec.format), *_tools_of(spec.onnx.precisions)),
    )


@dataclass(slots=True)
class _Bench:
    """Where one precision after the other is made, and what has come of them."""

    config: JobConfig
    spec: ModelSpec
    registry: Registry
    reporter: Reporter
    network: Any = field(kw_only=True)
    exported: Path = field(kw_only=True)
    labels: Sequence[Label] = field(kw_only=True)
    weights: Payload = field(kw_only=True)
    judge: NetworkJudge | None = field(kw_only=True)
    measured: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    payloads: list[Payload] = field(init=False, default_factory=list)
    unsupported: dict[str, PermanentError] = field(init=False, default_factory=dict)

    def make(self, precision: Precision) -> None:
        """Build, judge and push one; what cannot run here or falls short is noted, and not pushed."""
        try:
            built = self._build(precision)
        except PermanentError as error:
            if error.reason != "PrecisionUnsupported":
                raise
            _log.warning("%s is refused: %s", precision, error)
            self.unsupported[precision] = error
            return
        self.measured[precision] = dict(built.measurements)
        if self.judge:
            judged = self.judge.judge(precision, built.folder, built.measurements)
            self.measured[precision]["evaluation"] = judged.document
            if not judged.has_passed:
                _log.warning("%s is refused: %s", precision, judged.decision)
                return
            if judged.calibration is not None and judged.calibration.is_fitted:
                add_temperature(built.folder, judged.calibration.temperature)
        self.payloads.append(push_export(self.config, self.registry, self.reporter, built.folder, precision))

    def conclude(self) -> Mapping[str, Any]:
        """Return the measurements of all, with what was chosen and what was refused; raises PermanentError where nothing is left."""
        if len(self.unsupported) == len(self.spec.onnx.precisions):
            raise next(iter(self.unsupported.values()))
        if self.judge:
            self.judge.check()
        found: dict[str, Any] = {"onnx": self.measured, **self._choose()}
        if self.judge:
            found |= self.judge.describe(found["precision"])
            found["evaluation"]["report"] = self.judge.push_report(self.registry, self.config.target.repository)
        refused = [{"precision": name, "reason": error.reason, "message": str(error)[:1024]} for name, error in self.unsupported.items()]
        return {**found, "refused": [*refused, *found.get("refused", [])]} if refused else found

    def _choose(self) -> Mapping[str, str]:
        """Return which precision a service serves that names none, and why."""
        pushed = [payload.attributes["precision"] for payload in self.payloads]
        is_gated = self.spec.evaluation is not None and self.spec.evaluation.bounds_answers
        chosen = choose_precision(self.measured, passed=pushed if is_gated else None)
        assert chosen is not None, "an import ends before this where nothing passed"
        return {"precision": str(chosen.precision), "precisionReason": chosen.reason}

    def _build(self, precision: Precision) -> BuiltOnnx:
        calibration = self.judge.calibration_inputs() if self.judge and precision.needs_calibration else None
        return build_onnx(
            self.network,
            self.exported,
            self.config.scratch / "onnx" / precision,
            precision=precision,
            spec=self.spec.onnx,
            labels=self.labels,
            facts=self._facts(precision),
            calibration=calibration,
            on_progress=self.reporter.progress,
        )

    def _facts(self, precision: Precision) -> Mapping[str, str]:
        """Return the rows of the card."""
        spec, is_free = self.spec, any(-1 in tensor.dims for tensor in self.network.inputs)
        return {
            TASK: str(spec.task),
            "Precision": precision,
            "Architecture": type(self.network.model).__name__,
            MADE_FROM: self.weights.digest,
            **({"Weights converted": f"from {spec.format.type}: {self.weights.attributes['changes']}"} if spec.format else {}),
            **({"Largest difference allowed": str(spec.onnx.maximum_difference)} if precision is Precision.FLOAT32 else {}),
            **({"Longest input": f"{spec.onnx.maximum_tokens} tokens"} if is_free else {}),
        }


def _tools_of(precisions: Sequence[Precision]) -> tuple[str, ...]:
    """Return what else decided the bytes: ONNX Runtime's tools make Float16, and it runs the graph before Int8Dynamic is made."""
    return () if set(precisions) == {Precision.FLOAT32} else ("onnxruntime", "numpy")

"""The Job of a `Model`: weights in, ONNX out, both pushed. Run as `python -m llmos.models.import_job`.

It only joins the pieces; the version is committed by `run_job`, after everything here succeeded. Must not: decide anything about the
content that is not in the hashed spec or in the parents.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, Payload, Registry
from llmos.errors import PermanentError
from llmos.models.compute import wait_passively
from llmos.models.config import ModelSpec, Precision, parse_model_spec
from llmos.models.evaluation.prepare import EvaluationSet, prepare_evaluation
from llmos.models.folder import build_model_config, folder_layers
from llmos.models.formats import tools_of
from llmos.models.labels import Label, label_measurements, read_labels
from llmos.models.plan import Available, check_plan, plan_import
from llmos.models.precisions.rules import choose_precision
from llmos.models.serving_files import MADE_FROM, TASK
from llmos.models.tensors import Inputs
from llmos.models.weights import take_weights
from llmos.workload import JobConfig, Reporter, Result, run_job

if TYPE_CHECKING:
    from llmos.models.evaluation.judging import Judge
    from llmos.models.onnx_build import BuiltOnnx

__all__ = ["import_model", "main", "tool_versions"]


_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return the exit code."""
    wait_passively()
    return run_job(import_model, argv)


def import_model(config: JobConfig, reporter: Reporter) -> Result:
    """Make the payloads of one Model version and push them."""
    spec = parse_model_spec(config.spec)
    with Registry(config.artifacts.access) as registry:
        folder, weights, carried = take_weights(config, spec, registry, reporter)
        labels = read_labels(folder) if spec.task.has_labels else ()
        evaluated = _prepare_evaluation(config, spec, labels, registry, reporter)
        _plan(config, spec, reporter, folder)
        if spec.task.is_generative:
            return _import_generator(config, spec, registry, reporter, folder=folder, weights=weights, carried=carried)
        # Imported late: a wrong hash or name should fail in a second, not after torch was loaded.
        from llmos.models.loading import load_network
        from llmos.models.onnx_export import export_onnx

        reporter.progress("Import", 0, "loading the weights")
        network = load_network(folder, spec.task, form=spec.format)
        num_parameters = network.num_parameters
        measurements: dict[str, Any] = {**carried, "parameters": num_parameters, "onnx": {}}
        measurements |= label_measurements(labels)
        payloads = [weights]
        reporter.progress("Export", 0, "torch to ONNX")
        exported = export_onnx(network, _new_folder(config.scratch / "exported") / "model.onnx", maximum_tokens=spec.onnx.maximum_tokens)
        judge = _open_judge(config, spec, reporter, network=network, labels=labels, evaluated=evaluated)
        unsupported: dict[str, PermanentError] = {}
        for precision in spec.onnx.precisions:
            try:
                built = _build(
                    config,
                    spec,
                    reporter,
                    network=network,
                    exported=exported,
                    labels=labels,
                    precision=precision,
                    weights=weights,
                    calibration=judge.calibration_inputs() if judge and precision.needs_calibration else None,
                )
            except PermanentError as error:
                if error.reason != "PrecisionUnsupported":
                    raise
                _log.warning("%s is refused: %s", precision, error)
                unsupported[precision] = error
                continue
            measurements["onnx"][precision] = dict(built.measurements)
            if judge:
                measured = judge.judge(precision, built.folder, built.measurements)
                measurements["onnx"][precision]["evaluation"] = measured.document
                if not measured.has_passed:
                    _log.warning("%s is refused: %s", precision, measured.decision)
                    continue
            payloads.append(_push(config, registry, reporter, built.folder, precision))
        if len(unsupported) == len(spec.onnx.precisions):
            raise next(iter(unsupported.values()))
        if judge:
            judge.check()
        measurements |= _choose(spec, measurements["onnx"], payloads)
        if judge:
            measurements |= judge.describe(measurements["precision"])
            measurements["evaluation"]["report"] = judge.push_report(registry, config.target.repository)
    if unsupported:
        refused = [{"precision": name, "reason": error.reason, "message": str(error)[:1024]} for name, error in unsupported.items()]
        measurements["refused"] = [*refused, *measurements.get("refused", [])]
    measurements |= _phase_seconds(reporter)
    worst = max(measurements["onnx"].values(), key=lambda values: float(values["maximumDifference"]))["maximumDifference"]
    return Result(
        payloads=payloads,
        message=(
            f"{num_parameters:,} parameters taken as ONNX, which there is no original to compare with"
            if network.given
            else f"{num_parameters:,} parameters imported; the ONNX export differs from torch by at most {worst}"
        ),
        tools=tool_versions("torch", "transformers", "onnx", "onnxscript", *tools_of(spec.format), *_tools_of(spec.onnx.precisions)),
        measurements=measurements,
    )


def _import_generator(
    config: JobConfig,
    spec: ModelSpec,
    registry: Registry,
    reporter: Reporter,
    *,
    folder: Path,
    weights: Payload,
    carried: Mapping[str, Any],
) -> Result:
    """Models that write token by token are built by another tool, and measured otherwise."""
    from llmos.models.generation.job import import_generator

    payloads, measurements, message = import_generator(config, spec, registry, reporter, folder=folder, weights=weights)
    return Result(
        payloads=[weights, *payloads],
        message=message,
        tools=tool_versions("torch", "transformers", "onnxruntime-genai", "onnxruntime", "onnx", *tools_of(spec.format)),
        measurements={**carried, **measurements, **_phase_seconds(reporter)},
    )


def _phase_seconds(reporter: Reporter) -> Mapping[str, str]:
    return {f"{phase.lower()}Seconds": f"{seconds:.1f}" for phase, seconds in reporter.phase_seconds().items()}


def tool_versions(*names: str) -> dict[str, str]:
    """Return the versions of installed packages, without the build tag that tells a CPU build from a CUDA one."""
    return {name: version(name).partition("+")[0] for name in names}


def _tools_of(precisions: Sequence[Precision]) -> tuple[str, ...]:
    """Return what else decided the bytes: ONNX Runtime's tools make Float16, and it runs the graph before Int8Dynamic is made."""
    return () if set(precisions) == {Precision.FLOAT32} else ("onnxruntime", "numpy")


def _choose(spec: ModelSpec, measured: Mapping[str, Mapping[str, Any]], payloads: Sequence[Payload]) -> dict[str, str]:
    """Return which precision a service serves that names none, and why."""
    pushed = [payload.attributes["precision"] for payload in payloads if payload.role == "onnx"]
    is_gated = spec.evaluation is not None and spec.evaluation.bounds_answers
    chosen = choose_precision(measured, passed=pushed if is_gated else None)
    assert chosen is not None, "an import ends before this where nothing passed"
    return {"precision": str(chosen.precision), "precisionReason": chosen.reason}


def _plan(config: JobConfig, spec: ModelSpec, reporter: Reporter, folder: Path) -> None:
    """Say what the export will take, and stop here if there is too little of it."""
    available = Available.here(config.scratch, scratch_limit=config.scratch_bytes)
    plan = plan_import(folder, precisions=spec.onnx.precisions, available=available)
    _log.info("%s", plan.message)
    reporter.plan(plan.to_document(), plan.message)
    if plan.missing:
        reporter.flush()
    check_plan(plan)


def _prepare_evaluation(
    config: JobConfig, spec: ModelSpec, labels: Sequence[Label], registry: Registry, reporter: Reporter
) -> EvaluationSet | None:
    if spec.evaluation is None:
        return None
    return prepare_evaluation(
        spec.evaluation,
        labels,
        config.scratch / "datasets",
        task=spec.task,
        registry=registry,
        parent=config.parents.get("trainingJob"),
        reporter=reporter,
    )


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _open_judge(
    config: JobConfig, spec: ModelSpec, reporter: Reporter, *, network: Any, labels: Sequence[Label], evaluated: EvaluationSet | None
) -> "Judge | None":
    if evaluated is None:
        return None
    from llmos.models.evaluation.judging import Judge

    return Judge(
        network,
        evaluated,
        task=spec.task,
        labels=labels,
        scratch=config.scratch / "evaluation",
        maximum_length=spec.onnx.maximum_tokens,
        on_progress=reporter.progress,
    )


def _build(
    config: JobConfig,
    spec: ModelSpec,
    reporter: Reporter,
    *,
    network: Any,
    exported: Path,
    labels: Sequence[Label],
    precision: Precision,
    weights: Payload,
    calibration: Sequence[Inputs] | None,
) -> "BuiltOnnx":
    """Export one precision."""
    from llmos.models.onnx_build import build_onnx

    facts = {
        TASK: str(spec.task),
        "Precision": precision,
        "Architecture": type(network.model).__name__,
        MADE_FROM: weights.digest,
        **({"Weights converted": f"from {spec.format.type}: {weights.attributes['changes']}"} if spec.format else {}),
        **({"Largest difference allowed": str(spec.onnx.maximum_difference)} if precision is Precision.FLOAT32 else {}),
        **({"Longest input": f"{spec.onnx.maximum_tokens} tokens"} if any(-1 in tensor.dims for tensor in network.inputs) else {}),
    }
    return build_onnx(
        network,
        exported,
        config.scratch / "onnx" / precision,
        precision=precision,
        spec=spec.onnx,
        labels=labels,
        facts=facts,
        calibration=calibration,
        on_progress=reporter.progress,
    )


def _push(config: JobConfig, registry: Registry, reporter: Reporter, folder: Path, precision: str) -> Payload:
    reporter.progress("Push", 50, f"ONNX {precision}")
    pushed = registry.push_payload(
        config.target.repository,
        folder_layers(folder),
        artifact_type=MODEL_ARTIFACT,
        config_type=MODEL_CONFIG,
        config=build_model_config("onnx", precision=precision),
    )
    return pushed.payload("onnx", precision=precision)


if __name__ == "__main__":
    sys.exit(main())

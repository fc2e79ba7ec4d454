"""The Job of a `Model`: weights in, ONNX out, both pushed. Run as `python -m llmos.models.import_job`.

It only joins the pieces; the version is committed by `run_job`, after everything here succeeded. Must not: decide anything about the
content that is not in the hashed spec or in the parents.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, Payload, Registry
from llmos.errors import ConfigError
from llmos.models.compute import wait_passively
from llmos.models.config import ModelSpec, Task, parse_model_spec
from llmos.models.evaluation.prepare import EvaluationSet, prepare_evaluation
from llmos.models.folder import build_model_config, folder_layers
from llmos.models.formats import tools_of
from llmos.models.labels import Label, label_measurements, read_labels
from llmos.models.plan import Available, check_plan, plan_import
from llmos.models.weights import take_weights
from llmos.workload import JobConfig, Reporter, Result, run_job

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
        # Imported late: a wrong hash or name should fail in a second, not after torch was loaded.
        from llmos.models.loading import load_network
        from llmos.models.onnx_export import export_onnx

        reporter.progress("Import", 0, "loading the weights")
        network = load_network(folder, spec.task)
        num_parameters = sum(parameter.numel() for parameter in network.parameters())
        measurements: dict[str, Any] = {**carried, "parameters": num_parameters, "onnx": {}}
        measurements |= label_measurements(labels)
        measurements |= {"evaluation": evaluated.describe()} if evaluated else {}
        payloads = [weights]
        reporter.progress("Export", 0, "torch to ONNX")
        exported = export_onnx(network, _new_folder(config.scratch / "exported") / "model.onnx", maximum_tokens=spec.onnx.maximum_tokens)
        for precision in spec.onnx.precisions:
            built, onnx = _build(
                config, spec, registry, reporter, network=network, exported=exported, labels=labels, precision=precision, weights=weights
            )
            measurements["onnx"][precision] = built
            payloads.append(onnx)
    measurements |= {f"{phase.lower()}Seconds": f"{seconds:.1f}" for phase, seconds in reporter.phase_seconds().items()}
    worst = max(measurements["onnx"].values(), key=lambda values: float(values["maximumDifference"]))["maximumDifference"]
    return Result(
        payloads=payloads,
        message=f"{num_parameters:,} parameters imported; the ONNX export differs from torch by at most {worst}",
        tools=tool_versions("torch", "transformers", "onnx", "onnxscript", *tools_of(spec.format)),
        measurements=measurements,
    )


def tool_versions(*names: str) -> dict[str, str]:
    """Return the versions of installed packages, without the build tag that tells a CPU build from a CUDA one."""
    return {name: version(name).partition("+")[0] for name in names}


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
    if spec.task is not Task.TEXT_CLASSIFICATION:
        raise ConfigError(
            f"spec.evaluation is given, and {spec.task} has no metric; leave it out, or serve another task", reason="InvalidSpec"
        )
    return prepare_evaluation(
        spec.evaluation,
        labels,
        config.scratch / "datasets",
        registry=registry,
        parent=config.parents.get("trainingJob"),
        reporter=reporter,
    )


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _build(
    config: JobConfig,
    spec: ModelSpec,
    registry: Registry,
    reporter: Reporter,
    *,
    network: Any,
    exported: Path,
    labels: Sequence[Label],
    precision: str,
    weights: Payload,
) -> tuple[Mapping[str, Any], Payload]:
    """Export one precision and push it."""
    from llmos.models.onnx_build import build_onnx

    facts = {
        "Task": str(spec.task),
        "Precision": precision,
        "Architecture": type(network.model).__name__,
        "Made from weights": weights.digest,
        **({"Weights converted": f"from {spec.format.type}: {weights.attributes['changes']}"} if spec.format else {}),
        "Largest difference allowed": str(spec.onnx.maximum_difference),
        "Longest input": f"{spec.onnx.maximum_tokens} tokens",
    }
    built = build_onnx(
        network,
        exported,
        config.scratch / "onnx" / precision,
        precision=precision,
        spec=spec.onnx,
        labels=labels,
        facts=facts,
        on_progress=reporter.progress,
    )
    reporter.progress("Push", 50, f"ONNX {precision}")
    pushed = registry.push_payload(
        config.target.repository,
        folder_layers(built.folder),
        artifact_type=MODEL_ARTIFACT,
        config_type=MODEL_CONFIG,
        config=build_model_config("onnx", precision=precision),
    )
    return built.measurements, pushed.payload("onnx", precision=precision)


if __name__ == "__main__":
    sys.exit(main())

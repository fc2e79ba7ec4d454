"""The Job of a `Model`: weights in, ONNX out, both pushed. Run as `python -m llmos.models.import_job`.

It only joins the pieces; the version is committed by `run_job`, after everything here succeeded. Must not: decide anything about the
content that is not in the hashed spec or in the parents.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from llmos.artifacts import Registry
from llmos.models.compute import wait_passively
from llmos.models.config import ModelSpec, parse_model_spec
from llmos.models.evaluation.prepare import EvaluationSet, prepare_evaluation
from llmos.models.evaluation.uses import count_uses
from llmos.models.labels import Label, read_labels
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
        if spec.task.is_generative:
            from llmos.models.generation.job import import_generator

            exports = import_generator(config, spec, registry, reporter, folder=folder, weights=weights, evaluated=evaluated)
        else:
            from llmos.models.exporting import export_precisions

            exports = export_precisions(
                config, spec, registry, reporter, folder=folder, weights=weights, labels=labels, evaluated=evaluated
            )
    phases = {f"{phase.lower()}Seconds": f"{seconds:.1f}" for phase, seconds in reporter.phase_seconds().items()}
    return Result(
        payloads=[weights, *exports.payloads],
        message=exports.message,
        tools=tool_versions(*exports.tools),
        measurements={**carried, **exports.measurements, **phases},
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
    evaluated = prepare_evaluation(
        spec.evaluation,
        labels,
        config.scratch / "datasets",
        task=spec.task,
        registry=registry,
        parent=config.parents.get("trainingJob"),
        reporter=reporter,
    )
    uses = count_uses(registry, config.target.repository, dataset=evaluated.digest, inputs_hash=config.inputs_hash)
    return replace(evaluated, num_uses=uses)


if __name__ == "__main__":
    sys.exit(main())

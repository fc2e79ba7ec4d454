"""The weights of a Model version: fetched from their source, or followed from a TrainingJob, and in the target repository.

Must not: import torch, or know what is made of the weights.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, Payload, Registry
from llmos.errors import ConfigError, PermanentError
from llmos.models.config import ModelSpec
from llmos.models.folder import build_model_config, folder_layers
from llmos.models.formats import describe_conversion
from llmos.models.sources import import_source
from llmos.workload import JobConfig, Reporter
from llmos.workload.transfer import Meter

__all__ = ["take_weights"]

_CARRIED: Final = ("accuracy", "macroF1", "baselineAccuracy")
"""Measurements of a TrainingJob that are true of its model, too."""


def take_weights(config: JobConfig, spec: ModelSpec, registry: Registry, reporter: Reporter) -> tuple[Path, Payload, Mapping[str, Any]]:
    """Bring the weights here and see that the target repository has them.

    Returns: the folder, the payload of role `weights`, and what was measured about them before.
    """
    folder = config.scratch / "weights"
    if spec.source.training_job is not None:
        return _take_from_training(config, spec, registry, reporter, folder)
    found = import_source(spec.source, folder, access=config.source, form=spec.format, reporter=reporter)
    reporter.progress("Push", 0, "weights")
    pushed = registry.push_payload(
        config.target.repository,
        folder_layers(folder),
        artifact_type=MODEL_ARTIFACT,
        config_type=MODEL_CONFIG,
        config=build_model_config("safetensors"),
    )
    return folder, pushed.payload("weights", **{"format": "safetensors", **found, **describe_conversion(folder, spec.format)}), {}


def _take_from_training(
    config: JobConfig, spec: ModelSpec, registry: Registry, reporter: Reporter, folder: Path
) -> tuple[Path, Payload, Mapping[str, Any]]:
    parent = config.parents.get("trainingJob")
    if parent is None:
        raise ConfigError("spec.source is trainingJob, and parents name no trainingJob", reason="InvalidSpec")
    trained = registry.get_version(parent.repository, parent.digest)
    if (task := trained.provenance.spec.get("task")) != spec.task:
        raise ConfigError(f"spec.task is {spec.task}, and the TrainingJob trained for {task}; make them the same", reason="TaskMismatch")
    payload = trained.provenance.payload("model")
    if payload is None:
        raise PermanentError(f"version {parent.digest} in {parent.repository} has no model payload", reason="ChainBroken")
    meter = Meter(reporter)
    meter.begin(f"the model of {parent.repository.path}")
    registry.fetch_payload(
        parent.repository,
        payload.digest,
        folder,
        on_progress=meter.tell,
    )
    registry.copy_payload(parent.repository, config.target.repository, payload.digest)
    carried = {name: trained.measurements[name] for name in _CARRIED if name in trained.measurements}
    return folder, Payload("weights", payload.digest, payload.size_bytes, {"format": "safetensors"}), carried

"""What comes of exporting a model, whichever way it was made; and how one precision reaches the registry. Must not: import torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, Payload, Registry
from llmos.models.folder import build_model_config, folder_layers
from llmos.workload import JobConfig, Reporter

__all__ = ["Exports", "push_export"]


@dataclass(frozen=True, slots=True)
class Exports:
    """What was made of one model."""

    payloads: Sequence[Payload]
    """Of role `onnx`, pushed."""

    measurements: Mapping[str, Any]
    message: str
    """One line for people."""

    tools: Sequence[str]
    """Packages that decided the bytes."""


def push_export(config: JobConfig, registry: Registry, reporter: Reporter, folder: Path, precision: str) -> Payload:
    """Push the files of one precision, and return them as the payload of role `onnx`."""
    reporter.progress("Push", 50, f"ONNX {precision}")
    pushed = registry.push_payload(
        config.target.repository,
        folder_layers(folder),
        artifact_type=MODEL_ARTIFACT,
        config_type=MODEL_CONFIG,
        config=build_model_config("onnx", precision=precision),
    )
    return pushed.payload("onnx", precision=precision)

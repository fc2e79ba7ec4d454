"""What is kept of an original while its exports are measured against it: its answers, and not its weights.

One class a kind of input, in a file of its own. Must not: build, or push.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.models.config import ModelSpec

__all__ = ["Original"]


class Original(ABC):
    """A loaded model's answers. The builder needs the memory, so the weights are let go when it is made."""

    num_parameters: int
    architecture: str

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        """Load and run it; raises ConfigError (InvalidSource, TaskMismatch) as `load_pretrained`."""
        self.spec = spec

    @property
    @abstractmethod
    def measurements(self) -> Mapping[str, Any]:
        """What was measured of the original itself."""

    @abstractmethod
    def measure(self, built: Path, *, precision: str) -> Mapping[str, Any]:
        """Measure one precision beside it; raises PermanentError (ExportDiffers) for one that is broken."""

    def describe(self, built: Path) -> Mapping[str, Any]:
        """Return `preprocessing.json`: all a server must know to ask."""
        runtime = json.loads((built / "genai_config.json").read_text(encoding="utf-8"))
        return {
            "task": str(self.spec.task),
            "runtime": "onnxruntime-genai",
            "type": runtime["model"]["type"],
            "maximumTokens": self.spec.onnx.maximum_tokens,
            **self.describe_request(),
        }

    @abstractmethod
    def describe_request(self) -> Mapping[str, Any]:
        """Return what a request of this kind becomes: its part of `preprocessing.json`."""

    @abstractmethod
    def summarise(self, measured: Mapping[str, Mapping[str, Any]]) -> str:
        """Return a few words about all precisions, for people."""

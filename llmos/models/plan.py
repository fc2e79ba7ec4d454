"""What an import will take, said before torch is loaded: parameters, memory, disk, time; and what there is too little of.

The figures are rules of thumb over measurements (docs/models.md): an import of a BERT of 0.6, 23, 109 and 335 million parameters on two
cores. Must not: load weights; only the headers of the files are read.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.errors import PermanentError
from llmos.models.compute import memory_limit

__all__ = ["Available", "Plan", "check_plan", "plan_import"]

_PROGRAM_BYTES: Final = 600 << 20
"""torch, transformers, onnx and ONNX Runtime loaded."""

_MEMORY_FACTOR: Final = 2.2
_MEMORY_FACTOR_EXTERNAL: Final = 1.3
"""Of the Float32 weights; above one GiB the export keeps them in a file beside the graph and maps it."""

_EXTERNAL_BYTES: Final = 1 << 30
_SIZE_FACTOR: Final = {"Float32": 1.0, "Float16": 0.5, "BFloat16": 0.5}
_SMALL_FACTOR: Final = 0.4
"""Of all other precisions: eight bits a weight or fewer, and what stays as it is."""

_SECONDS: Final = 12
_EXPORT_SECONDS_PER_MILLION: Final = 0.06
_BUILD_SECONDS_PER_MILLION: Final = 0.26
_MAX_HEADER_BYTES: Final = 100 << 20


@dataclass(frozen=True, slots=True)
class Available:
    """What the pod has."""

    memory_bytes: int
    scratch_bytes: int

    @classmethod
    def here(cls, scratch: Path, *, scratch_limit: int | None = None) -> "Available":
        """Return what this process has: the memory limit of its container, the free space at `scratch`, at most the volume's limit."""
        free = shutil.disk_usage(scratch).free
        return cls(memory_limit(), free if scratch_limit is None else min(free, scratch_limit))


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import will take, about."""

    parameters: int
    memory_bytes: int
    """Peak anonymous memory."""

    scratch_bytes: int
    """Weights twice (as fetched, and as a model folder), the export, and each precision."""

    seconds: int
    """On two cores, without the download."""

    missing: tuple[str, ...] = ()
    """One sentence for each thing there is too little of; the import cannot be done."""

    def to_document(self) -> dict[str, Any]:
        """Return `status.plan`."""
        document: dict[str, Any] = {
            "parameters": self.parameters,
            "memoryBytes": self.memory_bytes,
            "scratchBytes": self.scratch_bytes,
            "seconds": self.seconds,
        }
        return {**document, "missing": list(self.missing)} if self.missing else document

    @property
    def message(self) -> str:
        """One line for people."""
        return (
            f"{self.parameters:,} parameters: about {_gib(self.memory_bytes)} of memory, {_gib(self.scratch_bytes)} of scratch space "
            f"and {self.seconds} s"
        )


def plan_import(folder: Path, *, precisions: Sequence[str], available: Available) -> Plan:
    """Plan the export of a model folder.

    Args:
        folder: with safetensors or a graph; checked by `take_model_folder`.
        precisions: of spec.onnx.
        available: what the pod has.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".onnx", ".data"))
    parameters = sum(_count_parameters(path) for path in files)
    weights = 4 * parameters
    factor = _MEMORY_FACTOR_EXTERNAL if weights > _EXTERNAL_BYTES else _MEMORY_FACTOR
    sizes = sum(_SIZE_FACTOR.get(precision, _SMALL_FACTOR) for precision in precisions)
    seconds = _SECONDS + parameters / 1e6 * (_EXPORT_SECONDS_PER_MILLION + _BUILD_SECONDS_PER_MILLION * len(precisions))
    memory = int(_PROGRAM_BYTES + factor * weights)
    scratch = int(2 * sum(path.stat().st_size for path in files) + weights * (1 + sizes))
    return Plan(parameters, memory, scratch, round(seconds), _missing(memory, scratch, available))


def check_plan(plan: Plan) -> None:
    """Raise PermanentError (ResourcesTooSmall) if there is too little of something."""
    if plan.missing:
        raise PermanentError(f"{plan.message}; {'; '.join(plan.missing)}", reason="ResourcesTooSmall")


def _missing(memory: int, scratch: int, available: Available) -> tuple[str, ...]:
    found = []
    if memory > available.memory_bytes:
        found.append(f"the pod may use {_gib(available.memory_bytes)} of memory: raise spec.workload.resources.limits.memory")
    if scratch > available.scratch_bytes:
        found.append(
            f"there are {_gib(available.scratch_bytes)} of scratch space: raise spec.workload.scratch.sizeLimit, or free the node's disk"
        )
    return tuple(found)


def _count_parameters(path: Path) -> int:
    """Return the numbers in a safetensors file, from its header alone; of an ONNX file, those it has room for."""
    if path.suffix in (".onnx", ".data"):
        return path.stat().st_size // 4
    with path.open("rb") as stream:
        length = min(int.from_bytes(stream.read(8), "little"), _MAX_HEADER_BYTES)
        header = json.loads(stream.read(length))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            size = 1
            for dim in tensor["shape"]:
                size *= int(dim)
            total += size
    return total


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"

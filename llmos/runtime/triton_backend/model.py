"""ONNX Runtime as a Python-based Triton backend, for servers that lack NVIDIA's C++ one; it obeys the same config.pbtxt.

Triton loads this file by path, once for each instance, in a process of its own. Requests of one call that have equal shapes run together:
that is what its dynamic batcher collected them for. A bad request gets an error of its own; the process never dies of one.
Must not: import anything of LLMOS; only numpy, onnxruntime and Triton's own module are there.
"""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

# The stub of server 2.51 starts Python in isolated mode, which ignores PYTHONPATH; `llmos.runtime.triton` says in it where packages are.
sys.path += [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry not in sys.path]

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

__all__ = ["TritonPythonModel"]

_DEFAULT_FILE: Final = "model.onnx"
_CGROUP: Final = Path("/sys/fs/cgroup")
_MODES: Final = {"0": onnxruntime.ExecutionMode.ORT_SEQUENTIAL, "1": onnxruntime.ExecutionMode.ORT_PARALLEL}
_NUMPY_TYPES: Final = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
}


class TritonPythonModel:
    """One instance of a model; the names of class and methods are Triton's."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Open the ONNX file of this version. An exception here makes the model unavailable, with its text as the reason."""
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"]) / args["model_version"] / (config.get("default_model_filename") or _DEFAULT_FILE)
        self.session = onnxruntime.InferenceSession(str(path), session_options(config), providers=["CPUExecutionProvider"])
        self.inputs = {item.name: _NUMPY_TYPES[item.type] for item in self.session.get_inputs()}
        self.outputs = [item["name"] for item in config["output"]]
        # 0 says that answers were found to depend on their neighbours: then nothing is joined, whatever Triton hands over at once.
        self.is_batched = int(config.get("max_batch_size", 0)) > 0
        known = {item.name for item in self.session.get_outputs()}
        for kind, wanted, found in (
            ("output", set(self.outputs), known),
            ("input", {item["name"] for item in config["input"]}, set(self.inputs)),
        ):
            if not wanted <= found:
                raise ValueError(f"config.pbtxt names the {kind}s {sorted(wanted)}, {path.name} has {sorted(found)}")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer each request, in order."""
        responses: list[Any] = [None] * len(requests)
        groups: dict[tuple[Any, ...], list[int]] = {}
        tensors: list[dict[str, np.ndarray]] = []
        for index, request in enumerate(requests):
            try:
                tensors.append(self._read(request))
                key = _shape_key(tensors[index])
                groups.setdefault(key if self.is_batched else (index,), []).append(index)
            except Exception as error:
                tensors.append({})
                responses[index] = _error(error)
        for members in groups.values():
            self._run(members, tensors, requests, responses)
        return responses

    def _read(self, request: Any) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        for name, kind in self.inputs.items():
            tensor = pb_utils.get_input_tensor_by_name(request, name)
            if tensor is None:
                raise ValueError(f"the input {name} is missing")
            arrays[name] = np.asarray(tensor.as_numpy(), dtype=kind)
        return arrays

    def _run(
        self, members: Sequence[int], tensors: Sequence[Mapping[str, np.ndarray]], requests: Sequence[Any], responses: list[Any]
    ) -> None:
        """Run requests of equal shape together and share the rows out again."""
        try:
            sizes = [next(iter(tensors[index].values())).shape[0] for index in members]
            feed = {name: np.concatenate([tensors[index][name] for index in members]) for name in self.inputs}
            results = dict(zip(self.outputs, self.session.run(self.outputs, feed), strict=True))
            first = 0
            for index, size in zip(members, sizes, strict=True):
                wanted = requests[index].requested_output_names()
                rows = [pb_utils.Tensor(name, results[name][first : first + size]) for name in self.outputs if name in wanted]
                responses[index] = pb_utils.InferenceResponse(output_tensors=rows)
                first += size
        except Exception as error:
            for index in members:
                responses[index] = _error(error)

    def finalize(self) -> None:
        """Let the session go."""
        self.session = None


def session_options(config: Mapping[str, Any]) -> onnxruntime.SessionOptions:
    """Translate config.pbtxt as NVIDIA's backend does: parameters by their names there, and `optimization.graph.level`."""
    parameters = {name: item.get("string_value", "") for name, item in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count") or 0) or available_cpus()
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count") or 0)
    options.execution_mode = _MODES[parameters.get("execution_mode") or "0"]
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    options.graph_optimization_level = {
        -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
        1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    }.get(level, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    return options


def available_cpus() -> int:
    """Return how many CPUs this container may use; ONNX Runtime would count the node's, and its threads would then wait for each other."""
    cpus = len(os.sched_getaffinity(0))
    for read in (_read_limit_v2, _read_limit_v1):
        try:
            quota, period = read()
            return max(1, min(cpus, math.ceil(quota / period))) if quota > 0 else cpus
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return cpus


def _read_limit_v2() -> tuple[int, int]:
    quota, period = (_CGROUP / "cpu.max").read_text().split()
    return -1 if quota == "max" else int(quota), int(period)


def _read_limit_v1() -> tuple[int, int]:
    return int((_CGROUP / "cpu/cpu.cfs_quota_us").read_text()), int((_CGROUP / "cpu/cpu.cfs_period_us").read_text())


def _shape_key(tensors: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
    sizes = {array.shape[0] if array.ndim else None for array in tensors.values()}
    if len(sizes) > 1 or None in sizes:
        raise ValueError(f"the inputs have different batch sizes: { {name: array.shape for name, array in tensors.items()} }")
    return tuple(array.shape[1:] for array in tensors.values())


def _error(error: Exception) -> Any:
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(f"{type(error).__name__}: {error}"))

"""The gate between a model and its export: the same inputs through torch and ONNX Runtime, at shapes the export never saw.

    B batch, T tokens, O outputs (width or labels).

Also measures what serving relies on: that an answer depends neither on its neighbours in a batch nor on padding, and how long it
takes. Must not: decide; the caller holds the numbers against its bounds.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from llmos.models.compute import count_cpus
from llmos.models.network import Network
from llmos.models.onnx_export import EXAMPLE_SHAPE
from llmos.models.tensors import Inputs

__all__ = ["Comparison", "compare", "measure_invariance", "measure_latency", "open_session", "run_torch"]

_SEED: Final = 20261123


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far an export is from its original."""

    differences: Mapping[tuple[int, int], float]
    """Largest absolute difference of any output number, by (batch, tokens)."""

    @property
    def maximum(self) -> float:
        """The largest of all; NaN if any output was not a number."""
        return float(np.max(list(self.differences.values())))

    def is_within(self, bound: float) -> bool:
        """Say whether every difference is at most the bound; NaN never is."""
        return self.maximum <= bound


def open_session(path: Path) -> Any:
    """Open an ONNX file on the CPU with as many threads as this process may use."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count_cpus()
    # Threads that spin while they wait take the processor from whoever else is on the node.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(network: Network, session: Any, shapes: Sequence[tuple[int, int]]) -> Comparison:
    """Run torch and the export on random tokens, rows of different lengths, and report the differences.

    Args:
        session: of `open_session`.
        shapes: (batch, tokens); none may be the export's example, which proves nothing.

    Raises: ValueError for such a shape, or none.
    """
    if not shapes or EXAMPLE_SHAPE in shapes:
        raise ValueError(f"shapes must be some, and not the example {EXAMPLE_SHAPE}; found {list(shapes)}")
    generator = np.random.default_rng(_SEED)
    differences = {}
    for shape in shapes:
        inputs = network.make_inputs(shape, generator)
        differences[shape] = _difference(session.run(None, dict(inputs)), run_torch(network, inputs))
    return Comparison(differences)


def run_torch(network: Network, inputs: Inputs) -> list[NDArray[Any]]:
    """Return the network's own outputs, in the order of `network.outputs`."""
    with torch.inference_mode():
        answer = network(*(torch.from_numpy(array) for array in inputs.values()))
    return [tensor.numpy() for tensor in ((answer,) if isinstance(answer, torch.Tensor) else answer)]


def measure_invariance(network: Network, session: Any, *, maximum_tokens: int) -> tuple[float, float]:
    """Measure how far an answer moves because of what stands beside it.

    Returns: the largest absolute difference between a row alone and in a batch of its equals in length, and between a row bare and padded
        (0 where nothing is ever padded).
    """
    tokens = max(4, maximum_tokens // 4)
    inputs = network.make_inputs((8, tokens), np.random.default_rng(_SEED), full=True)
    together = session.run(None, dict(inputs))
    alone = [session.run(None, {name: array[row : row + 1] for name, array in inputs.items()}) for row in range(8)]
    between = _difference(together, [np.concatenate(rows) for rows in zip(*alone, strict=True)])
    padded = network.pad(inputs, maximum_tokens)
    return between, 0.0 if padded is None else _difference(_cut(session.run(None, dict(padded)), together), together)


def measure_latency(network: Network, session: Any, *, batch: int, tokens: int, runs: int = 20) -> float:
    """Return the median time of one run in milliseconds, after three unmeasured ones."""
    inputs = dict(network.make_inputs((batch, tokens), np.random.default_rng(_SEED), full=True))
    times_ms = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        session.run(None, inputs)
        times_ms.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times_ms[3:]))


def _difference(left: Sequence[NDArray[Any]], right: Sequence[NDArray[Any]]) -> float:
    """Return the largest absolute difference of any number of any output; infinity where shapes differ."""
    if [array.shape for array in left] != [array.shape for array in right]:
        return float("inf")
    return float(np.max([np.max(np.abs(one.astype(np.float64) - other)) for one, other in zip(left, right, strict=True)]))


def _cut(padded: Sequence[NDArray[Any]], bare: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return outputs of padded inputs without what stands at the padding, where an output has one value a token."""
    return [array[tuple(slice(0, size) for size in other.shape)] for array, other in zip(padded, bare, strict=True)]

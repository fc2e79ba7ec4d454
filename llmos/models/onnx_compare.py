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
from llmos.models.network import TextNetwork
from llmos.models.onnx_export import EXAMPLE_SHAPE

__all__ = ["Comparison", "choose_shapes", "compare", "measure_invariance", "measure_latency", "open_session"]

_SEED: Final = 20261123
Inputs = Mapping[str, NDArray[np.int64]]


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


def choose_shapes(maximum_tokens: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return two shapes (batch, tokens) that are not the export's example in any axis: a single short text, and a batch of the longest."""
    return (1, 5), (3, maximum_tokens)


def open_session(path: Path) -> Any:
    """Open an ONNX file on the CPU with as many threads as this process may use."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count_cpus()
    # Threads that spin while they wait take the processor from whoever else is on the node.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(network: TextNetwork, session: Any, shapes: Sequence[tuple[int, int]]) -> Comparison:
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
        inputs = _make_inputs(network, shape, generator)
        with torch.inference_mode():
            expected_BO = network(*(torch.from_numpy(array) for array in inputs.values())).numpy()
        differences[shape] = _difference(session.run(None, dict(inputs))[0], expected_BO)
    return Comparison(differences)


def measure_invariance(network: TextNetwork, session: Any, *, maximum_tokens: int) -> tuple[float, float]:
    """Measure how far an answer moves because of what stands beside it.

    Returns: the largest absolute difference between a row alone and in a batch of its equals in length, and between a row bare and padded.
    """
    generator = np.random.default_rng(_SEED)
    tokens = max(4, maximum_tokens // 4)
    inputs = {name: array[:, :tokens] for name, array in _make_inputs(network, (8, tokens), generator, full=True).items()}
    together_BO = session.run(None, inputs)[0]
    alone_BO = np.concatenate([session.run(None, {name: array[row : row + 1] for name, array in inputs.items()})[0] for row in range(8)])
    padding = ((0, 0), (0, maximum_tokens - tokens))
    padded = {name: np.pad(array, padding, constant_values=network.pad_id if name == "input_ids" else 0) for name, array in inputs.items()}
    padded_BO = session.run(None, padded)[0]
    return _difference(together_BO, alone_BO), _difference(padded_BO, together_BO)


def measure_latency(network: TextNetwork, session: Any, *, batch: int, tokens: int, runs: int = 20) -> float:
    """Return the median time of one run in milliseconds, after three unmeasured ones."""
    inputs = dict(_make_inputs(network, (batch, tokens), np.random.default_rng(_SEED), full=True))
    times_ms = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        session.run(None, inputs)
        times_ms.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times_ms[3:]))


def _make_inputs(
    network: TextNetwork, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False
) -> dict[str, NDArray[np.int64]]:
    """Make random tokens; unless `full`, every row after the first is a little shorter than the one before."""
    batch, tokens = shape
    lengths_B = np.full(batch, tokens) if full else np.maximum(1, tokens - np.arange(batch) * max(1, tokens // (batch + 1)))
    mask_BT = (np.arange(tokens) < lengths_B[:, None]).astype(np.int64)
    ids_BT = generator.integers(0, network.vocabulary_size, shape, dtype=np.int64)
    arrays = {
        "input_ids": np.where(mask_BT == 1, ids_BT, network.pad_id),
        "attention_mask": mask_BT,
        "token_type_ids": np.zeros(shape, dtype=np.int64),
    }
    return {name: arrays[name] for name in network.input_names}


def _difference(left: NDArray[Any], right: NDArray[Any]) -> float:
    if left.shape != right.shape:
        return float("inf")
    return float(np.max(np.abs(left.astype(np.float64) - right.astype(np.float64))))

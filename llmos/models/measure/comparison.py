"""The gate between a model and its export: the same inputs through torch and ONNX Runtime, at shapes the export never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from llmos.models.network import Network
from llmos.models.onnx_export import EXAMPLE_SHAPE
from llmos.models.tensors import Inputs

__all__ = ["SEED", "Comparison", "compare", "difference", "run_torch"]

SEED: Final = 20261123


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far an export is from its original."""

    differences: Mapping[tuple[int, int], float]
    """Largest absolute difference of any output number, by (batch, tokens); infinity where the shapes of outputs differ."""

    largest: float = 0.0
    """Largest absolute number the original put out; NaN or infinity if one was not a number."""

    @property
    def maximum(self) -> float:
        """The largest of all; NaN if any output was not a number."""
        return float(np.max(list(self.differences.values())))

    def is_within(self, bound: float) -> bool:
        """Say whether every difference is a finite number and at most the bound; NaN never is."""
        return bool(np.isfinite(self.maximum)) and self.maximum <= bound


def compare(network: Network, session: Any, shapes: Sequence[tuple[int, int]]) -> Comparison:
    """Run torch and the export on random tokens, rows of different lengths, and report the differences.

    Args:
        session: of `open_session`.
        shapes: (batch, tokens); none may be the export's example, which proves nothing.

    Raises: ValueError for such a shape, or none.
    """
    if not shapes or EXAMPLE_SHAPE in shapes:
        raise ValueError(f"shapes must be some, and not the example {EXAMPLE_SHAPE}; found {list(shapes)}")
    generator = np.random.default_rng(SEED)
    differences, largest = {}, []
    for shape in shapes:
        inputs = network.make_inputs(shape, generator)
        original = run_torch(network, inputs)
        largest += [np.max(np.abs(array)) for array in original]
        differences[shape] = difference(session.run(None, dict(inputs)), original)
    return Comparison(differences, float(np.max(largest)))


def run_torch(network: Network, inputs: Inputs) -> list[NDArray[Any]]:
    """Return the network's own outputs, in the order of `network.outputs`."""
    with torch.inference_mode():
        answer = network(*(torch.from_numpy(array) for array in inputs.values()))
    return [tensor.numpy() for tensor in ((answer,) if isinstance(answer, torch.Tensor) else answer)]


def difference(left: Sequence[NDArray[Any]], right: Sequence[NDArray[Any]]) -> float:
    """Return the largest absolute difference of any number of any output; infinity where shapes differ."""
    if [array.shape for array in left] != [array.shape for array in right]:
        return float("inf")
    return float(np.max([np.max(np.abs(one.astype(np.float64) - other)) for one, other in zip(left, right, strict=True)]))

"""A classifier whose inputs have one size: pictures, windows of sound. Must not: know what they show."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.models.network import Network
from llmos.models.serving_files import write_preprocessing
from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["FixedNetwork"]


class FixedNetwork(Network):
    """One input of one size; the one output is `logits` [B, L]."""

    def __init__(self, model: Any, *, given: TensorSpec, length: int) -> None:
        """Wrap a model.

        Args:
            given: the input.
            length: what stands for its length where one is asked for.
        """
        super().__init__()
        self.model = model
        self.inputs = (given,)
        self.outputs = (TensorSpec("logits", "FP32", (int(model.config.num_labels),)),)
        self.maximum_positions = None
        self._length = length

    @abstractmethod
    def describe_input(self) -> Mapping[str, Any]:
        """Return what a server must know to make the tensor, for `preprocessing.json`."""

    def choose_shapes(self, maximum_length: int) -> tuple[tuple[int, int], ...]:
        """Return one and three of the one size, whatever is asked for."""
        return (1, self._length), (3, self._length)

    def pad(self, inputs: Inputs, length: int) -> Inputs | None:
        """Return None: there is one size."""
        return None

    def write_assets(self, folder: Path, *, maximum_length: int) -> None:
        """Write `preprocessing.json`."""
        names = {"inputs": [tensor.name for tensor in self.inputs], "outputs": [tensor.name for tensor in self.outputs]}
        write_preprocessing(folder, {**names, **self.describe_input()})

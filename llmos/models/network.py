"""What can be exported, compared and served: a torch module that says what goes in and what comes out.

    B batch, N length (tokens, samples, …); ids and masks are int64, everything else float32.

One class a kind of input derives from `Network` and lives in a file of its own; everything behind it (export, precisions, measurements,
serving files) knows only this. Must not: know a task.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["Network"]


class Network(nn.Module, ABC):
    """A model with fixed names and axes; `forward` takes the tensors of `inputs` in order and returns those of `outputs`."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    model: Any
    """The transformers model."""

    maximum_positions: int | None
    """Longest input it was built for; None where there is no such bound."""

    given: Path | None = None
    """The graph itself, where the model came as ONNX: it is taken as it is, and nothing is exported."""

    @property
    def num_parameters(self) -> int:
        """How many numbers it has learned."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of `inputs`."""
        return tuple(tensor.name for tensor in self.inputs)

    @abstractmethod
    def choose_shapes(self, maximum_length: int) -> tuple[tuple[int, int], ...]:
        """Return at least two shapes (batch, length) to compare at; none is `EXAMPLE_SHAPE` of the export in any axis."""

    @abstractmethod
    def make_inputs(self, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False) -> Inputs:
        """Make random inputs of shape (batch, length); unless `full`, every row is a little shorter than the one before."""

    @abstractmethod
    def pad(self, inputs: Inputs, length: int) -> Inputs | None:
        """Return the same inputs padded to a length; None where nothing is ever padded."""

    @abstractmethod
    def write_assets(self, folder: Path, *, maximum_length: int) -> None:
        """Write what a server needs to make the tensors: `preprocessing.json` and, with text, `tokenizer.json`."""

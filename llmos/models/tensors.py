"""What goes in and what comes out of a model, tensor by tensor. Must not: import torch; servers read this, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

__all__ = ["Inputs", "TensorSpec"]

Inputs: TypeAlias = Mapping[str, NDArray[Any]]
"""Name to array, in the order in which the model takes them; the first axis is the batch."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor."""

    name: str
    data_type: Literal["INT64", "FP32"]
    dims: tuple[int, ...]
    """Of one row, without the batch; -1 where the length is free."""

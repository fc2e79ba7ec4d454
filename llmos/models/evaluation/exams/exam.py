"""One part of an evaluation set, as a model that answers all at once is asked it, and as its answers are counted.

Must not: know whether torch or ONNX Runtime answers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from llmos.models.datasets import Example
from llmos.models.evaluation.predicting import BATCH
from llmos.models.evaluation.predictions import Predictions
from llmos.models.labels import Label
from llmos.models.tensors import Inputs

__all__ = ["Asked", "Exam"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the model that is asked: all of it as it is served."""

    labels: Sequence[Label]
    """In the order of the output's columns."""

    input_names: Sequence[str]
    assets: Path
    """A folder with `preprocessing.json` and, with text, `tokenizer.json`."""

    spec: Any = None
    """Of models of pictures and sounds: how one is prepared (`ImageSpec`, `AudioSpec`)."""

    media: Mapping[str, Path] = field(default_factory=dict)
    """Digest to file, of pictures and recordings."""


class Exam(ABC):
    """The items of one part, ready to be asked."""

    rows: Sequence[Inputs]
    """What the model takes; one for each item, or more."""

    lengths: Sequence[int] | None = None
    """Of the rows; None: of each row's first input."""

    most_rows: int = BATCH
    """How many run together at most."""

    def __init__(self, examples: Sequence[Example], asked: Asked) -> None:
        self.examples = examples
        self.asked = asked

    def read(self, row: int, output: NDArray[Any]) -> Any:
        """Return what is kept of a row's output, which may be large."""
        return output

    @abstractmethod
    def collect(self, found: Sequence[Any]) -> Predictions:
        """Return the predictions of all items from what was kept of all rows."""

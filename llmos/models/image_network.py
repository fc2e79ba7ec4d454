"""An image model as one torch module: pixels in, one score for each label out.

    B batch, C channels, H height, W width, L labels; everything float32.

Pictures have one size, so nothing is ever padded, and only the batch is free. Must not: prepare a picture; `image_spec` says how.
"""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoModelForImageClassification

from llmos.models.config import Task
from llmos.models.image_spec import ImageSpec, read_image_spec
from llmos.models.labels import check_label_count
from llmos.models.network import Network
from llmos.models.pretrained import load_pretrained
from llmos.models.serving_files import write_preprocessing
from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["ImageNetwork", "load_image_network"]


class ImageNetwork(Network):
    """Wraps a transformers model of pictures; its one output is `logits` [B, L]."""

    def __init__(self, model: Any, spec: ImageSpec) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.inputs = (TensorSpec("pixel_values", "FP32", (3, spec.height, spec.width)),)
        self.outputs = (TensorSpec("logits", "FP32", (int(model.config.num_labels),)),)
        self.maximum_positions = None

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return logits_BL."""
        logits_BL: Tensor = self.model(pixel_values=pixels_BCHW).logits
        return logits_BL

    def choose_shapes(self, maximum_length: int) -> tuple[tuple[int, int], ...]:
        """Return one picture and three; their length is their height, whatever is asked for."""
        return (1, self.spec.height), (3, self.spec.height)

    def make_inputs(self, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False) -> Inputs:
        """Make noise, as bright and as varied as what the model was trained on."""
        batch, _ = shape
        return {"pixel_values": generator.standard_normal((batch, *self.inputs[0].dims), dtype=np.float32)}

    def pad(self, inputs: Inputs, length: int) -> Inputs | None:
        """Return None: pictures have one size."""
        return None

    def write_assets(self, folder: Path, *, maximum_length: int) -> None:
        """Write `preprocessing.json`."""
        document = {
            "inputs": [tensor.name for tensor in self.inputs],
            "outputs": [tensor.name for tensor in self.outputs],
            "image": self.spec.to_document(),
        }
        write_preprocessing(folder, document)


def load_image_network(folder: Path, task: Task) -> ImageNetwork:
    """Load a folder with a classifier of pictures, in evaluation mode; raises as `load_network`."""
    model = load_pretrained(AutoModelForImageClassification, folder, task=task, heads=("ForImageClassification",))
    check_label_count(folder, int(model.config.num_labels))
    network: ImageNetwork = ImageNetwork(model, read_image_spec(folder)).eval()
    return network

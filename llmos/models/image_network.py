"""An image model as one torch module: pixels in, one score for each label out.

    B batch, C channels, H height, W width, L labels; everything float32.

Pictures have one size, so nothing is ever padded, and only the batch is free. Must not: prepare a picture; `image_spec` says how.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoModelForImageClassification

from llmos.models.config import Task
from llmos.models.fixed_network import FixedNetwork
from llmos.models.image_spec import ImageSpec, read_image_spec
from llmos.models.labels import check_label_count
from llmos.models.pretrained import load_pretrained
from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["ImageNetwork", "load_image_network"]


class ImageNetwork(FixedNetwork):
    """Wraps a transformers model of pictures; its one output is `logits` [B, L]."""

    def __init__(self, model: Any, spec: ImageSpec) -> None:
        given = TensorSpec("pixel_values", "FP32", (3, spec.height, spec.width))
        super().__init__(model, given=given, length=spec.height)
        self.spec = spec

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return logits_BL."""
        logits_BL: Tensor = self.model(pixel_values=pixels_BCHW).logits
        return logits_BL

    def make_inputs(self, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False) -> Inputs:
        """Make noise, as bright and as varied as what the model was trained on."""
        batch, _ = shape
        return {"pixel_values": generator.standard_normal((batch, *self.inputs[0].dims), dtype=np.float32)}

    def describe_input(self) -> Mapping[str, Any]:
        """Return `image`."""
        return {"image": self.spec.to_document()}


def load_image_network(folder: Path, task: Task) -> ImageNetwork:
    """Load a folder with a classifier of pictures, in evaluation mode; raises as `load_network`."""
    model = load_pretrained(AutoModelForImageClassification, folder, task=task, heads=("ForImageClassification",))
    check_label_count(folder, int(model.config.num_labels))
    network: ImageNetwork = ImageNetwork(model, read_image_spec(folder)).eval()
    return network

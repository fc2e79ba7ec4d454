"""ImageClassification with real weights: EfficientNet-lite0 from a bare state dict, asked about pictures that ship with scikit-learn."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from llmos.models import read_labels
from llmos.models.image_spec import ImageSpec
from llmos.models.measure.session import open_session
from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.node

EXPECTED = {"china.jpg": {"palace", "monastery", "bell cote, bell cot"}, "flower.jpg": {"daisy"}}
"""What a person would call them, among the thousand classes: a Chinese palace with towers, and a daisy-like flower."""


def read_spec(folder: Path) -> ImageSpec:
    image = json.loads((folder / "preprocessing.json").read_text())["image"]
    resize = image["resize"]
    return ImageSpec(
        resize.get("pixels"), image["height"], image["width"], resize["interpolation"], tuple(image["mean"]), tuple(image["std"])
    )


def test_a_state_dict_becomes_a_classifier_that_knows_what_is_in_a_picture(import_model: Import, pods: Pods) -> None:
    spec = {
        "task": "ImageClassification",
        "source": packages.source(packages.EFFICIENTNET_LITE0),
        "format": {"type": "StateDict", "architecture": "EfficientNetLite0"},
    }
    measured = import_model("lite0", spec)
    assert (measured["parameters"], measured["labels"]) == (4_652_008, 1000)
    assert float(measured["onnx"]["Float32"]["maximumDifference"]) < 1e-4
    weights = pods.version("Model/lite0").provenance.payload("weights")
    assert weights is not None
    assert weights.attributes["convertedFrom"] == "StateDict"

    folder = pods.fetch("Model/lite0", "onnx")
    prepare, session, labels = read_spec(folder).prepare, open_session(folder / "model.onnx"), read_labels(folder)
    samples = load_sample_images()
    for name, pixels in zip(samples.filenames, samples.images, strict=True):
        logits = session.run(None, {"pixel_values": prepare(Image.fromarray(pixels))[None]})[0][0]
        best = {labels[int(column)].name for column in np.argsort(-logits)[:3]}
        assert best >= EXPECTED[Path(name).name], f"{name}: {best}"

"""ImageClassification with real weights: EfficientNet-lite0 from a bare state dict, asked about pictures that ship with scikit-learn."""

import pytest

from tests.real_models import packages
from tests.real_models.asking import PICTURES, count_known_pictures
from tests.real_models.conftest import Import
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.node


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
    assert count_known_pictures(pods.fetch("Model/lite0", "onnx")) == len(PICTURES)

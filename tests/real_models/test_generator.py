"""TextGeneration with real weights: SmolLM2-135M from its GGUF, in Float32 and Int4."""

from pathlib import Path

import pytest

from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.grounding import FLOOR, choose_names, share_of_right_answers
from tests.real_models.ontology import read_terms
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak

CEILING = 1.60
"""Of the bits per byte: the original needs 1.46, and one that knows nothing but the letters' frequencies needs more than 4."""


def test_a_gguf_becomes_a_generator_whose_four_bits_cost_little(import_model: Import, pods: Pods, obo: Path) -> None:
    spec = {
        "task": "TextGeneration",
        "source": packages.source(packages.SMOLLM2),
        "format": {"type": "GGUF"},
        "onnx": {"precisions": ["Float32", "Int4"]},
    }
    measured = import_model("smollm2", spec)
    exact, rounded = measured["onnx"]["Float32"], measured["onnx"]["Int4"]
    assert measured["parameters"] == 134_515_008
    assert float(exact["maximumDifference"]) < 0.001
    assert float(exact["bitsPerByte"]) == pytest.approx(float(measured["bitsPerByte"]), abs=0.001)
    assert float(rounded["bitsPerByte"]) < CEILING
    assert rounded["sizeBytes"] * 4 <= exact["sizeBytes"]
    weights = pods.version("Model/smollm2").provenance.payload("weights")
    assert weights is not None
    assert weights.attributes["changes"].startswith("dequantized to float32")
    # What is served where nobody names a precision, and how it answers with a fact before it and without.
    assert measured["precision"] == "Float32"
    names, payload = choose_names(read_terms(obo)), pods.fetch("Model/smollm2", "onnx")
    assert share_of_right_answers(payload, names, told=False) < FLOOR / 3
    assert share_of_right_answers(payload, names) >= FLOOR

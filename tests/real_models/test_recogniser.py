"""SpeechRecognition with real weights: Whisper tiny.en from CTranslate2, on a person's voice over a telephone."""

import logging
from pathlib import Path

import pytest

from tests.real_models import packages
from tests.real_models.asking import word_error_rate
from tests.real_models.conftest import Import
from tests.real_models.recordings import choose, fetch_recordings
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak

CEILING = 0.12
"""Of the word error rate. faster-whisper, from the same weights, had 4.8 % on 25 other prompts."""


def test_a_recogniser_from_ctranslate2_hears_what_a_person_says(import_model: Import, pods: Pods, tmp_path: Path) -> None:
    spec = {
        "task": "SpeechRecognition",
        "source": packages.source(packages.WHISPER_TINY_EN),
        "format": {"type": "CTranslate2"},
        "onnx": {"precisions": ["Float32"], "maximumTokens": 128},
    }
    measured = import_model("tiny-en", spec)
    assert measured["parameters"] == 37_760_256
    assert float(measured["onnx"]["Float32"]["maximumDifference"]) < 0.001

    recordings = choose(fetch_recordings(tmp_path / "recordings"), num=24)
    assert len(recordings) == 24
    rate = word_error_rate(pods.fetch("Model/tiny-en", "onnx"), recordings)
    logging.getLogger(__name__).info("word error rate %.3f; %s", rate, measured["onnx"])
    assert rate <= CEILING

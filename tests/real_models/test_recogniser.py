"""SpeechRecognition with real weights: Whisper tiny.en from CTranslate2, on a person's voice over a telephone."""

import json
import logging
from pathlib import Path

import jiwer
import pytest

from llmos.models.generation.speech import SpeechRunner
from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.recordings import choose, fetch_recordings, normalise, read_wav
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

    folder = pods.fetch("Model/tiny-en", "onnx")
    runner, prompt = SpeechRunner(folder), json.loads((folder / "preprocessing.json").read_text())["prompt"]["tokens"]
    recordings = choose(fetch_recordings(tmp_path / "recordings"), num=24)
    assert len(recordings) == 24
    heard = [normalise(runner.transcribe(read_wav(path), prompt, maximum_tokens=100).text) for path, _ in recordings]
    rate = jiwer.wer([said for _, said in recordings], heard)
    logging.getLogger(__name__).info("word error rate %.3f; %s", rate, measured["onnx"])
    assert rate <= CEILING, list(zip(heard, (said for _, said in recordings), strict=True))

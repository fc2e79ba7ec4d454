"""Summarization with real weights: SmolLM2 in four bits, with the instruction that travels with the payload, on definitions."""

import logging
from pathlib import Path

import pytest

from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.ontology import read_terms
from tests.real_models.summaries import LENGTH_CEILING, SUPPORT_FLOOR, Summarizer, choose_texts, measure_support
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak


def test_summaries_are_shorter_and_made_of_their_own_text(import_model: Import, pods: Pods, obo: Path) -> None:
    spec = {
        "task": "Summarization",
        "source": packages.source(packages.SMOLLM2),
        "format": {"type": "GGUF"},
        "onnx": {"precisions": ["Int4"], "maximumTokens": 512},
    }
    import_model("shortener", spec)
    texts = choose_texts(read_terms(obo))
    assert len(texts) == 12
    summarizer = Summarizer(pods.fetch("Model/shortener", "onnx"))
    support = measure_support(texts, [summarizer.summarize(text) for text in texts])
    logging.getLogger(__name__).info("%s", support)
    assert support.others < SUPPORT_FLOOR / 5
    assert support.own >= SUPPORT_FLOOR
    assert support.length <= LENGTH_CEILING

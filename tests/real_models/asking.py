"""Asking what an import has made, with nothing but the files of its payload, as a server does; and how good the answers are.

Must not: train, or import torch.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import jiwer
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images
from tokenizers import Tokenizer

from llmos.models import read_labels
from llmos.models.generation.speech import SpeechRunner
from llmos.models.image_spec import ImageSpec
from llmos.models.measure.session import open_session
from llmos.models.spans import Scheme, decode_spans
from tests.real_models.recordings import normalise, read_wav
from tests.real_models.sentences import labelled

__all__ = ["PICTURES", "Pictures", "Tagger", "count_known_pictures", "span_f1", "word_error_rate"]

PICTURES = {"china.jpg": {"palace", "monastery", "bell cote, bell cot"}, "flower.jpg": {"daisy"}}
"""Pictures that ship with scikit-learn, and what a person would call them among ImageNet's thousand classes."""


class Tagger:
    """Finds spans of text."""

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


def span_f1(find: Callable[[str], set[tuple[int, int]]]) -> float:
    """Return the F1 of exactly the spans that a person labelled."""
    right = found = wanted = 0
    for text, spans in labelled():
        answer = find(text)
        right, found, wanted = right + len(answer & spans), found + len(answer), wanted + len(spans)
    return 2 * right / (found + wanted)


class Pictures:
    """Says what is in a picture."""

    def __init__(self, folder: Path) -> None:
        image = json.loads((folder / "preprocessing.json").read_text())["image"]
        resize = image["resize"]
        self.spec = ImageSpec(
            resize.get("pixels"), image["height"], image["width"], resize["interpolation"], tuple(image["mean"]), tuple(image["std"])
        )
        self.session = open_session(folder / "model.onnx")
        self.labels = [label.name for label in read_labels(folder)]

    def best(self, pixels: NDArray[np.uint8], num: int = 3) -> set[str]:
        """Return the names of the likeliest classes."""
        logits = self.session.run(None, {"pixel_values": self.spec.prepare(Image.fromarray(pixels))[None]})[0][0]
        return {self.labels[int(column)] for column in np.argsort(-logits)[:num]}


def count_known_pictures(folder: Path) -> int:
    """Return of how many of `PICTURES` everything that a person would say is among the three best."""
    pictures, samples = Pictures(folder), load_sample_images()
    found = {Path(name).name: pictures.best(pixels) for name, pixels in zip(samples.filenames, samples.images, strict=True)}
    return sum(found[name] >= expected for name, expected in PICTURES.items())


def word_error_rate(folder: Path, spoken: Sequence[tuple[Path, str]]) -> float:
    """Return the share of words that a recogniser gets wrong, over recordings and what is said in them."""
    runner, prompt = SpeechRunner(folder), json.loads((folder / "preprocessing.json").read_text())["prompt"]["tokens"]
    heard = [normalise(runner.transcribe(read_wav(path), prompt, maximum_tokens=100).text) for path, _ in spoken]
    return float(jiwer.wer([said for _, said in spoken], heard))

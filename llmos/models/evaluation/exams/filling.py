"""Texts in which tokens are masked, to be filled in.

    T tokens, V vocabulary.

Which tokens are masked follows from the text alone (about 15 in a hundred, at least one, by a hash), so that every model with the same
tokenizer is asked the same. All of a text are masked at once, as in training; special tokens and unknown ones never are. Models with
different tokenizers are asked differently, and their numbers are not comparable. Must not: draw at random.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llmos.models.datasets import Example
from llmos.models.evaluation.exams.exam import Asked, Exam
from llmos.models.evaluation.predicting import to_inputs
from llmos.models.evaluation.predictions import CountedPredictions

__all__ = ["FillingExam"]

_PERCENT: Final = 15


class FillingExam(Exam):
    """One row for each text."""

    most_rows = 4
    """One score for each token of the vocabulary at each place: 32 texts would take a gigabyte."""

    def __init__(self, examples: Sequence[Example], asked: Asked) -> None:
        super().__init__(examples, asked)
        tokenizer = Tokenizer.from_file(str(asked.assets / "tokenizer.json"))
        mask = int(json.loads((asked.assets / "preprocessing.json").read_text(encoding="utf-8"))["mask"]["id"])
        unknown = getattr(tokenizer.model, "unk_token", None)
        unknown_id = tokenizer.token_to_id(unknown) if unknown else None
        self.rows = []
        self._places: list[list[int]] = []
        self._truth: list[NDArray[np.int64]] = []
        for example in examples:
            encoded = tokenizer.encode(example.text)
            usable = [
                place
                for place, (id, special) in enumerate(zip(encoded.ids, encoded.special_tokens_mask, strict=True))
                if not special and id != unknown_id
            ]
            places = _choose(example.text, usable)
            row = dict(to_inputs(encoded, asked.input_names))
            self._places.append(places)
            self._truth.append(row["input_ids"][places].copy())
            row["input_ids"][places] = mask
            self.rows.append(row)

    def read(self, row: int, output: NDArray[Any]) -> int:
        """Return how many masked tokens are filled in as they were."""
        places = self._places[row]
        return int(np.sum(output[places].argmax(axis=1) == self._truth[row])) if places else 0

    def collect(self, found: Sequence[Any]) -> CountedPredictions:
        """Return right tokens over masked ones."""
        return CountedPredictions(
            np.asarray(found, dtype=np.float64), np.asarray([len(places) for places in self._places], dtype=np.float64)
        )


def _choose(text: str, usable: Sequence[int]) -> list[int]:
    """Return the places that are masked: those with the smallest hashes."""
    salt = text.encode()
    order = sorted(usable, key=lambda place: hashlib.sha256(b"%d\n%s" % (place, salt)).digest())
    return sorted(order[: max(1, round(len(usable) * _PERCENT / 100))])

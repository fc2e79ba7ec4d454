"""Pairs of texts that belong together: each first text must find its second among those of all items, by the cosine of their vectors.

    N items, K different second texts, D width.

It is the harder the more there are to choose from, so numbers of sets of different sizes are not comparable. Must not: let a text be found
by its position; where another text is exactly as near, it is not found.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from llmos.models.datasets import Example
from llmos.models.evaluation.exams.exam import Asked, Exam
from llmos.models.evaluation.predicting import encode_texts
from llmos.models.evaluation.predictions import CountedPredictions

__all__ = ["FindingExam"]

_AT_ONCE: Final = 1024
"""First texts that are held against all second ones at a time."""


class FindingExam(Exam):
    """A row for each first text, then one for each different second text."""

    def __init__(self, examples: Sequence[Example], asked: Asked) -> None:
        super().__init__(examples, asked)
        seconds = list(dict.fromkeys(str(example.second_text) for example in examples))
        self._seconds = seconds
        column = {text: place for place, text in enumerate(seconds)}
        self._own_N = np.asarray([column[str(example.second_text)] for example in examples], dtype=np.int64)
        texts = [Example(example.text) for example in examples] + [Example(text) for text in seconds]
        self.rows = encode_texts(texts, asked.assets / "tokenizer.json", asked.input_names)

    def collect(self, found: Sequence[Any]) -> CountedPredictions:
        """Return which first texts found their own."""
        count = len(self.examples)
        vectors = _normalise(np.stack(found).astype(np.float64)) if found else np.zeros((0, 1))
        first_ND, second_KD = vectors[:count], vectors[count:]
        hits_N = np.zeros(count, dtype=np.float64)
        nearest: list[str] = []
        for start in range(0, count, _AT_ONCE):
            cosines = first_ND[start : start + _AT_ONCE] @ second_KD.T
            own = self._own_N[start : start + _AT_ONCE]
            row = np.arange(len(own))
            mine = cosines[row, own].copy()
            nearest += [self._seconds[place] for place in cosines.argmax(axis=1)]
            cosines[row, own] = -np.inf
            # Where there is one text alone, there was nothing to choose: it counts as found.
            hits_N[start : start + len(own)] = mine > cosines.max(axis=1)
        return CountedPredictions(hits_N, np.ones(count), tuple(nearest))


def _normalise(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)

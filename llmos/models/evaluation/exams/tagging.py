"""Texts of which spans are to be found: labels of words, joined to spans, and counted against the right ones.

    T tokens, L labels.

A span is found where its first word, its last word and its label are right; nothing is given for half a span. Words that the model did not
read, because the text was cut, count as outside. Must not: align otherwise than `preprocessing.json` tells a server to.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llmos.models.datasets import Example
from llmos.models.evaluation.exams.exam import Asked, Exam
from llmos.models.evaluation.predicting import to_inputs
from llmos.models.evaluation.predictions import CountedPredictions
from llmos.models.spans import OUTSIDE, choose_scheme, decode_spans

__all__ = ["TaggingExam"]

_NOT_READ: Final = -1


class TaggingExam(Exam):
    """One row for each text."""

    def __init__(self, examples: Sequence[Example], asked: Asked) -> None:
        super().__init__(examples, asked)
        tokenizer = Tokenizer.from_file(str(asked.assets / "tokenizer.json"))
        encoded = [tokenizer.encode(example.text) for example in examples]
        self.rows = [to_inputs(each, asked.input_names) for each in encoded]
        self._scheme = choose_scheme(asked.labels)
        self._first = [_find_first_tokens(example, each) for example, each in zip(examples, encoded, strict=True)]

    def read(self, row: int, output: NDArray[Any]) -> list[str]:
        """Return the label of each word."""
        best_T = output.argmax(axis=1)
        labels = self.asked.labels
        return [OUTSIDE if token == _NOT_READ else labels[int(best_T[token])].id for token in self._first[row]]

    def collect(self, found: Sequence[Any]) -> CountedPredictions:
        """Count spans: twice the found ones over the right ones and the claimed ones."""
        counts = [self._count(example, tags) for example, tags in zip(self.examples, found, strict=True)]
        tops, bottoms = zip(*counts, strict=True) if counts else ((), ())
        texts = tuple(" ".join(tags) for tags in found)
        return CountedPredictions(np.asarray(tops, dtype=np.float64), np.asarray(bottoms, dtype=np.float64), texts)

    def _count(self, example: Example, tags: Sequence[str]) -> tuple[int, int]:
        places = [(word, word + 1) for word in range(len(example.tokens))]
        right, claimed = (set(decode_spans(labels, places, self._scheme)) for labels in (example.tags, tags))
        return 2 * len(right & claimed), len(right) + len(claimed)


def _find_first_tokens(example: Example, encoded: Any) -> list[int]:
    """Return each word's first token: the first that stands for some character of it."""
    firsts: list[int] = []
    token, start = 0, 0
    offsets, special = encoded.offsets, encoded.special_tokens_mask
    for word in example.tokens:
        end = start + len(word)
        while token < len(offsets) and (special[token] or offsets[token][1] <= start):
            token += 1
        is_read = token < len(offsets) and offsets[token][0] < end
        firsts.append(token if is_read else _NOT_READ)
        start = end + 1
    return firsts

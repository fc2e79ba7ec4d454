"""A built generator, running: with the runtime and the artifact's own files alone, as a server would.

    T tokens, V vocabulary.

Must not: import torch; measure.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_genai
from numpy.typing import NDArray

from llmos.models.compute import count_cpus

__all__ = ["Generated", "GenerationRunner"]


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer."""

    ids: Sequence[int]
    """Without the prompt's."""

    text: str
    first_token_s: float
    """From the prompt's start to its first token."""

    rest_s: float
    """From the first token to the last."""

    @property
    def tokens_per_second(self) -> float:
        """Of the tokens after the first; 0 where there is at most one."""
        return (len(self.ids) - 1) / self.rest_s if len(self.ids) > 1 and self.rest_s > 0 else 0.0


class GenerationRunner:
    """Opens an artifact folder; greedy, one text at a time."""

    def __init__(self, folder: Path) -> None:
        config = onnxruntime_genai.Config(str(folder))
        threads = f'{{"model": {{"decoder": {{"session_options": {{"intra_op_num_threads": {count_cpus()}}}}}}}}}'
        config.overlay(threads)
        self._model = onnxruntime_genai.Model(config)
        self._tokenizer = onnxruntime_genai.Tokenizer(self._model)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, as the runtime's own tokenizer cuts it."""
        return [int(token) for token in self._tokenizer.encode(text)]

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return logits_TV: what the model expects after each token of one sequence."""
        generator = self._start(ids, len(ids) + 1)
        found: NDArray[np.float32] = np.asarray(generator.get_output("logits"), dtype=np.float32)[0]
        return found

    def generate(self, ids: Sequence[int], *, maximum_new_tokens: int, stops: bool = True) -> Generated:
        """Go on with a sequence, always by the likeliest token.

        Args:
            ids: the prompt.
            maximum_new_tokens: most tokens to make.
            stops: whether an end-of-text token ends it; without, as many are made as were asked for, which is what a timing wants.
        """
        length = len(ids) + maximum_new_tokens
        start = time.perf_counter()
        generator = self._start(ids, length, minimum_length=0 if stops else length)
        generator.generate_next_token()
        first = time.perf_counter()
        for _ in range(maximum_new_tokens - 1):
            if generator.is_done():
                break
            generator.generate_next_token()
        end = time.perf_counter()
        made = [int(token) for token in generator.get_sequence(0)[len(ids) :]]
        return Generated(made, self.decode(made), first - start, end - first)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids."""
        return str(self._tokenizer.decode(np.asarray(ids, dtype=np.int32)))

    def _start(self, ids: Sequence[int], length: int, *, minimum_length: int = 0) -> Any:
        parameters = onnxruntime_genai.GeneratorParams(self._model)
        parameters.set_search_options(max_length=length, min_length=minimum_length, do_sample=False)
        generator = onnxruntime_genai.Generator(self._model, parameters)
        generator.append_tokens(np.asarray(ids, dtype=np.int32))
        return generator

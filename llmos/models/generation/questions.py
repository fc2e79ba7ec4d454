"""Asking a model that writes token by token: what it makes of each item of a set, counted.

    T tokens, V vocabulary, S samples.

The original and every export are asked the same tokens, and answer greedily. Must not: know a metric's interval, or which model answers.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from llmos.errors import ConfigError
from llmos.models.datasets import Example
from llmos.models.evaluation.answering import Tell
from llmos.models.evaluation.predictions import CountedPredictions
from llmos.models.generation.measuring import count_bits
from llmos.models.generation.prompts import PromptSpec
from llmos.models.generation.scoring import count_word_errors, is_acceptable, rouge_l
from llmos.models.recordings import read_recording

__all__ = ["Expectations", "Hearer", "Listening", "Questions", "Writer", "Writing"]

_SHARES: Final[Mapping[str, Callable[[str, Sequence[str]], float]]] = {"AnswerAccuracy": is_acceptable, "RougeL": rouge_l}
NEW_TOKENS: Final[Mapping[str, int]] = {"AnswerAccuracy": 48, "RougeL": 128}
"""At most so many are written."""

SAMPLING_RATE: Final = 16_000
_MOST_SECONDS: Final = 30


class Writer(Protocol):
    """A model of text, in torch or as built."""

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return logits_TV: what the model expects after each token of one sequence."""

    def write(self, ids: Sequence[int], maximum_new_tokens: int) -> Sequence[int]:
        """Go on with a sequence, always by the likeliest token, and return what was added."""


class Hearer(Protocol):
    """A model of speech, in torch or as built."""

    def hear(self, recording: Path, samples_S: NDArray[np.float32]) -> str:
        """Return what is said in a recording, given as file and as samples."""


class Questions(ABC):
    """The items of a set, as a model is asked them one by one."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        """What each item took the model that was asked last."""

    def ask(self, model: Any, examples: Sequence[Example], tell: Tell) -> CountedPredictions:
        """Ask a model all of them."""
        self.seconds = []
        tops, bottoms, texts = [], [], []
        for number, example in enumerate(examples, start=1):
            started = time.perf_counter()
            answer = self.answer(model, example)
            self.seconds.append(time.perf_counter() - started)
            top, bottom, text = self.count(answer, example)
            tops.append(top)
            bottoms.append(bottom)
            texts.append(text)
            tell(number, len(examples))
        return CountedPredictions(np.asarray(tops, dtype=np.float64), np.asarray(bottoms, dtype=np.float64), tuple(texts))

    @property
    def latency_ms(self) -> float | None:
        """The 95th percentile of one whole answer; None where nothing is written."""
        return float(np.percentile(self.seconds, 95)) * 1e3 if self.seconds else None

    @abstractmethod
    def answer(self, model: Any, example: Example) -> Any:
        """Return what a model makes of an item; this is what is timed."""

    @abstractmethod
    def count(self, answer: Any, example: Example) -> tuple[float, float, str]:
        """Return the two counts that a metric adds up, and the answer in words."""


class Expectations(Questions):
    """How many bits each text costs a model, and how many bytes it has; its first token is given, and costs nothing."""

    def __init__(self, tokenizer: Any, *, maximum_tokens: int) -> None:
        """Args: maximum_tokens: a text is cut there."""
        super().__init__()
        self._tokenizer = tokenizer
        self._maximum_tokens = maximum_tokens

    @property
    def latency_ms(self) -> float | None:
        """Nothing is written."""
        return None

    def answer(self, model: Writer, example: Example) -> tuple[float, int]:
        """Return bits and bytes."""
        ids = self._tokenizer(example.text, add_special_tokens=False).input_ids[: self._maximum_tokens - 1]
        if len(ids) < 2:
            return 0.0, 0
        num_bytes = [len(self._tokenizer.decode(piece).encode()) for piece in (ids, ids[:1])]
        return count_bits(model.logits, ids), num_bytes[0] - num_bytes[1]

    def count(self, answer: tuple[float, int], example: Example) -> tuple[float, float, str]:
        """Return them."""
        return answer[0], float(answer[1]), ""


class Writing(Questions):
    """What a model writes about each text, or answers to each question with its facts."""

    def __init__(self, tokenizer: Any, prompt: PromptSpec, *, metric: str, maximum_tokens: int) -> None:
        """Args: metric: AnswerAccuracy or RougeL; maximum_tokens: of prompt and answer together."""
        super().__init__()
        self._tokenizer = tokenizer
        self._prompt = prompt
        self._score = _SHARES[metric]
        self._new_tokens = NEW_TOKENS[metric]
        self._maximum_tokens = maximum_tokens

    def encode(self, example: Example) -> list[int]:
        """Return the prompt of an item; raises ConfigError (InvalidDataset) if it leaves no room for an answer."""
        text, tokenizer, is_chat = self._prompt.fill_grounded(example.text, example.facts), self._tokenizer, self._prompt.is_chat
        if is_chat:
            text = tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
        # A chat template writes what begins a text itself.
        ids: list[int] = list(tokenizer(text, add_special_tokens=not is_chat).input_ids)
        if len(ids) + self._new_tokens > self._maximum_tokens:
            raise ConfigError(
                f"an item of spec.evaluation.dataset has a prompt of {len(ids)} tokens, which leaves no room for an answer of "
                f"{self._new_tokens} within the {self._maximum_tokens} of spec.onnx.maximumTokens; raise that, or leave the item out: "
                f"{example.text!r:.100}",
                reason="InvalidDataset",
            )
        return ids

    def answer(self, model: Writer, example: Example) -> str:
        """Return what was written."""
        written = model.write(self.encode(example), self._new_tokens)
        return str(self._tokenizer.decode(written, skip_special_tokens=True)).strip()

    def count(self, answer: str, example: Example) -> tuple[float, float, str]:
        """Return how right it is, of one."""
        return float(self._score(answer, example.answers)), 1.0, answer


class Listening(Questions):
    """What a model hears in each recording."""

    def __init__(self, media: Mapping[str, Path]) -> None:
        super().__init__()
        self._media = media

    def answer(self, model: Hearer, example: Example) -> str:
        """Return what was heard."""
        assert example.media is not None, "a recording has a file"
        path = self._media[example.media]
        samples_S = read_recording(path, name=example.text, sampling_rate=SAMPLING_RATE)
        if len(samples_S) > _MOST_SECONDS * SAMPLING_RATE:
            raise ConfigError(
                f"{example.text!r:.100} of spec.evaluation.dataset is {len(samples_S) / SAMPLING_RATE:.1f} s long, and the model hears "
                f"{_MOST_SECONDS} at once; cut it",
                reason="InvalidDataset",
            )
        return model.hear(path, samples_S)

    def count(self, answer: str, example: Example) -> tuple[float, float, str]:
        """Return wrong words and right ones."""
        errors, words = count_word_errors(answer, example.answers)
        return float(errors), float(words), answer

"""How good summaries are where nobody has written any: shorter, and made of what the text says.

No package ships texts with summaries of their own. So three things are measured that a summary must do, and that an answer about something
else would not: it is shorter, its words are the text's, and more of them than another text's. Must not: speak of style or truth.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from transformers import AutoTokenizer

from llmos.models.generation import PromptSpec
from llmos.models.generation.runner import GenerationRunner
from tests.real_models.ontology import Term

__all__ = ["LENGTH_CEILING", "SUPPORT_FLOOR", "Summarizer", "Support", "choose_texts", "measure_support"]

SUPPORT_FLOOR = 0.50
"""Of the share of a summary's words of meaning that its text has: 0.6 was measured, in four bits. Of another text's it is 0.01."""

LENGTH_CEILING = 0.75
"""Of a summary's words to its text's, on average; the text itself has 1."""


@dataclass(frozen=True, slots=True)
class Support:
    """What summaries are made of."""

    own: float
    """Share of their words of meaning that their own text has."""

    others: float
    """Share that the next text has: what words of a field share anyway, and the trivial baseline."""

    length: float
    """Words, as a share of the text's."""


def choose_texts(terms: Sequence[Term], *, num: int = 12) -> list[str]:
    """Return definitions of 60 to 100 words, evenly from the whole list, no two of one parent's."""
    found = {term.parents[0]: term.definition for term in terms if term.parents and 60 <= len(term.definition.split()) <= 100}
    texts = list(found.values())
    return texts[:: len(texts) // num][:num]


class Summarizer:
    """Writes with nothing but the files of a payload, as a server does; the chat template is filled by the library that reads it."""

    def __init__(self, folder: Path) -> None:
        prompt = json.loads((folder / "preprocessing.json").read_text())["prompt"]
        self.prompt = PromptSpec(prompt["instruction"], prompt["chatTemplate"])
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.runner = GenerationRunner(folder)

    def summarize(self, text: str, *, maximum_new_tokens: int = 64) -> str:
        message = [{"role": "user", "content": self.prompt.fill(text)}]
        filled = self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        return self.runner.generate(self.runner.encode(filled), maximum_new_tokens=maximum_new_tokens).text


def measure_support(texts: Sequence[str], summaries: Sequence[str]) -> Support:
    """Return averages over the texts; an empty summary is supported by nothing."""
    own = [_share(summary, text) for summary, text in zip(summaries, texts, strict=True)]
    others = [_share(summary, text) for summary, text in zip(summaries, [*texts[1:], texts[0]], strict=True)]
    lengths = [len(summary.split()) / len(text.split()) for summary, text in zip(summaries, texts, strict=True)]
    return Support(float(np.mean(own)), float(np.mean(others)), float(np.mean(lengths)))


def _share(summary: str, text: str) -> float:
    said, known = _words(summary), _words(text)
    return len(said & known) / len(said) if said else 0.0


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in ENGLISH_STOP_WORDS}

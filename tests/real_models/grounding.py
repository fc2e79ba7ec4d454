"""Does a generator answer from what it is told? Asked what doctors call something, with the answer in the prompt, and without.

Without it a small model knows hardly a name; that is the trivial baseline. Must not: judge style.
"""

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer

from llmos.models.generation.runner import GenerationRunner
from tests.real_models.ontology import Term

__all__ = ["FLOOR", "Answerer", "choose_names", "questions", "share_of_right_answers"]

FLOOR = 0.35
"""Of the answers with the name in them: 13 of 24 were measured in four bits, and none without the fact."""


def choose_names(terms: Sequence[Term], *, num: int = 24) -> list[tuple[str, str]]:
    """Return lay names and medical ones that share no word, evenly from the whole list."""
    found = [
        (term.lay_names[0], term.name)
        for term in terms
        if term.lay_names and len(term.name.split()) <= 2 and not set(term.lay_names[0].lower().split()) & set(term.name.lower().split())
    ]
    return found[:: len(found) // num][:num]


class Answerer:
    """Asks with nothing but the files of a payload, as a server does; the chat template is filled by the library that reads it."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.runner = GenerationRunner(folder)

    def answer(self, question: str) -> str:
        filled = self.tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True)
        return self.runner.generate(self.runner.encode(filled), maximum_new_tokens=32).text


def questions(names: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return questions, the fact that answers each, and the name that must be in the answer."""
    return [(f'What do doctors call "{lay}"?', f'Doctors call "{lay}" by the name "{medical}".', medical) for lay, medical in names]


def share_of_right_answers(folder: Path, names: Sequence[tuple[str, str]], *, told: bool = True) -> float:
    """Return how often the medical name is in the answer."""
    answerer, right = Answerer(folder), 0
    for question, fact, medical in questions(names):
        right += medical.lower() in answerer.answer(f"{fact} {question}" if told else question).lower()
    return right / len(names)

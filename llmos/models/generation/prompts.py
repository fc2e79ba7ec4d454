"""What stands around a user's text before a model goes on with it; it travels with the model, so that no server has to guess.

Must not: import torch, or know a runtime.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llmos.models.config import Task

__all__ = ["PromptSpec", "choose_prompt"]

_INSTRUCTIONS: Final[Mapping[Task, str]] = {
    Task.SUMMARIZATION: "Summarize the following text in one or two sentences. Say nothing that it does not say.\n\n{text}"
}
_GROUNDED: Final[Mapping[Task, str]] = {
    Task.TEXT_GENERATION: (
        "Answer the question in as few words as possible. Use nothing but these facts.\n\n{facts}\n\nQuestion: {text}\nAnswer:"
    )
}


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """How a text becomes a prompt."""

    instruction: str
    """With `{text}` once, where the text goes."""

    is_chat: bool
    """Whether the tokenizer's chat template is put around it, as one message of the user's."""

    grounded: str = ""
    """The instruction where there are facts beside the text, with `{facts}` once and then `{text}` once; empty where a task takes none."""

    def fill(self, text: str) -> str:
        """Return the instruction with the text in it; whatever the text looks like, it is only put in."""
        before, _, after = self.instruction.partition("{text}")
        return f"{before}{text}{after}"

    def fill_grounded(self, text: str, facts: Sequence[str]) -> str:
        """Return the grounded instruction with a question and facts in it, a fact a line; without facts it is the question alone."""
        if not facts:
            return self.fill(text)
        before, _, rest = self.grounded.partition("{facts}")
        between, _, after = rest.partition("{text}")
        # A fact that breaks its line could pass for another part of the prompt.
        lines = "\n".join(f"- {' '.join(fact.split())}" for fact in facts)
        return f"{before}{lines}{between}{text}{after}"

    def to_document(self) -> Mapping[str, Any]:
        """Return the `prompt` of `preprocessing.json`."""
        grounded = {"grounded": self.grounded} if self.grounded else {}
        return {"instruction": self.instruction, "chatTemplate": self.is_chat, **grounded}


def choose_prompt(task: Task, *, has_chat_template: bool) -> PromptSpec:
    """Return a task's prompt: the text itself, or an instruction about it."""
    return PromptSpec(_INSTRUCTIONS.get(task, "{text}"), has_chat_template, _GROUNDED.get(task, ""))

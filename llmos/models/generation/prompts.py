"""What stands around a user's text before a model goes on with it; it travels with the model, so that no server has to guess.

Must not: import torch, or know a runtime.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmos.models.config import Task

__all__ = ["PromptSpec", "choose_prompt"]

_INSTRUCTIONS: Final[Mapping[Task, str]] = {
    Task.SUMMARIZATION: "Summarize the following text in one or two sentences. Say nothing that it does not say.\n\n{text}"
}


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """How a text becomes a prompt."""

    instruction: str
    """With `{text}` once, where the text goes."""

    is_chat: bool
    """Whether the tokenizer's chat template is put around it, as one message of the user's."""

    def fill(self, text: str) -> str:
        """Return the instruction with the text in it; whatever the text looks like, it is only put in."""
        before, _, after = self.instruction.partition("{text}")
        return f"{before}{text}{after}"

    def to_document(self) -> Mapping[str, Any]:
        """Return the `prompt` of `preprocessing.json`."""
        return {"instruction": self.instruction, "chatTemplate": self.is_chat}


def choose_prompt(task: Task, *, has_chat_template: bool) -> PromptSpec:
    """Return a task's prompt: the text itself, or an instruction about it."""
    return PromptSpec(_INSTRUCTIONS.get(task, "{text}"), has_chat_template)

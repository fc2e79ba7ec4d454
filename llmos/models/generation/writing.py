"""A causal language model as a set's questions ask it: the original in torch, and what was built from it.

    T tokens, V vocabulary.

Both are greedy, and both obey what the model's own generation settings say beside that (such as a penalty for repetition). Must not: make a
prompt, or count.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmos.models.config import Task
from llmos.models.generation.loading import load_generator
from llmos.models.generation.prompts import PromptSpec, choose_prompt
from llmos.models.generation.runner import GenerationRunner

__all__ = ["BuiltWriter", "TorchWriter"]


class TorchWriter:
    """The original."""

    def __init__(self, folder: Path, task: Task) -> None:
        """Load it; raises as `load_generator`."""
        self._model, self.tokenizer = load_generator(folder, task)
        self.prompt: PromptSpec = choose_prompt(task, has_chat_template=bool(self.tokenizer.chat_template))

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return logits_TV."""
        with torch.inference_mode():
            found: NDArray[np.float32] = self._model(input_ids=torch.tensor([list(ids)])).logits[0].float().numpy()
        return found

    def write(self, ids: Sequence[int], maximum_new_tokens: int) -> Sequence[int]:
        """Go on with a sequence, and return what was added."""
        given = torch.tensor([list(ids)])
        settings: dict[str, Any] = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
        if self._model.generation_config.pad_token_id is None:
            settings["pad_token_id"] = self.tokenizer.pad_token_id or self.tokenizer.eos_token_id or 0
        with torch.inference_mode():
            found = self._model.generate(
                input_ids=given, attention_mask=torch.ones_like(given), max_new_tokens=maximum_new_tokens, **settings
            )
        return [int(token) for token in found[0, given.shape[1] :]]


class BuiltWriter:
    """A built precision, with the runtime and the artifact's own files alone."""

    def __init__(self, folder: Path) -> None:
        self._runner = GenerationRunner(folder)

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return logits_TV."""
        return self._runner.logits(ids)

    def write(self, ids: Sequence[int], maximum_new_tokens: int) -> Sequence[int]:
        """Go on with a sequence, and return what was added."""
        return self._runner.generate(ids, maximum_new_tokens=maximum_new_tokens).ids

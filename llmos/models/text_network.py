"""A text model as one torch module: token ids in, the one tensor that is served out.

    B batch, T tokens, D width; ids and masks are int64, everything else float32.

The same module is exported and compared, so that what was measured is what is served. Must not: know tasks; `text_tasks` does.
"""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from llmos.errors import PermanentError
from llmos.models.network import Network
from llmos.models.serving_files import write_preprocessing
from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["INPUTS", "TextNetwork", "write_tokenizer"]

INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")


class TextNetwork(Network):
    """Wraps a transformers model so that it has one output: its logits, or the mean of its hidden states."""

    def __init__(
        self, model: Any, tokenizer: Any, *, output: TensorSpec, pooling: str | None, is_pair: bool, preprocessing: Mapping[str, Any]
    ) -> None:
        """Args: preprocessing: what the task adds to `preprocessing.json`."""
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        accepted = set(inspect.signature(model.forward).parameters) & set(tokenizer.model_input_names)
        self.inputs = tuple(TensorSpec(name, "INT64", (-1,)) for name in INPUTS if name in accepted)
        self.outputs = (output,)
        self.pooling = pooling
        self.is_pair = is_pair
        self.preprocessing = preprocessing
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self.vocabulary_size = int(model.config.get_text_config().vocab_size)
        self.maximum_positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    def forward(self, input_ids_BT: Tensor, attention_mask_BT: Tensor, token_type_ids_BT: Tensor | None = None) -> Tensor:
        """Return the one output."""
        arguments = {"input_ids": input_ids_BT, "attention_mask": attention_mask_BT}
        if token_type_ids_BT is not None:
            arguments["token_type_ids"] = token_type_ids_BT
        answer = self.model(**arguments)
        if self.pooling is None:
            return answer.logits
        hidden_BTD = answer.last_hidden_state
        mask_BT1 = attention_mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
        # A row of padding alone has no mean; the clamp makes it zero and not NaN.
        return (hidden_BTD * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1.0)

    def choose_shapes(self, maximum_length: int) -> tuple[tuple[int, int], ...]:
        """Return a single short text, and a batch of the longest."""
        return (1, 5), (3, maximum_length)

    def make_inputs(self, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False) -> Inputs:
        """Make random tokens; of a pair, the second text is the second half."""
        batch, tokens = shape
        lengths_B = np.full(batch, tokens) if full else np.maximum(1, tokens - np.arange(batch) * max(1, tokens // (batch + 1)))
        mask_BT = (np.arange(tokens) < lengths_B[:, None]).astype(np.int64)
        ids_BT = generator.integers(0, self.vocabulary_size, shape, dtype=np.int64)
        is_second_BT = (np.arange(tokens) >= lengths_B[:, None] // 2).astype(np.int64) if self.is_pair else np.zeros(shape, dtype=np.int64)
        arrays = {
            "input_ids": np.where(mask_BT == 1, ids_BT, self.pad_id),
            "attention_mask": mask_BT,
            "token_type_ids": is_second_BT * mask_BT,
        }
        return {name: arrays[name] for name in self.input_names}

    def pad(self, inputs: Inputs, length: int) -> Inputs:
        """Pad with the tokenizer's padding, masked."""
        wide = ((0, 0), (0, length - inputs["input_ids"].shape[1]))
        return {name: np.pad(array, wide, constant_values=self.pad_id if name == "input_ids" else 0) for name, array in inputs.items()}

    def write_assets(self, folder: Path, *, maximum_length: int) -> None:
        """Write `tokenizer.json` and `preprocessing.json`."""
        write_tokenizer(self.tokenizer, folder, maximum_tokens=maximum_length)
        document = {
            "maximumTokens": maximum_length,
            "inputs": list(self.input_names),
            "outputs": [tensor.name for tensor in self.outputs],
            "padId": self.pad_id,
            "pooling": self.pooling,
        }
        write_preprocessing(folder, {**document, **self.preprocessing})


def write_tokenizer(tokenizer: Any, folder: Path, *, maximum_tokens: int) -> None:
    """Write `tokenizer.json` as it must be used here: cut at our length, and no padding (publishers leave theirs inside).

    Raises: PermanentError (InvalidSource) if the tokenizer has no such form.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise PermanentError(
            "the tokenizer has no tokenizer.json form, which serving needs; choose a model with one", reason="InvalidSource"
        )
    document = json.loads(backend.to_str())
    document["truncation"] = {"direction": "Right", "max_length": maximum_tokens, "strategy": "LongestFirst", "stride": 0}
    document["padding"] = None
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")

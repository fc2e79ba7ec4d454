"""A text model as one torch module: token ids in, the one tensor that is served out.

    B batch, T tokens, D width, L labels; ids and masks are int64, everything else float32.

The same module is exported and compared, so that what was measured is what is served. Must not: run code that a model folder brings along
(`trust_remote_code` stays off).
"""

import inspect
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from llmos.errors import ConfigError, PermanentError
from llmos.models.config import Task
from llmos.models.labels import read_labels
from llmos.models.network import Network
from llmos.models.serving_files import write_preprocessing
from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["TextNetwork", "load_network"]

_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")


class TextNetwork(Network):
    """Wraps a transformers model so that it has one output: `embedding` [B, D] or `logits` [B, L]."""

    def __init__(self, model: Any, tokenizer: Any, task: Task) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.task = task
        accepted = set(inspect.signature(model.forward).parameters) & set(tokenizer.model_input_names)
        self.inputs = tuple(TensorSpec(name, "INT64", (-1,)) for name in _INPUTS if name in accepted)
        is_embedding = task is Task.FEATURE_EXTRACTION
        self.pooling = "Mean" if is_embedding else None
        width = int(model.config.hidden_size if is_embedding else model.config.num_labels)
        self.outputs = (TensorSpec("embedding" if is_embedding else "logits", "FP32", (width,)),)
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self.vocabulary_size = int(model.config.get_text_config().vocab_size)
        self.maximum_positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    def forward(self, input_ids_BT: Tensor, attention_mask_BT: Tensor, token_type_ids_BT: Tensor | None = None) -> Tensor:
        """Return `embedding` or `logits`."""
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
        """Make random tokens."""
        batch, tokens = shape
        lengths_B = np.full(batch, tokens) if full else np.maximum(1, tokens - np.arange(batch) * max(1, tokens // (batch + 1)))
        mask_BT = (np.arange(tokens) < lengths_B[:, None]).astype(np.int64)
        ids_BT = generator.integers(0, self.vocabulary_size, shape, dtype=np.int64)
        arrays = {
            "input_ids": np.where(mask_BT == 1, ids_BT, self.pad_id),
            "attention_mask": mask_BT,
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        return {name: arrays[name] for name in self.input_names}

    def pad(self, inputs: Inputs, length: int) -> Inputs:
        """Pad with the tokenizer's padding, masked."""
        wide = ((0, 0), (0, length - inputs["input_ids"].shape[1]))
        return {name: np.pad(array, wide, constant_values=self.pad_id if name == "input_ids" else 0) for name, array in inputs.items()}

    def write_assets(self, folder: Path, *, maximum_length: int) -> None:
        """Write `tokenizer.json` and `preprocessing.json`."""
        (folder / "tokenizer.json").write_text(_tokenizer_json(self.tokenizer, maximum_length), encoding="utf-8")
        document = {
            "maximumTokens": maximum_length,
            "inputs": list(self.input_names),
            "outputs": [tensor.name for tensor in self.outputs],
            "padId": self.pad_id,
            "pooling": self.pooling,
        }
        write_preprocessing(folder, document)


def load_network(folder: Path, task: Task) -> TextNetwork:
    """Load a model folder in float32, in evaluation mode, on the CPU.

    Raises: ConfigError: InvalidSource if transformers cannot load it, TaskMismatch if its weights have no head for the task.
    """
    transformers_logging.disable_progress_bar()
    loader = AutoModel if task is Task.FEATURE_EXTRACTION else AutoModelForSequenceClassification
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        # Eager attention exports to a smaller graph than SDPA, and ONNX Runtime runs it a little faster.
        model, info = loader.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ConfigError(
            f"transformers cannot load {folder.name}: {' '.join(str(error).split())[:500]}", reason="InvalidSource"
        ) from error
    _check_weights(info, task)
    network: TextNetwork = TextNetwork(model, tokenizer, task).eval()
    if task is Task.TEXT_CLASSIFICATION and len(read_labels(folder)) != network.outputs[0].dims[0]:
        raise ConfigError(
            f"{folder.name} names {len(read_labels(folder))} labels and its head has {network.outputs[0].dims[0]}", reason="InvalidSource"
        )
    return network


def _check_weights(info: dict[str, Any], task: Task) -> None:
    """Refuse a model of which transformers had to make up weights; it only warns."""
    missing = sorted(str(key) for key in info["missing_keys"])
    mismatched = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"])
    # An encoder saved without its pooler still embeds: mean pooling does not use it.
    needed = [key for key in missing if task is Task.TEXT_CLASSIFICATION or "pooler" not in key] + mismatched
    if (
        needed
        and task is Task.TEXT_CLASSIFICATION
        and all(key.startswith(("classifier", "score", "pooler", "bert.pooler")) for key in needed)
    ):
        raise ConfigError(
            f"spec.task is TextClassification, and the weights have no trained head ({needed[0]} is missing); "
            "use FeatureExtraction, or train a head with a TrainingJob",
            reason="TaskMismatch",
        )
    if needed:
        raise ConfigError(
            f"{len(needed)} weights are missing or of another shape, {needed[0]} first; the file does not fit config.json",
            reason="InvalidSource",
        )


def _tokenizer_json(tokenizer: Any, maximum_tokens: int) -> str:
    """Return the tokenizer as it must be used here: cut at our length, and no padding (publishers leave theirs inside)."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise PermanentError(
            "the tokenizer has no tokenizer.json form, which serving needs; choose a model with one", reason="InvalidSource"
        )
    document = json.loads(backend.to_str())
    document["truncation"] = {"direction": "Right", "max_length": maximum_tokens, "strategy": "LongestFirst", "stride": 0}
    document["padding"] = None
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

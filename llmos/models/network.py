"""A model folder as one torch module: token ids in, the one tensor that is served out.

    B batch, T tokens, D width, L labels; ids and masks are int64, everything else float32.

The same module is exported and compared, so that what was measured is what is served. Must not: run code that a model folder brings along
(`trust_remote_code` stays off).
"""

import inspect
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from llmos.errors import ConfigError
from llmos.models.config import Task
from llmos.models.labels import read_labels

__all__ = ["TextNetwork", "load_network"]

_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")


class TextNetwork(nn.Module):
    """Wraps a transformers model so that it has one output: `embedding` [B, D] or `logits` [B, L]."""

    def __init__(self, model: Any, tokenizer: Any, task: Task) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.task = task
        accepted = set(inspect.signature(model.forward).parameters) & set(tokenizer.model_input_names)
        self.input_names = tuple(name for name in _INPUTS if name in accepted)
        """In the order in which `forward` takes them."""

        self.output_name = "embedding" if task is Task.FEATURE_EXTRACTION else "logits"
        self.pooling = "Mean" if task is Task.FEATURE_EXTRACTION else None
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self.vocabulary_size = int(model.config.get_text_config().vocab_size)
        self.maximum_positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        """Longest input in tokens; None where positions are relative."""

        self.output_size = int(model.config.hidden_size if task is Task.FEATURE_EXTRACTION else model.config.num_labels)

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
    if task is Task.TEXT_CLASSIFICATION and len(read_labels(folder)) != network.output_size:
        raise ConfigError(
            f"{folder.name} names {len(read_labels(folder))} labels and its head has {network.output_size}", reason="InvalidSource"
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

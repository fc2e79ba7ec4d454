"""Loading a folder with transformers, and seeing that every weight the task needs was really in it.

transformers only warns where it had to make up weights; here that is an error. Must not: run code that a model folder brings along
(`trust_remote_code` stays off).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from llmos.errors import ConfigError
from llmos.models.config import Task

__all__ = ["check_vocabulary", "load_part", "load_pretrained", "load_tokenizer"]

_READING_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError)
"""What transformers raises for a folder that it cannot read."""

_VOCABULARIES: Final = ("tokenizer.json", "vocab.txt", "vocab.json")

Part = TypeVar("Part")


def load_part(folder: Path, load: Callable[[], Part]) -> Part:
    """Call something of transformers on a folder; raises ConfigError (InvalidSource) with one line if it cannot read it."""
    transformers_logging.disable_progress_bar()
    try:
        return load()
    except _READING_ERRORS as error:
        raise ConfigError(
            f"transformers cannot load {folder.name}: {' '.join(str(error).split())[:500]}", reason="InvalidSource"
        ) from error


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a folder; raises ConfigError (InvalidSource) if it cannot be read or is not there."""
    # Without these transformers makes a tokenizer up, of no words at all, and says nothing.
    if not any((folder / name).exists() for name in _VOCABULARIES):
        raise ConfigError(
            f"{folder.name} has no tokenizer ({', '.join(_VOCABULARIES)}); add the file that the model was published with",
            reason="InvalidSource",
        )
    return load_part(folder, lambda: AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False))


def check_vocabulary(model: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer of another model; raises ConfigError (InvalidSource)."""
    rows = int(model.get_input_embeddings().num_embeddings)
    if len(tokenizer) > rows:
        raise ConfigError(
            f"the tokenizer knows {len(tokenizer)} tokens, and the model {rows}; they are of different models", reason="InvalidSource"
        )


def load_pretrained(loader: Any, folder: Path, *, task: Task, heads: Sequence[str] = ()) -> Any:
    """Load a model in float32, on the CPU.

    Args:
        loader: an Auto class of transformers, or a model's own.
        heads: how the name of an architecture ends whose weights have a head for the task, such as `ForTokenClassification`; none where
            the body alone is wanted.

    Raises: ConfigError: InvalidSource if transformers cannot load it or weights are missing, TaskMismatch if there is no head for the task.
    """
    model, info = load_part(
        folder,
        # Eager attention exports to a smaller graph than SDPA, and ONNX Runtime runs it a little faster.
        lambda: loader.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        ),
    )
    missing = sorted(str(key) for key in info["missing_keys"])
    mismatched = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"])
    # An encoder saved without its pooler still embeds: the mean of its tokens does not use it.
    needed = [key for key in missing if heads or "pooler" not in key] + mismatched
    if needed and heads and all(_is_head(key, model.base_model_prefix) for key in needed):
        raise _no_head(task, f"the weights have no trained head ({needed[0]} is missing)")
    if needed:
        raise ConfigError(
            f"{len(needed)} weights are missing or of another shape, {needed[0]} first; the file does not fit config.json",
            reason="InvalidSource",
        )
    _check_architecture(folder, task, heads)
    return model


def _is_head(key: str, body: str) -> bool:
    return not key.startswith(f"{body}.") or ".pooler." in key


def _check_architecture(folder: Path, task: Task, heads: Sequence[str]) -> None:
    """Refuse a head of another kind: a sequence classifier's has the very names and shapes of a token classifier's."""
    architectures = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    others = [name for name in architectures if "For" in name and not name.endswith(tuple(heads))]
    if heads and architectures and len(others) == len(architectures):
        raise _no_head(task, f"config.json says that the weights are those of a {others[0]}")


def _no_head(task: Task, why: str) -> ConfigError:
    return ConfigError(
        f"spec.task is {task}, and {why}; {_REMEDIES.get(task, 'choose a model that was trained for it, or another task')}",
        reason="TaskMismatch",
    )


_REMEDIES = {Task.TEXT_CLASSIFICATION: "use FeatureExtraction, or train a head with a TrainingJob"}

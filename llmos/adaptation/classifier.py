"""The network that is trained: a base model with a new classification head, and LoRA beside its linear layers or all weights free.

Must not: train. What is saved is always the merged model, which transformers loads without knowing how it was made.
"""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging as transformers_logging

from llmos.adaptation.config import Method
from llmos.errors import ConfigError
from llmos.models.labels import Label, write_labels
from llmos.models.pretrained import load_tokenizer
from llmos.models.serving_files import build_card

__all__ = ["build_classifier", "count_trained", "save_classifier"]


def build_classifier(folder: Path, labels: Sequence[Label], *, method: Method, seed: int) -> tuple[Any, Any]:
    """Load a base model with a new head of one output for each label, ready to be trained.

    Args:
        folder: a model folder: safetensors, config and tokenizer.
        labels: in the order of the output's columns.
        seed: of the new weights.

    Returns: the model (float32, on the CPU) and its tokenizer.
    Raises: ConfigError: InvalidSource if transformers cannot load it, InvalidSpec if the LoRA rank is not below the model's width.
    """
    transformers_logging.disable_progress_bar()
    ids = [label.id for label in labels]
    try:
        with torch.random.fork_rng(), _no_load_report():
            torch.manual_seed(seed)
            tokenizer = load_tokenizer(folder)
            model = AutoModelForSequenceClassification.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                # As in the export: what was trained is what is served.
                attn_implementation="eager",
                num_labels=len(ids),
                id2label=dict(enumerate(ids)),
                label2id={id: column for column, id in enumerate(ids)},
                problem_type="single_label_classification",
                # The base may have been a classifier of other labels.
                ignore_mismatched_sizes=True,
            )
            return (_add_lora(model, method) if method.type == "LoRA" else model), tokenizer
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ConfigError(
            f"transformers cannot load the base model: {' '.join(str(error).split())[:500]}", reason="InvalidSource"
        ) from error


def count_trained(model: Any) -> int:
    """Return how many numbers the training may change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def save_classifier(model: Any, tokenizer: Any, labels: Sequence[Label], folder: Path, *, facts: Mapping[str, str]) -> Path:
    """Merge what was trained into the model and write it as a new folder: safetensors, config, tokenizer, `labels.json` and a card.

    The same weights give the same bytes: no path, date or name of a machine is left in the files.

    Args:
        facts: rows of the card.
    """
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    folder.mkdir(parents=True)
    merged.to("cpu").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ("config.json", "tokenizer_config.json"):
        _drop(folder / name, ("_name_or_path", "name_or_path"))
    write_labels(folder, labels)
    card = build_card(
        title="A text classifier made by LLMOS",
        facts=facts,
        task="TextClassification",
        library="transformers",
        base_model=facts.get("Base", ""),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def _add_lora(model: Any, method: Method) -> Any:
    """Put LoRA beside every linear layer of the body; the head is trained whole."""
    assert method.rank is not None
    assert method.alpha is not None
    head = {"classifier", "score"}
    linear = [module for name, module in model.named_modules() if isinstance(module, nn.Linear) and name.split(".")[0] not in head]
    narrowest = min((min(module.in_features, module.out_features) for module in linear), default=0)
    if method.rank >= narrowest:
        raise ConfigError(
            f"method.rank is {method.rank}, and the model's narrowest linear layer has {narrowest}; lower it (8 to 64 is usual)",
            reason="InvalidSpec",
        )
    lora = LoraConfig(task_type=TaskType.SEQ_CLS, r=method.rank, lora_alpha=method.alpha, lora_dropout=0.0, target_modules="all-linear")
    with warnings.catch_warnings():
        # peft 0.21 reads a property that transformers 5.23 renamed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        return get_peft_model(model, lora)


def _drop(path: Path, keys: Sequence[str]) -> None:
    document = {key: value for key, value in json.loads(path.read_text(encoding="utf-8")).items() if key not in keys}
    path.write_text(json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _no_load_report() -> Iterator[None]:
    """Keep transformers from warning that the head is new: that is what a new head is."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)

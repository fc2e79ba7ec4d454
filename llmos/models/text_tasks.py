"""Tasks of encoders of text: which head each needs, what comes out of it, and what a server must know to read that.

    T tokens, D width, L labels, V vocabulary.

A new task of this kind is one entry of `TEXT_TASKS`. Must not: know how a graph is exported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from llmos.errors import ConfigError
from llmos.models.config import Task
from llmos.models.labels import check_label_count, read_labels
from llmos.models.pretrained import check_vocabulary, load_pretrained, load_tokenizer
from llmos.models.spans import choose_scheme
from llmos.models.tensors import TensorSpec
from llmos.models.text_network import TextNetwork

__all__ = ["TEXT_TASKS", "TextTask", "load_text_network"]

Describe = Callable[[Any, Any, Path], Mapping[str, Any]]
"""Takes model, tokenizer and folder; returns what the task adds to `preprocessing.json`, or refuses the model."""


@dataclass(frozen=True, slots=True)
class TextTask:
    """What sets a task apart."""

    loader: Any
    heads: tuple[str, ...]
    output: Callable[[Any], TensorSpec]
    """From the model's configuration."""

    describe: Describe = lambda _model, _tokenizer, _folder: {}
    pooling: str | None = None
    is_pair: bool = False


def load_text_network(folder: Path, task: Task) -> TextNetwork:
    """Load a folder with an encoder of text, in evaluation mode; raises as `load_network`."""
    wanted = TEXT_TASKS[task]
    tokenizer = load_tokenizer(folder)
    model = load_pretrained(wanted.loader, folder, task=task, heads=wanted.heads)
    check_vocabulary(model, tokenizer)
    output = wanted.output(model.config)
    if task.has_labels:
        check_label_count(folder, output.dims[-1])
    network: TextNetwork = TextNetwork(
        model,
        tokenizer,
        output=output,
        pooling=wanted.pooling,
        is_pair=wanted.is_pair,
        preprocessing=wanted.describe(model, tokenizer, folder),
    ).eval()
    return network


def _describe_tokens(_model: Any, tokenizer: Any, folder: Path) -> Mapping[str, Any]:
    """Say how labels of tokens become labels of words: a word is labelled by its first token; offsets are code points of the text."""
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            "the tokenizer does not say which characters a token stands for, which TokenClassification needs; choose a model with a "
            "tokenizer.json",
            reason="InvalidSource",
        )
    return {"alignment": {"word": "FirstToken", "offsets": "CodePoints", "scheme": str(choose_scheme(read_labels(folder)))}}


def _describe_pair(model: Any, tokenizer: Any, _folder: Path) -> Mapping[str, Any]:
    """Say that there are two texts, how the tokenizer joins them, and how scores become shares."""
    joined = tokenizer("a", "b", return_special_tokens_mask=True)
    mask = joined["special_tokens_mask"]
    if 1 not in mask[mask.index(0) : len(mask) - mask[::-1].index(0)]:
        raise ConfigError(
            "the tokenizer puts nothing between two texts, so the model could not tell them apart; SequencePair needs a tokenizer.json "
            "whose post_processor has a template for pairs",
            reason="InvalidSource",
        )
    is_single = model.config.num_labels == 1
    is_independent = is_single or model.config.problem_type == "multi_label_classification"
    activation = "None" if model.config.problem_type == "regression" else "Sigmoid" if is_independent else "Softmax"
    # tokenizer.json itself holds the template; its truncation cuts the longer text first.
    return {"texts": 2, "join": "TokenizerTemplate", "activation": activation}


def _describe_mask(_model: Any, tokenizer: Any, _folder: Path) -> Mapping[str, Any]:
    """Say which token stands for what is to be guessed."""
    if tokenizer.mask_token_id is None:
        raise ConfigError(
            "the tokenizer has no mask token, which MaskedLM needs; choose a model that was trained with one", reason="InvalidSource"
        )
    return {"mask": {"id": int(tokenizer.mask_token_id), "token": str(tokenizer.mask_token)}}


def _one_of_each_label(config: Any) -> TensorSpec:
    return TensorSpec("logits", "FP32", (int(config.num_labels),))


TEXT_TASKS: Final[Mapping[Task, TextTask]] = {
    Task.FEATURE_EXTRACTION: TextTask(
        AutoModel, (), lambda config: TensorSpec("embedding", "FP32", (int(config.hidden_size),)), pooling="Mean"
    ),
    Task.TEXT_CLASSIFICATION: TextTask(AutoModelForSequenceClassification, ("ForSequenceClassification",), _one_of_each_label),
    Task.SEQUENCE_PAIR: TextTask(
        AutoModelForSequenceClassification, ("ForSequenceClassification",), _one_of_each_label, _describe_pair, is_pair=True
    ),
    Task.TOKEN_CLASSIFICATION: TextTask(
        AutoModelForTokenClassification,
        ("ForTokenClassification",),
        lambda config: TensorSpec("logits", "FP32", (-1, int(config.num_labels))),
        _describe_tokens,
    ),
    Task.MASKED_LM: TextTask(
        AutoModelForMaskedLM,
        ("ForMaskedLM", "ForPreTraining"),
        lambda config: TensorSpec("logits", "FP32", (-1, int(config.vocab_size))),
        _describe_mask,
    ),
}

"""What stands beside `model.onnx`: Triton's configuration, the tokenizer, labels, how to prepare a text, and a card.

Written once, at export, from the model itself, so that no server has to guess. Must not: import torch, or hold anything of one deployment
(threads, instances): those belong to the pod.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llmos.models.card import Card, render_card
from llmos.models.labels import Label, write_labels
from llmos.models.tensors import TensorSpec

__all__ = [
    "MADE_FROM",
    "MAXIMUM_BATCH",
    "TASK",
    "TRITON_MODEL_NAME",
    "add_temperature",
    "build_card",
    "build_triton_config",
    "write_preprocessing",
    "write_serving_files",
]

TRITON_MODEL_NAME: Final = "model"
TASK: Final = "Task"
MADE_FROM: Final = "Made from weights"
"""Rows of a card that its front matter has, too."""
MAXIMUM_BATCH: Final = 32
"""Most rows Triton joins: bounds the memory and the wait of one run. A CPU gains little beyond a few rows; a GPU takes them all at once."""


def build_triton_config(*, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], is_batched: bool) -> str:
    """Return `config.pbtxt`.

    Args:
        inputs: what goes in, without the batch axis.
        outputs: what comes out, likewise.
        is_batched: whether Triton may join requests of equal length; only where answers were measured not to depend on their neighbours.
            No queue delay is set: requests are joined when they wait anyway, and never made to wait.
    """
    lines = [f'name: "{TRITON_MODEL_NAME}"', 'backend: "onnxruntime"', f"max_batch_size: {MAXIMUM_BATCH if is_batched else 0}"]
    lines += [f"input {{ {_describe(tensor, is_batched)} }}" for tensor in inputs]
    lines += [f"output {{ {_describe(tensor, is_batched)} }}" for tensor in outputs]
    lines += ["dynamic_batching { }"] if is_batched else []
    return "\n".join(lines) + "\n"


def _describe(tensor: TensorSpec, is_batched: bool) -> str:
    # Without batching Triton is told the batch axis as an ordinary one; both forms take and give the same tensors.
    dims = tensor.dims if is_batched else (-1, *tensor.dims)
    return f'name: "{tensor.name}" data_type: TYPE_{tensor.data_type} dims: [ {", ".join(map(str, dims))} ]'


def build_card(*, title: str, facts: Mapping[str, str], task: str = "", library: str = "", base_model: str = "") -> str:
    """Return the card that lies beside the files: what is known for certain, and nothing that changes between two runs.

    What was measured is not in it, for it would be in the payload's digest; `llmos card` writes a card with measurements.

    Args:
        facts: rows; the front matter takes the task and what it was made from out of `TASK` and `MADE_FROM`, unless they are given.
        library: what loads the files.
        base_model: the digest they were made from.
    """
    task, base_model = task or facts.get(TASK, ""), base_model or facts.get(MADE_FROM, "")
    return render_card(Card(title=title, task=task, library=library, base_model=base_model, facts=facts))


def write_preprocessing(folder: Path, document: Mapping[str, Any]) -> None:
    """Write `preprocessing.json`: all a server needs to turn a request into tensors."""
    (folder / "preprocessing.json").write_text(json.dumps(document, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def add_temperature(folder: Path, temperature: float) -> None:
    """Say in `preprocessing.json` by what a server divides logits before the softmax; it is then part of the payload's digest.

    Scores that are no softmax have no temperature.
    """
    document = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
    if document.get("activation", "Softmax") == "Softmax":
        write_preprocessing(folder, {**document, "temperature": temperature})


def write_serving_files(folder: Path, *, config_pbtxt: str, labels: Sequence[Label], card: str) -> None:
    """Write what is the same for every kind of network beside `model.onnx`; `labels.json` only where there are labels."""
    (folder / "config.pbtxt").write_text(config_pbtxt, encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
    if labels:
        write_labels(folder, labels)

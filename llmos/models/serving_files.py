"""What stands beside `model.onnx`: Triton's configuration, the tokenizer, labels, how to prepare a text, and a card.

Written once, at export, from the model itself, so that no server has to guess. Must not: import torch, or hold anything of one deployment
(threads, instances): those belong to the pod.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llmos.models.labels import Label, write_labels

__all__ = ["MAXIMUM_BATCH", "TRITON_MODEL_NAME", "build_card", "build_preprocessing", "build_triton_config", "write_serving_files"]

TRITON_MODEL_NAME: Final = "model"
MAXIMUM_BATCH: Final = 32
"""Most rows Triton joins: bounds the memory and the wait of one run. A CPU gains little beyond a few rows; a GPU takes them all at once."""


def build_triton_config(*, input_names: Sequence[str], output_name: str, output_size: int, is_batched: bool) -> str:
    """Return `config.pbtxt`.

    Args:
        is_batched: whether Triton may join requests of equal length; only where answers were measured not to depend on their neighbours.
            No queue delay is set: requests are joined when they wait anyway, and never made to wait.
    """
    # Without batching Triton is told the batch axis as an ordinary one; both forms take and give the same tensors.
    batch_axis = "" if is_batched else "-1, "
    lines = [f'name: "{TRITON_MODEL_NAME}"', 'backend: "onnxruntime"', f"max_batch_size: {MAXIMUM_BATCH if is_batched else 0}"]
    lines += [f'input {{ name: "{name}" data_type: TYPE_INT64 dims: [ {batch_axis}-1 ] }}' for name in input_names]
    lines += [f'output {{ name: "{output_name}" data_type: TYPE_FP32 dims: [ {batch_axis}{output_size} ] }}']
    lines += ["dynamic_batching { }"] if is_batched else []
    return "\n".join(lines) + "\n"


def build_preprocessing(
    *, input_names: Sequence[str], output_name: str, pad_id: int, pooling: str | None, maximum_tokens: int
) -> dict[str, Any]:
    """Return `preprocessing.json`: all a server needs to turn a text into tensors."""
    return {
        "maximumTokens": maximum_tokens,
        "inputs": list(input_names),
        "outputs": [output_name],
        "padId": pad_id,
        "pooling": pooling,
    }


def build_card(*, title: str, facts: Mapping[str, str]) -> str:
    """Return a model card: what is known for certain, and nothing that changes between two runs."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"# {title}\n\n| | |\n|---|---|\n{rows}\n"


def write_serving_files(
    folder: Path, *, config_pbtxt: str, preprocessing: Mapping[str, Any], tokenizer_json: str, labels: Sequence[Label], card: str
) -> None:
    """Write the files of contract §6 beside `model.onnx`; `labels.json` only where there are labels."""
    (folder / "config.pbtxt").write_text(config_pbtxt, encoding="utf-8")
    (folder / "preprocessing.json").write_text(json.dumps(preprocessing, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
    if labels:
        write_labels(folder, labels)

"""Running a model over labelled texts as a server would: the served tokenizer, no padding, and neighbours only where they are allowed.

    T tokens.

Must not: know a metric, or whether torch or ONNX Runtime answers.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llmos.models.datasets import Example
from llmos.models.tensors import Inputs

__all__ = ["Run", "encode_texts", "predict"]

BATCH: Final = 32
"""Rows of one run: what Triton joins at most."""

Run = Callable[[Inputs], NDArray[Any]]
"""From the inputs of one batch to its first output."""


def encode_texts(examples: Sequence[Example], tokenizer_file: Path, input_names: Sequence[str]) -> list[Inputs]:
    """Return the inputs of each example, int64 [T], cut as the served `tokenizer.json` says."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    rows: list[Inputs] = []
    for example in examples:
        encoded = tokenizer.encode(example.text, example.second_text)
        arrays = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
        rows.append({name: np.asarray(arrays[name], dtype=np.int64) for name in input_names})
    return rows


def predict(
    run: Run, rows: Sequence[Inputs], *, is_batched: bool, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> list[NDArray[Any]]:
    """Return the output of each row, in order.

    Args:
        is_batched: whether rows of one length may run together; an export whose answers move with their neighbours is served alone.
        on_progress: called with the rows done and all rows.
    """
    outputs: dict[int, NDArray[Any]] = {}
    for batch in _plan(rows, BATCH if is_batched else 1):
        names = rows[batch[0]].keys()
        answer = run({name: np.stack([rows[row][name] for row in batch]) for name in names})
        outputs.update(zip(batch, answer, strict=True))
        on_progress(len(outputs), len(rows))
    return [outputs[row] for row in range(len(rows))]


def _plan(rows: Sequence[Inputs], size: int) -> list[list[int]]:
    lengths = [len(next(iter(row.values()))) for row in rows]
    order = sorted(range(len(rows)), key=lambda row: (lengths[row], row))
    batches: list[list[int]] = []
    for row in order:
        if batches and len(batches[-1]) < size and lengths[batches[-1][0]] == lengths[row]:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches

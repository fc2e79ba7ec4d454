"""Running a model over inputs as a server would: no padding, and neighbours only where they are allowed.

    T tokens.

Must not: know a task, a metric, or whether torch or ONNX Runtime answers.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from llmos.models.datasets import Example
from llmos.models.tensors import Inputs

__all__ = ["BATCH", "Run", "encode_texts", "predict", "to_inputs"]

BATCH: Final = 32
"""Rows of one run: what Triton joins at most."""

Run = Callable[[Inputs], NDArray[Any]]
"""From the inputs of one batch to its first output."""


def encode_texts(examples: Sequence[Example], tokenizer_file: Path, input_names: Sequence[str]) -> list[Inputs]:
    """Return the inputs of each example, int64 [T], cut as the served `tokenizer.json` says."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    return [to_inputs(tokenizer.encode(example.text, example.second_text), input_names) for example in examples]


def to_inputs(encoded: Encoding, input_names: Sequence[str]) -> Inputs:
    """Return one text's inputs, int64 [T]."""
    arrays = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
    return {name: np.asarray(arrays[name], dtype=np.int64) for name in input_names}


def predict(
    run: Run,
    rows: Sequence[Inputs],
    *,
    is_batched: bool,
    lengths: Sequence[int] | None = None,
    most: int = BATCH,
    read: Callable[[int, NDArray[Any]], Any] = lambda _row, output: output,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Any]:
    """Return what was read of the output of each row, in order.

    Args:
        rows: taken by their positions, each once, so that they need not all be there at once.
        is_batched: whether rows of one length may run together; an export whose answers move with their neighbours is served alone.
        lengths: of the rows; by default that of each row's first input.
        most: rows that run together at most.
        read: takes a row's position and its output at once; by default the output itself is kept.
        on_progress: called with the rows done and all rows.
    """
    found: dict[int, Any] = {}
    if lengths is None:
        lengths = [len(next(iter(row.values()))) for row in rows]
    for batch in _plan(lengths, most if is_batched else 1):
        inputs = [rows[row] for row in batch]
        answer = run({name: np.stack([each[name] for each in inputs]) for name in inputs[0]})
        found.update((row, read(row, output)) for row, output in zip(batch, answer, strict=True))
        on_progress(len(found), len(rows))
    return [found[row] for row in range(len(rows))]


def _plan(lengths: Sequence[int], size: int) -> list[list[int]]:
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    batches: list[list[int]] = []
    for row in order:
        if batches and len(batches[-1]) < size and lengths[batches[-1][0]] == lengths[row]:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches

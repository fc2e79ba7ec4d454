"""What a built generator is worth beside its original: how far apart their logits are, how well each expects a text, how fast it writes.

    T tokens, V vocabulary.

Bits per byte: how many bits the model needs, on average, for each byte of a text that it has not seen. It is comparable between tokenizers;
lower is better. Must not: decide.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from llmos.models.generation.runner import GenerationRunner

__all__ = ["HELD_OUT_FILE", "Reference", "bits_per_byte", "compare_logits", "count_bits", "measure_speed", "run_reference"]

HELD_OUT_FILE: Final = Path(__file__).with_name("held_out.txt")
"""Written for this measurement and published nowhere before, so that no model has been trained on it."""

_PROMPTS: Final = (slice(0, 5), slice(5, 53))
_SPEED_PROMPT, _SPEED_TOKENS, _SPEED_RUNS = 16, 48, 3

Logits = Callable[[Sequence[int]], NDArray[np.float32]]
"""Ids of one sequence to logits_TV."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What the original answers, kept so that it need not stay in memory."""

    prompts: Sequence[Sequence[int]]
    logits: Sequence[NDArray[np.float32]]
    """One logits_TV for each prompt."""

    held_out: Sequence[int]
    bits_per_byte: float


def run_reference(model: Any, tokenizer: Any, *, maximum_tokens: int) -> Reference:
    """Run the original, a causal language model of transformers, on two pieces of the held-out text, and on all of it."""

    def logits(ids: Sequence[int]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = model(input_ids=torch.tensor([list(ids)])).logits[0].float().numpy()
        return found

    text = HELD_OUT_FILE.read_text(encoding="utf-8")
    ids = tokenizer(text, add_special_tokens=False).input_ids[: maximum_tokens - 1]
    prompts = [ids[piece] for piece in _PROMPTS if ids[piece]]
    return Reference(prompts, [logits(prompt) for prompt in prompts], ids, bits_per_byte(logits, ids, _count_bytes(tokenizer, ids)))


def bits_per_byte(logits: Logits, ids: Sequence[int], num_bytes: Sequence[int]) -> float:
    """Return how many bits the model needs for each byte of a text; the first token is given, and costs nothing.

    Args:
        ids: the text's tokens, at least two.
        num_bytes: how many bytes of the text each token stands for.
    """
    return count_bits(logits, ids) / sum(num_bytes[1:])


def count_bits(logits: Logits, ids: Sequence[int]) -> float:
    """Return how many bits the model needs for a text's tokens, of which there are at least two; the first costs nothing."""
    logits_TV = logits(ids)[:-1].astype(np.float64)
    targets = np.asarray(ids[1:])
    highest_T = logits_TV.max(axis=1)
    normaliser_T = highest_T + np.log(np.exp(logits_TV - highest_T[:, None]).sum(axis=1))
    nats = float((normaliser_T - logits_TV[np.arange(len(targets)), targets]).sum())
    return nats / math.log(2)


def _count_bytes(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """Return the bytes each token stands for: how much longer the text gets by it, which also holds where a letter spans two tokens."""
    lengths = [len(tokenizer.decode(list(ids[: end + 1])).encode()) for end in range(len(ids))]
    return [length - before for before, length in zip([0, *lengths[:-1]], lengths, strict=True)]


def compare_logits(reference: Reference, runner: GenerationRunner, tokenizer: Any) -> Mapping[str, Any]:
    """Return `differences` by shape, `maximumDifference`, how often both expect the same next token, and the bits per byte."""
    found = [runner.logits(prompt) for prompt in reference.prompts]
    pairs = list(zip(found, reference.logits, strict=True))
    differences = {f"1x{len(ours)}": float(np.abs(ours.astype(np.float64) - theirs).max()) for ours, theirs in pairs}
    agreed = np.concatenate([ours.argmax(axis=1) == theirs.argmax(axis=1) for ours, theirs in pairs])
    return {
        "differences": differences,
        "maximumDifference": float(np.max(list(differences.values()))),
        "topTokenAgreement": float(agreed.mean()),
        "bitsPerByte": bits_per_byte(runner.logits, reference.held_out, _count_bytes(tokenizer, reference.held_out)),
    }


def measure_speed(runner: GenerationRunner, reference: Reference) -> Mapping[str, float]:
    """Return tokens per second and milliseconds to the first token: medians of three answers."""
    room = len(reference.held_out)
    prompt = reference.held_out[: max(1, min(_SPEED_PROMPT, room // 2))]
    tokens = min(_SPEED_TOKENS, max(2, room - len(prompt)))
    runs = [runner.generate(prompt, maximum_new_tokens=tokens, stops=False) for _ in range(_SPEED_RUNS)]
    return {
        "tokensPerSecond": float(np.median([run.tokens_per_second for run in runs])),
        "firstTokenMilliseconds": float(np.median([run.first_token_s for run in runs])) * 1e3,
    }

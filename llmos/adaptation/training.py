"""The training loop: AdamW, a short warm-up, a linear decay, gradients clipped at 1.

    B batch, T tokens, L labels, N texts.

An explicit loop and not `transformers.Trainer`: the order of batches, every seed and each progress report are in sight, and the same
inputs give the same weights, which the artifact's digest relies on. Must not: measure quality; that needs the held-out side, which is
never seen here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from llmos.adaptation.batches import plan_batches
from llmos.adaptation.classifier import build_classifier, count_trained
from llmos.adaptation.config import Hyperparameters, Method
from llmos.adaptation.determinism import choose_device, deterministic
from llmos.errors import ConfigError, PermanentError
from llmos.models.labels import Label

__all__ = ["Step", "TrainedClassifier", "predict", "train_classifier"]

_WARM_UP: Final = 0.1
"""Share of the steps in which the learning rate rises."""

_WEIGHT_DECAY: Final = 0.01
_CLIP_NORM: Final = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step, as it is reported."""

    number: int
    """Counted from 1."""

    of: int
    loss: float
    remaining_s: float
    """Estimated from the steps so far."""


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """What a training made."""

    model: Any
    """Not merged yet; see `save_classifier`."""

    tokenizer: Any
    num_trained_parameters: int
    losses: tuple[float, ...]
    """Of each step."""


def train_classifier(
    base: Path,
    texts: Sequence[str],
    targets: Sequence[int],
    labels: Sequence[Label],
    *,
    method: Method,
    hyperparameters: Hyperparameters,
    num_threads: int | None = None,
    on_step: Callable[[Step], None] = lambda _step: None,
) -> TrainedClassifier:
    """Train a classifier on texts.

    Args:
        base: the base model's folder.
        texts: N texts.
        targets: N positions in `labels`.
        labels: in the order of the output's columns.
        num_threads: of the CPU; by default the processors this process may use. Other numbers give weights that differ in the last digits.
        on_step: called after each step.

    Raises: ValueError if there are no texts or the lengths differ; ConfigError as `build_classifier`, and for more tokens than the
        model has positions; PermanentError (TrainingDiverged) if the loss stops being a number.
    """
    if not texts or len(texts) != len(targets):
        raise ValueError(f"texts and targets must be equally many, and some; found {len(texts)} and {len(targets)}")
    seed, device = hyperparameters.seed, choose_device()
    model, tokenizer = build_classifier(base, labels, method=method, seed=seed)
    _check_positions(model, hyperparameters.maximum_tokens)
    tokens = _tokenize(tokenizer, texts, hyperparameters.maximum_tokens)
    plan = [
        batch
        for epoch in range(hyperparameters.epochs)
        for batch in plan_batches([len(ids) for ids in tokens], batch_size=hyperparameters.batch_size, seed=seed, epoch=epoch)
    ]
    losses: list[float] = []
    with deterministic(seed, num_threads=num_threads):
        model.to(device).train()
        optimizer, scheduler = _build_optimizer(model, float(hyperparameters.learning_rate), len(plan))
        start = time.monotonic()
        for number, batch in enumerate(plan, start=1):
            inputs = _pad(tokenizer, [tokens[position] for position in batch], device)
            target_B = torch.tensor([targets[position] for position in batch], device=device)
            losses.append(_train_step(model, optimizer, scheduler, inputs, target_B, number))
            remaining_s = (time.monotonic() - start) / number * (len(plan) - number)
            on_step(Step(number, len(plan), losses[-1], remaining_s))
    return TrainedClassifier(model.eval(), tokenizer, count_trained(model), tuple(losses))


def predict(model: Any, tokenizer: Any, texts: Sequence[str], *, maximum_tokens: int, batch_size: int = 64) -> NDArray[np.float32]:
    """Return the logits [N, L] of texts, in their order."""
    device = next(model.parameters()).device
    tokens = _tokenize(tokenizer, texts, maximum_tokens)
    order = sorted(range(len(tokens)), key=lambda position: len(tokens[position]))
    rows: dict[int, NDArray[np.float32]] = {}
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            logits_BL = model(**_pad(tokenizer, [tokens[position] for position in batch], device)).logits
            rows.update(zip(batch, logits_BL.float().cpu().numpy(), strict=True))
    return np.stack([rows[position] for position in range(len(tokens))])


def _train_step(model: Any, optimizer: Any, scheduler: Any, inputs: dict[str, Tensor], target_B: Tensor, number: int) -> float:
    loss = nn.functional.cross_entropy(model(**inputs).logits, target_B)
    value = float(loss.detach())
    if not np.isfinite(value):
        raise PermanentError(f"the loss is {value} at step {number}; lower hyperparameters.learningRate", reason="TrainingDiverged")
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), _CLIP_NORM)
    optimizer.step()
    scheduler.step()
    return value


def _build_optimizer(model: Any, learning_rate: float, num_steps: int) -> tuple[Any, Any]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=_WEIGHT_DECAY)
    warm_up = max(1, int(num_steps * _WARM_UP))

    def factor(step: int) -> float:
        return (step + 1) / warm_up if step < warm_up else max(0.0, (num_steps - step) / max(1, num_steps - warm_up))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _tokenize(tokenizer: Any, texts: Sequence[str], maximum_tokens: int) -> list[list[int]]:
    """Return token ids, cut, without padding; whatever the tokenizer's file says of both."""
    return list(tokenizer(list(texts), truncation=True, max_length=maximum_tokens, padding=False)["input_ids"])


def _pad(tokenizer: Any, tokens: Sequence[list[int]], device: torch.device) -> dict[str, Tensor]:
    """Return `input_ids` and `attention_mask`, int64 [B, T], T the longest of the batch."""
    width = max(len(ids) for ids in tokens)
    pad_id = tokenizer.pad_token_id or 0
    ids_BT = torch.tensor([ids + [pad_id] * (width - len(ids)) for ids in tokens], device=device)
    mask_BT = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in tokens], device=device)
    return {"input_ids": ids_BT, "attention_mask": mask_BT}


def _check_positions(model: Any, maximum_tokens: int) -> None:
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and maximum_tokens > positions:
        raise ConfigError(
            f"hyperparameters.maximumTokens is {maximum_tokens}, and the base model has {positions} positions; lower it",
            reason="InvalidSpec",
        )

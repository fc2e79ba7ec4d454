"""The order of training: shuffled batches of texts of about one length.

A batch is as wide as its longest text, so texts of equal length together save most of the padding: on names of abnormalities, half the
time. Must not: import torch; the order is part of what a seed stands for.
"""

import random
from collections.abc import Sequence
from typing import Final

__all__ = ["plan_batches"]

_BATCHES_SORTED_TOGETHER: Final = 16
"""Sorting within pieces this large groups lengths well and still mixes the data anew in each epoch."""


def plan_batches(lengths: Sequence[int], *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the batches of one epoch as positions; every position once, the same for the same arguments.

    Args:
        lengths: tokens of each text.
    """
    generator = random.Random(f"{seed}/{epoch}")  # noqa: S311 - no secret
    order = list(range(len(lengths)))
    generator.shuffle(order)
    piece = batch_size * _BATCHES_SORTED_TOGETHER
    batches: list[list[int]] = []
    for start in range(0, len(order), piece):
        # The position breaks ties, so that the order is the seed's alone.
        together = sorted(order[start : start + piece], key=lambda position: (lengths[position], position))
        batches += [together[first : first + batch_size] for first in range(0, len(together), batch_size)]
    generator.shuffle(batches)
    return batches

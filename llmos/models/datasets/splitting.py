"""Choosing whole groups by a hash of the group's id: a group stays where it is whatever else comes or goes.

Must not: look at texts or labels to decide a side.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from llmos.models.datasets.examples import Example

__all__ = ["Parts", "is_chosen", "split_for_evaluation"]


@dataclass(frozen=True, slots=True)
class Parts:
    """An evaluation set's two parts, which share no group."""

    calibration: tuple[Example, ...]
    """For fitting temperatures and quantization scales; never measured on."""

    evaluation: tuple[Example, ...]
    num_straddling: int
    """Items left out because their groups are in both parts."""

    num_left_out: int
    """Items beyond the bound on their number."""


def is_chosen(group: str, *, percent: int, seed: int | str) -> bool:
    """Say whether a group is chosen; of many groups, about `percent` in a hundred are."""
    return _position(f"{seed}\n{group}") % 100 < percent


def split_for_evaluation(examples: Sequence[Example], *, calibration_percent: int, seed: int, maximum_items: int) -> Parts:
    """Split an evaluation set.

    Args:
        calibration_percent: share of the groups; of the items only about.
        maximum_items: of each part; of more, those with the smallest hashes are kept.
    """
    # Another salt than the one that held the items out: with the same, the chosen groups would be the very same ones again.
    salt = f"calibration/{seed}"
    calibration: list[Example] = []
    evaluation: list[Example] = []
    num_straddling = 0
    for example in examples:
        sides = {is_chosen(group, percent=calibration_percent, seed=salt) for group in example.groups or (example.text,)}
        if len(sides) > 1:
            num_straddling += 1
        else:
            (calibration if sides.pop() else evaluation).append(example)
    kept = [_sample(part, maximum_items, seed) for part in (calibration, evaluation)]
    return Parts(kept[0], kept[1], num_straddling, len(calibration) + len(evaluation) - len(kept[0]) - len(kept[1]))


def _sample(examples: Sequence[Example], maximum: int, seed: int) -> tuple[Example, ...]:
    if len(examples) <= maximum:
        return tuple(examples)
    chosen = sorted(range(len(examples)), key=lambda row: (_position(f"items/{seed}\n{examples[row].digest}"), row))[:maximum]
    return tuple(examples[row] for row in sorted(chosen))


def _position(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

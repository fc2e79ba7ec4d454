"""Holding out whole groups, by a hash of the group's id: a group stays on its side whatever else comes or goes.

With a random split, siblings with nearly the same name stand on both sides and a metric measures memory. An item that belongs to groups of
both sides is left out of both. Must not: look at texts or labels to decide a side.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.adaptation.taxonomy import Item, TaxonomyDataset
from llmos.errors import ConfigError
from llmos.models.datasets import is_chosen

__all__ = ["Split", "is_held_out", "split_by_group"]

_SEEDS_TRIED: Final = 1000


@dataclass(frozen=True, slots=True)
class Split:
    """The two sides, each in the dataset's order."""

    train: tuple[Item, ...]
    held_out: tuple[Item, ...]
    num_straddling: int
    """Items left out because their groups are on both sides."""


def is_held_out(group: str, *, percent: int, seed: int) -> bool:
    """Say on which side a group is; of many groups, about `percent` in a hundred are held out."""
    return is_chosen(group, percent=percent, seed=seed)


def split_by_group(dataset: TaxonomyDataset, *, held_out_percent: int, seed: int) -> Split:
    """Split a dataset.

    Raises: ConfigError (InvalidSpec) if nothing is held out, or a label has no example to learn from; the message
        names a seed that works.
    """
    split = _split(dataset.items, held_out_percent, seed)
    if split.held_out and not _find_untrained(dataset, split):
        return split
    remedy = _find_seed(dataset, held_out_percent, seed)
    hint = f"split.seed {remedy} works" if remedy is not None else "lower split.heldOutPercent, or raise data.taxonomy.groupDepth"
    if not split.held_out:
        raise ConfigError(f"split.seed {seed} holds out no item at heldOutPercent {held_out_percent}; {hint}", reason="InvalidSpec")
    names = {label.id: label.name for label in dataset.labels}
    untrained = _find_untrained(dataset, split)
    first = f"{untrained[0]} ({names[untrained[0]]})"
    raise ConfigError(
        f"split.seed {seed} leaves nothing to learn {len(untrained)} of {len(names)} labels from, {first} first, "
        f"because all its groups are held out; {hint}",
        reason="InvalidSpec",
    )


def _split(items: Iterable[Item], percent: int, seed: int) -> Split:
    sides: dict[str, bool] = {}
    train: list[Item] = []
    held_out: list[Item] = []
    num_straddling = 0
    for item in items:
        found = {sides.setdefault(group, is_held_out(group, percent=percent, seed=seed)) for group in item.groups}
        if len(found) > 1:
            num_straddling += 1
        else:
            (held_out if found.pop() else train).append(item)
    return Split(tuple(train), tuple(held_out), num_straddling)


def _find_untrained(dataset: TaxonomyDataset, split: Split) -> Sequence[str]:
    trained = Counter(item.label for item in split.train)
    return [label.id for label in dataset.labels if not trained[label.id]]


def _find_seed(dataset: TaxonomyDataset, percent: int, after: int) -> int | None:
    """Return the next seed that holds something out and leaves every label something."""
    # Only what decides is tried: a thousand splits of ten thousand items would take minutes.
    kinds = {(item.label, item.groups): item for item in dataset.items}.values()
    for seed in range(after + 1, after + 1 + _SEEDS_TRIED):
        split = _split(kinds, percent, seed)
        if split.held_out and not _find_untrained(dataset, split):
            return seed
    return None

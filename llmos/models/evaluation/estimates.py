"""A measured number, the interval it deserves, and how many items would narrow it enough.

    N items, R resamples.

Intervals have 95 %: Wilson's for a share, Tango's score interval (1998) for the difference of two shares on the same items, the percentile
bootstrap for anything else. Tango's does not shrink to nothing where two models agree on every one of a few items; a bootstrap does, so its
intervals are never narrower than what that many items allow where nothing was seen to differ. Items count as independent: another draw of
groups moves a number further. Must not: know a metric.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from llmos.models.evaluation.metrics import Z_95, wilson_interval

__all__ = ["Estimate", "Statistic", "bootstrap", "estimate_share", "estimate_share_drop", "format_decimal", "items_to_decide"]

_Z_POWER: Final = 0.8416212335729143
"""Standard normal quantile of 80 %."""

_RESAMPLES: Final = 1000
_SEED: Final = 20261124
_MOST_ITEMS: Final = 1_000_000_000

Statistic = Callable[[NDArray[np.int64]], float]
"""From how often each item counts [N] to a value; all ones is the set itself."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float
    count: int
    """Items it rests on."""

    deviation: float
    """What one item contributes to the uncertainty: the standard error times the root of `count`."""

    is_share: bool = False
    """Whether it is a plain share, whose uncertainty is known at any value."""

    scale: float = 1.0
    """By how much an item that was not seen may move it, for each share that such items have of all."""

    def to_document(self, name: str) -> dict[str, str]:
        """Return value and bounds as decimals, named as in the contract."""
        return {name: format_decimal(self.value), f"{name}Low": format_decimal(self.low), f"{name}High": format_decimal(self.high)}


def format_decimal(value: float) -> str:
    """Write a number with four decimals; a negative zero is zero."""
    return f"{round(value, 4) + 0.0:.4f}"


def estimate_share(hits_N: NDArray[Any]) -> Estimate:
    """Return the share of items that were right; ValueError if there are none."""
    hits, count = int(np.sum(hits_N)), len(hits_N)
    share = hits / count if count else 0.0
    return Estimate(share, *wilson_interval(hits, count), count, math.sqrt(share * (1 - share)), is_share=True)


def estimate_share_drop(reference_N: NDArray[Any], hits_N: NDArray[Any]) -> Estimate:
    """Return by how much fewer items are right than with a reference, on the same items: positive is worse."""
    reference_N, hits_N = np.asarray(reference_N, dtype=bool), np.asarray(hits_N, dtype=bool)
    if reference_N.shape != hits_N.shape or not len(hits_N):
        raise ValueError(f"both must be of the same items, and some; found {reference_N.shape} and {hits_N.shape}")
    count, lost, won = len(hits_N), int(np.sum(reference_N & ~hits_N)), int(np.sum(~reference_N & hits_N))
    drop = (lost - won) / count
    low, high = (_solve_tango(lost, won, count, z) for z in (Z_95, -Z_95))
    return Estimate(drop, low, high, count, math.sqrt(max(0.0, (lost + won) / count - drop * drop)))


def bootstrap(statistic: Statistic, count: int, *, effective_count: float, scale: float = 1.0) -> Estimate:
    """Return a statistic of items with its bootstrap interval.

    Args:
        count: of items.
        effective_count: items that would tell as much about a share; less than `count` where few of them weigh much.
        scale: by how much an item that was not seen may move the value; 1 for shares.
    """
    ones_N = np.ones(count, dtype=np.int64)
    value = statistic(ones_N)
    generator = np.random.default_rng(_SEED)
    values_R = np.array([statistic(np.bincount(generator.integers(0, count, count), minlength=count)) for _ in range(_RESAMPLES)])
    low, high = np.percentile(values_R, [2.5, 97.5])
    least = scale * _unseen(effective_count)
    return Estimate(
        value,
        min(float(low), value - least),
        max(float(high), value + least),
        count,
        float(np.std(values_R)) * math.sqrt(count),
        scale=scale,
    )


def items_to_decide(estimate: Estimate, bound: float) -> int | None:
    """Return how many items would tell on which side of a bound the value is, if it stays where it is.

    Normal approximation at 5 % and 80 % power, and at least what it takes where not one item was seen to matter. None if it stands so
    near to the bound that no set would tell.
    """
    distance = abs(estimate.value - bound)
    if distance <= 0:
        return None
    at_bound = math.sqrt(bound * (1 - bound)) if estimate.is_share else estimate.deviation
    normal = ((Z_95 * at_bound + _Z_POWER * estimate.deviation) / distance) ** 2
    unseen = Z_95**2 * (estimate.scale - distance) / distance
    needed = math.ceil(max(normal, unseen, estimate.count + 1))
    return needed if needed <= _MOST_ITEMS else None


def _unseen(count: float) -> float:
    """Return the largest share that may well be there when none of so many items showed it: Wilson's and Tango's bound at zero."""
    return Z_95**2 / (count + Z_95**2)


def _solve_tango(lost: int, won: int, count: int, z: float) -> float:
    """Return the difference at which Tango's statistic is z; it falls from left to right."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _tango(lost, won, count, middle) > z:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _tango(lost: int, won: int, count: int, difference: float) -> float:
    a = 2 * count
    b = -lost - won + (2 * count - lost + won) * difference
    c = -won * difference * (1 - difference)
    won_share = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = count * (2 * won_share + difference * (1 - difference))
    distance = lost - won - count * difference
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)

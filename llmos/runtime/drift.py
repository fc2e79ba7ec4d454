"""Whether texts speak of other entities than they used to: the first thousand mentions of a snapshot against the latest thousand.

The measure is the Jensen-Shannon divergence in bits: 0 for equal shares, 1 for shares that have nothing in common. Entities are counted
in 64 buckets by a hash of their id, so a window is 64 numbers whatever the knowledge base, nothing of a text is kept, and chance alone
gives about (64 - 1) / (4 * 1000 * ln 2) = 0.02; from 0.1 on it is worth a look. Both windows are counted in mentions, not in time: a
quiet night does not look like a change. Must not: name an entity in a metric.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["NUM_BUCKETS", "WINDOW_MENTIONS", "EntityDrift", "jensen_shannon"]

NUM_BUCKETS: Final = 64
WINDOW_MENTIONS: Final = 1000


class EntityDrift:
    """What was linked with one snapshot, since this process serves it."""

    def __init__(self) -> None:
        self._first: list[int] | None = None
        self._window = [0] * NUM_BUCKETS
        self._num_mentions = 0

    def add(self, ids: Iterable[str]) -> float | None:
        """Count mentions; returns the divergence when they filled a window that can be compared, else None."""
        found = None
        for id in ids:
            self._window[zlib.crc32(id.encode()) % NUM_BUCKETS] += 1
            self._num_mentions += 1
            if self._num_mentions == WINDOW_MENTIONS:
                found = self._close_window()
        return found

    def _close_window(self) -> float | None:
        window, self._window, self._num_mentions = self._window, [0] * NUM_BUCKETS, 0
        if self._first is None:
            self._first = window
            return None
        return jensen_shannon(self._first, window)


def jensen_shannon(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the Jensen-Shannon divergence, in bits, of the shares that these counts stand for; each must count something."""
    num_first, num_second = sum(first), sum(second)
    total = 0.0
    for left, right in zip(first, second, strict=True):
        p, q = left / num_first, right / num_second
        middle = (p + q) / 2
        total += sum(share * math.log2(share / middle) for share in (p, q) if share) / 2
    return min(max(total, 0.0), 1.0)

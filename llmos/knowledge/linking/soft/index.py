"""The index of names by words and letters, and the search in it.

Each name is two vectors of unit length: the three-letter pieces of its words, and its words; rare features weigh more. A part of a text is
compared with both, and its words bring along the words that stand for them in other names of the same entities ("renal" for "kidney"), as
the snapshot learnt them. The score is the mean of the two cosines, from 0 to 1 (that of the letters alone, where no name has any of the
words), and an entity has that of its best name.

The file is mapped: arrays one after another, as NumPy writes them, never pickled. A search reads at most some hundred thousand entries,
rarest features first, however large the index is. Must not: cut texts, or decide what is good enough.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from llmos.knowledge.linking.soft.features import pieces_of, words_of

__all__ = ["Features", "NgramIndex", "weigh"]

_MOST_ENTRIES: Final = 200_000
_LOWEST_SHARE: Final = 0.5
"""What has a smaller share of the best score is not looked at."""

_BROUGHT_ALONG: Final = 1.4
"""Weight of the words that are brought along, against the words themselves."""

_LAST_BITS: Final = 1e-6
_DIGITS: Final = 6
"""Scores are rounded, so that the last bits of an addition do not decide an order."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Features:
    """One kind of feature: for bucket b, the names that have it are `names[starts[b]:starts[b + 1]]`, with their weights."""

    starts: Array
    """int64 [buckets + 1]"""

    names: Array
    """int32 [entries]"""

    weights: Array
    """float32 [entries]"""

    rarity: Array
    """float32 [buckets]: how much the feature weighs; that of the rarest where no name has it."""

    @property
    def bits(self) -> int:
        """How many bits a bucket's number has."""
        return (len(self.starts) - 1).bit_length() - 1


def weigh(counts: Counter[int], rarity: Array) -> dict[int, float]:
    """Return the vector of unit length of what stands there so often; none for nothing."""
    weights = {bucket: (1 + math.log(count)) * float(rarity[bucket]) for bucket, count in sorted(counts.items())}
    return _unit(weights)


def _unit(weights: dict[int, float]) -> dict[int, float]:
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {bucket: weight / length for bucket, weight in weights.items()} if length else {}


@dataclass(frozen=True, slots=True)
class NgramIndex:
    """Names of entities, to be compared with. Reading is thread-safe: nothing changes after construction."""

    owners: Array
    """int32 [names]: the entity of each name."""

    pieces: Features
    words: Features
    related_starts: Array
    """int64 [word buckets + 1]"""

    related: Array
    """int32 [relations]: buckets of words that stand for a word elsewhere."""

    related_weights: Array
    """float32 [relations]"""

    def save(self, path: Path) -> None:
        """Write the index; equal names give equal bytes."""
        with path.open("wb") as stream:
            for array in self._arrays():
                np.lib.format.write_array(stream, array, allow_pickle=False)

    def _arrays(self) -> list[Array]:
        features = [getattr(kind, field.name) for kind in (self.pieces, self.words) for field in fields(Features)]
        return [self.owners, *features, self.related_starts, self.related, self.related_weights]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map what `save` wrote; OSError or ValueError if it is no index. It is data, never code."""
        arrays: list[Array] = []
        with path.open("rb") as stream:
            for _ in range(12):
                arrays.append(_map_array(stream, path))
        owners, *rest = arrays
        index = cls(owners, Features(*rest[:4]), Features(*rest[4:8]), *rest[8:])
        index._check()
        return index

    def _check(self) -> None:
        for kind in (self.pieces, self.words):
            if len(kind.starts) != len(kind.rarity) + 1 or int(kind.starts[-1]) != len(kind.names) or len(kind.names) != len(kind.weights):
                raise ValueError("the arrays of the index do not belong together")
        if len(self.related_starts) != len(self.words.starts) or int(self.related_starts[-1]) != len(self.related):
            raise ValueError("the arrays of the index do not belong together")

    def search(self, words: Sequence[str], limit: int, *, least: float = 0.0) -> list[tuple[int, float]]:
        """Return at most `limit` entities with at least this score, best first; of equals the smaller number."""
        if not len(self.owners):
            return []
        pieces = weigh(pieces_of(words, self.pieces.bits), self.pieces.rarity)
        meant = self._bring_along(weigh(words_of(words, self.words.bits), self.words.rarity))
        scores = self._compare(self.pieces, pieces)
        # Words that no name has are spelled otherwise, or mean nothing here: only their letters can tell.
        scores = scores + self._compare(self.words, meant) if self._is_known(meant) else 2 * scores
        names = np.flatnonzero(scores >= max(2 * least - _LAST_BITS, _LOWEST_SHARE * float(scores.max()), _LAST_BITS))
        best: dict[int, float] = {}
        for owner, total in zip(self.owners[names].tolist(), scores[names].tolist(), strict=True):
            best[owner] = max(round(total / 2, _DIGITS), best.get(owner, 0.0))
        ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        return [(owner, score) for owner, score in ranked[:limit] if score >= least]

    def _is_known(self, words: dict[int, float]) -> bool:
        return any(self.words.starts[word] < self.words.starts[word + 1] for word in words)

    def _bring_along(self, words: dict[int, float]) -> dict[int, float]:
        related: dict[int, float] = {}
        for word, weight in words.items():
            first, last = int(self.related_starts[word]), int(self.related_starts[word + 1])
            for other, strength in zip(self.related[first:last].tolist(), self.related_weights[first:last].tolist(), strict=True):
                related[other] = related.get(other, 0.0) + weight * strength
        meant = dict(words)
        for other, weight in _unit(related).items():
            meant[other] = meant.get(other, 0.0) + _BROUGHT_ALONG * weight
        return _unit(meant)

    def _compare(self, features: Features, vector: dict[int, float]) -> Array:
        """Return the cosine of each name with the vector, float64 [names]."""
        names: list[Array] = []
        weights: list[Array] = []
        num_entries = 0
        spans = sorted((int(features.starts[bucket + 1]) - int(features.starts[bucket]), bucket) for bucket in vector)
        for size, bucket in spans:
            num_entries += size
            if num_entries > _MOST_ENTRIES:
                break
            first = int(features.starts[bucket])
            names.append(features.names[first : first + size])
            weights.append(features.weights[first : first + size] * vector[bucket])
        if not names:
            return np.zeros(len(self.owners))
        return np.bincount(np.concatenate(names), weights=np.concatenate(weights), minlength=len(self.owners))


def _map_array(stream: Any, path: Path) -> Array:
    """Map the array that begins where the stream stands, and move the stream behind it."""
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"{path.name} has an array of version {version}")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or is_fortran or len(shape) != 1:
        raise ValueError(f"{path.name} has an array that no index has")
    offset = stream.tell()
    size = int(shape[0]) * dtype.itemsize
    if offset + size > path.stat().st_size:
        raise ValueError(f"{path.name} is cut off")
    stream.seek(size, 1)
    # As a plain array: slices of a `memmap` cost several times as much.
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)) if size else np.zeros(shape, dtype)

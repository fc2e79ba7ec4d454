"""A name or a part of a text → what it is compared by: its words, and the three-letter pieces of them.

Features are kept as bucket numbers: a hash of the feature, as many buckets as the snapshot wants. Two features in one bucket blur each
other a little; nothing has to hold the words themselves. Must not: weigh.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

__all__ = ["bucket_bits", "pieces_of", "words_of"]

_PIECE: Final = 3
_FREE: Final = 8
"""Buckets for each different feature, so that few share one."""

_FEWEST_BITS: Final = 6
_MOST_BITS: Final = 22


def bucket_bits(num_features: int) -> int:
    """Return how many bits a bucket's number has, for so many different features."""
    return min(max((num_features * _FREE).bit_length(), _FEWEST_BITS), _MOST_BITS)


def words_of(tokens: Sequence[str], bits: int) -> Counter[int]:
    """Return how often each word stands there, by bucket."""
    return Counter(_bucket("w" + token, bits) for token in tokens)


def pieces_of(tokens: Sequence[str], bits: int) -> Counter[int]:
    """Return how often each piece stands there, by bucket; a word's edges are part of its pieces."""
    pieces: Counter[int] = Counter()
    for token in tokens:
        edged = f" {token} "
        pieces.update(_bucket(edged[at : at + _PIECE], bits) for at in range(max(len(edged) - _PIECE + 1, 1)))
    return pieces


def _bucket(feature: str, bits: int) -> int:
    return zlib.crc32(feature.encode()) & ((1 << bits) - 1)

"""A name or a part of a text → what it is compared by: its words, and the pieces of them, three letters or two Chinese characters long.

Features are kept as bucket numbers: a hash of the feature, as many buckets as the snapshot wants. Two features in one bucket blur each
other a little; nothing has to hold the words themselves. Must not: weigh.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from llmos.knowledge.linking.normalise import is_unspaced

__all__ = ["bucket_bits", "pieces_of", "words_of"]

_PIECE: Final = 3
_RUN_PIECE: Final = 2
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
    for is_run, found in groupby(tokens, key=is_unspaced):
        group = list(found)
        # A Chinese character says as much as a syllable: two of them, over the edges of tokens, are one piece.
        size, words = (_RUN_PIECE, ["".join(group)]) if is_run else (_PIECE, group)
        for word in words:
            edged = f" {word} "
            pieces.update(_bucket(edged[at : at + size], bits) for at in range(max(len(edged) - size + 1, 1)))
    return pieces


def _bucket(feature: str, bits: int) -> int:
    return zlib.crc32(feature.encode()) & ((1 << bits) - 1)

"""Whether items a model is measured on stood in what it was trained on: exactly, or nearly.

Exactly: equal after normalisation (NFKC, case, punctuation, white space). Nearly: of the two texts' character 5-grams, at least nine in ten
are shared (Jaccard). Found exactly and not by sampling: texts so alike must share one of their rarest grams (prefix filtering, Bayardo et
al. 2007), so only those are compared. Must not: decide; a caller says what is too much.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Overlap", "find_overlap", "normalise_text"]

_GRAM: Final = 5
_NEAR_PERCENT: Final = 90


@dataclass(frozen=True, slots=True)
class Overlap:
    """What was found, as positions in the evaluated texts, each with the training text it is like."""

    exact: dict[int, str]
    near: dict[int, str]


def normalise_text(text: str) -> str:
    """Return a text without what does not change what it says: width, case, punctuation, white space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(letter if letter.isalnum() else " " for letter in folded).split())


def find_overlap(texts: Sequence[str], trained: Iterable[str]) -> Overlap:
    """Find the texts that are equal or nearly equal to one of those that were trained on; those are read once and not kept."""
    normal = [normalise_text(text) for text in texts]
    positions: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(normal):
        positions[text].append(position)
    grams = [_grams(text) for text in normal]
    counts = Counter(gram for item in grams for gram in item)
    index: dict[str, list[int]] = defaultdict(list)
    for position, item in enumerate(grams):
        for gram in _prefix(item, counts):
            index[gram].append(position)
    exact: dict[int, str] = {}
    near: dict[int, str] = {}
    for text in trained:
        same = normalise_text(text)
        for position in positions.get(same, ()):
            exact.setdefault(position, text)
        mine = _grams(same)
        candidates = {position for gram in _prefix(mine, counts) for position in index.get(gram, ())}
        for position in candidates - near.keys() - exact.keys():
            if _is_near(mine, grams[position]):
                near[position] = text
    return Overlap(exact, {position: text for position, text in sorted(near.items()) if position not in exact})


def _grams(text: str) -> frozenset[str]:
    padded = f" {text} "
    return frozenset(padded[start : start + _GRAM] for start in range(max(1, len(padded) - _GRAM + 1)))


def _prefix(grams: frozenset[str], counts: Counter[str]) -> list[str]:
    # One order for both sides, the rarest first; sets this alike share one of these.
    ordered = sorted(grams, key=lambda gram: (counts[gram], gram))
    return ordered[: len(grams) + _NEAR_PERCENT * len(grams) // -100 + 1]


def _is_near(left: frozenset[str], right: frozenset[str]) -> bool:
    shared = len(left & right)
    return 100 * shared >= _NEAR_PERCENT * (len(left) + len(right) - shared)

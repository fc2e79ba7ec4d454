"""Soft matching of one text: its parts without a name, each compared with the index, and what is alike enough.

Only the first parts of a text are looked at, so that a request's time stays bounded whatever is sent. Where two parts overlap, the one
with the better score is kept. Must not: know entities but by number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from llmos.knowledge.linking.normalise import is_unspaced
from llmos.knowledge.linking.soft.index import NgramIndex
from llmos.knowledge.linking.soft.settings import SoftSettings
from llmos.knowledge.linking.soft.spans import Part, parts_of

__all__ = ["MAXIMUM_PARTS", "SoftLinker", "SoftMatch"]

MAXIMUM_PARTS: Final = 16

_ONE_WORD_CHINESE: Final = 2
"""So many Chinese characters are one word."""

_ONE_WORD_PERCENT: Final = 80
"""A word alone must be all but a name: "knee" is like every name that has a knee in it, and means none of them."""


@dataclass(frozen=True, slots=True)
class SoftMatch:
    """A part of a text, and the entities that it may mean."""

    start: int
    """First character, in the original text."""

    end: int
    candidates: tuple[tuple[int, float], ...]
    """Entity and score, best first."""


@dataclass(frozen=True, slots=True)
class SoftLinker:
    """Finds what is alike. Reading is thread-safe."""

    index: NgramIndex
    settings: SoftSettings

    def find(self, text: str, taken: Sequence[tuple[int, int]]) -> list[SoftMatch]:
        """Return the matches in order; they overlap neither each other nor the names that were found (`taken`, in order)."""
        matches: list[SoftMatch] = []
        for part in islice(parts_of(text, taken), MAXIMUM_PARTS):
            match = self._compare(part)
            if match is None:
                continue
            if matches and matches[-1].end > match.start:
                if matches[-1].candidates[0][1] >= match.candidates[0][1]:
                    continue
                matches.pop()
            matches.append(match)
        return matches

    def _compare(self, part: Part) -> SoftMatch | None:
        is_one_word = len("".join(part.words)) <= _ONE_WORD_CHINESE if is_unspaced("".join(part.words)) else len(part.words) == 1
        least = max(self.settings.minimum_score_percent, _ONE_WORD_PERCENT if is_one_word else 0) / 100
        found = self.index.search(part.words, self.settings.maximum_candidates, least=least)
        return SoftMatch(part.start, part.end, tuple(found)) if found else None

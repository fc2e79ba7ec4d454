"""Which parts of a text are compared: what lies between the names that were found, cut where one thing ends and another begins.

"My head hurts and I feel dizzy" gives "head hurts" and "feel dizzy": marks and words such as "and" or "I" part them, words such as "of" or
"my" stay inside and are left out of the comparison. Long parts are cut into overlapping ones. Must not: compare.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.linking.names import FUNCTION_WORDS
from llmos.knowledge.linking.normalise import Token, is_unspaced, tokenise

__all__ = ["Part", "parts_of"]

_INNER: Final = frozenset(
    ("a", "an", "at", "from", "her", "his", "in", "into", "my", "of", "on", "our", "over", "the", "their", "this", "to", "under", "your")
)
"""They may stand inside what one thing is called ("pain in my left knee")."""

_MOST_WORDS: Final = 6
_STEP_WORDS: Final = 3
_FEWEST_CHARACTERS: Final = 4
_MARKS: Final = re.compile(r"[^\w\s'’\-/]|\n\s*\n")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text that may mean an entity."""

    start: int
    """First character, in the original text."""

    end: int
    words: tuple[str, ...]
    """Its tokens' keys, without function words."""


def parts_of(text: str, taken: Sequence[tuple[int, int]]) -> Iterator[Part]:
    """Yield the parts, in the order of the text.

    Args:
        text: any text.
        taken: where names were found, in order: first character, and one past the last.
    """
    run: list[Token] = []
    previous_end = 0
    names = iter(taken)
    name = next(names, None)
    for token in tokenise(text):
        is_apart = _MARKS.search(text, previous_end, token.start) is not None
        while name is not None and name[1] <= token.start:
            name = next(names, None)
            is_apart = True
        is_taken = name is not None and name[0] < token.end
        breaks = is_taken or (token.key in FUNCTION_WORDS and token.key not in _INNER)
        if run and (breaks or is_apart):
            yield from _cut(run)
            run = []
        if not breaks:
            run.append(token)
        previous_end = token.end
    yield from _cut(run)


def _cut(run: Sequence[Token]) -> Iterator[Part]:
    """Leave out function words at both ends, and cut what is too long."""
    content = [token for token in run if token.key not in _INNER]
    first = 0
    while first < len(content):
        piece = content[first : first + _MOST_WORDS]
        if sum(2 if is_unspaced(token.key) else len(token.key) for token in piece) >= _FEWEST_CHARACTERS:
            yield Part(piece[0].start, piece[-1].end, tuple(token.key for token in piece))
        if first + _MOST_WORDS >= len(content):
            return
        first += _STEP_WORDS

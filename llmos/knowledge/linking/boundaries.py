"""Short Chinese names: whether a match is a word of the text, or only characters of its neighbours (中风 in 其中风险).

Chinese puts no spaces between words, and a name of two characters stands in much text by chance. The text is cut into words by jieba-rs,
and a match of at most three characters is refused where it cuts a word in two: where a word reaches over one of its ends and not over the
other. A match inside a longer word (高热 in 高热惊厥) stays, and longer names are never asked about.

The segmenter holds 33 MB; it is loaded when the first short Chinese match comes, so other services do not pay for it. Must not: find names.
"""

from collections.abc import Callable
from typing import Final

from llmos.knowledge.linking.normalise import is_unspaced
from llmos.knowledge.linking.traditional import simplify

__all__ = ["word_check"]

_LONGEST_CHECKED: Final = 3


def word_check(text: str) -> Callable[[int, int], bool]:
    """Return a function that says whether the characters from `start` to `end` of this text may be a name."""
    words: list[tuple[int, int]] = []

    def may_be_name(start: int, end: int) -> bool:
        if end - start > _LONGEST_CHECKED or not is_unspaced(text[start:end]):
            return True
        if not words:
            words.extend(_words_by_character(text))
        first, last = words[start], words[end - 1]
        cuts_first = first[0] < start and first[1] < end
        cuts_last = last[0] > start and last[1] > end
        return not (cuts_first or cuts_last)

    return may_be_name


def _words_by_character(text: str) -> list[tuple[int, int]]:
    """Return for each character where the word it belongs to begins and ends."""
    import rjieba  # here, not above: see the module's text

    words: list[tuple[int, int]] = []
    for word in rjieba.cut(simplify(text), False):  # without guessing new words: names of people are not asked for
        span = (len(words), len(words) + len(word))
        words += [span] * len(word)
    return words

"""What a written text is worth beside the texts that would be right.

Texts are compared as words: width, case and punctuation do not count, and every Chinese or Japanese character is a word. Must not: judge a
meaning; "no seizures" holds "seizures", so acceptable answers of a set should be such that a wrong answer does not hold them.
"""

from collections.abc import Sequence

from rapidfuzz.distance import LCSseq, Levenshtein

from llmos.models.datasets.overlap import normalise_text

__all__ = ["count_word_errors", "is_acceptable", "rouge_l", "split_words"]


def split_words(text: str) -> list[str]:
    """Return the words of a text."""
    return "".join(f" {letter} " if _is_word_by_itself(letter) else letter for letter in normalise_text(text)).split()


def is_acceptable(written: str, acceptable: Sequence[str]) -> bool:
    """Say whether one of the acceptable answers stands in what was written, word by word."""
    words = split_words(written)
    return any(_holds(words, split_words(answer)) for answer in acceptable)


def rouge_l(written: str, references: Sequence[str]) -> float:
    """Return ROUGE-L's F1 with the most similar reference: from the longest common subsequence of words."""
    words = split_words(written)
    return max(_rouge_l(words, split_words(reference)) for reference in references)


def count_word_errors(written: str, references: Sequence[str]) -> tuple[int, int]:
    """Return words that were exchanged, missed or added, and all words of the reference with the fewest of them for each word."""
    words = split_words(written)
    counts = [(int(Levenshtein.distance(right, words)), len(right)) for right in map(split_words, references) if right]
    return min(counts, key=lambda count: count[0] / count[1], default=(0, 0))


def _holds(words: Sequence[str], wanted: Sequence[str]) -> bool:
    size = len(wanted)
    return size > 0 and any(words[start : start + size] == wanted for start in range(len(words) - size + 1))


def _rouge_l(words: Sequence[str], right: Sequence[str]) -> float:
    total = len(words) + len(right)
    return 2 * int(LCSseq.similarity(right, words)) / total if total else 0.0


def _is_word_by_itself(letter: str) -> bool:
    code = ord(letter)
    return 0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF

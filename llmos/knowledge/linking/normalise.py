"""Text → tokens with their places in the original text; names and requests go through the same function.

A token is a run of word characters, or one Chinese or Japanese character, for those scripts put no spaces between words. Its key is NFKC,
case-folded, and with traditional Chinese characters simplified. Text that is already NFKC (nearly all text) is tokenised where it stands;
other text is normalised piece by piece, keeping for every character the piece it came from, so that a span always names whole original
characters.
Must not: know what a name is, or drop anything but separators.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.linking.traditional import simplify

__all__ = ["Token", "fold_characters", "is_unspaced", "keys", "tokenise"]

# Han with its extensions and compatibility block, Hiragana, Katakana.
_UNSPACED: Final = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN: Final = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_UNSPACED_ONLY: Final = re.compile(rf"[{_UNSPACED}]+")
_ASCII_TOKEN: Final = re.compile(r"\w+", re.ASCII)
_HALF_WIDTH_VOICED: Final = "\uff9e\uff9f"


@dataclass(frozen=True, slots=True)
class Token:
    """One token."""

    key: str
    """What is compared."""

    start: int
    """First character in the original text."""

    end: int
    """One past the last character."""


def tokenise(text: str) -> list[Token]:
    """Split text into tokens; spans count characters of `text`."""
    if text.isascii():
        return [Token(match[0].lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    if unicodedata.is_normalized("NFKC", text):
        return [Token(_fold(match[0]), match.start(), match.end()) for match in _TOKEN.finditer(simplify(text))]
    normal, starts, ends = _normalise_pieces(text)
    return [Token(_fold(match[0]), starts[match.start()], ends[match.end() - 1]) for match in _TOKEN.finditer(simplify(normal))]


def keys(text: str) -> list[str]:
    """Return only the tokens' keys."""
    if text.isascii():
        # A build asks this for every name of every source.
        return _ASCII_TOKEN.findall(text.lower())
    return [token.key for token in tokenise(text)]


def fold_characters(text: str) -> str:
    """Return the text with apostrophes of one kind and traditional characters simplified: one character for one, case as it is."""
    return text if text.isascii() else simplify(text).replace("\u2019", "'")


def is_unspaced(text: str) -> bool:
    """Say whether all characters belong to scripts that put no spaces between words; each is a token of its own."""
    return _UNSPACED_ONLY.fullmatch(text) is not None


def _fold(token: str) -> str:
    # Case folding can leave NFKC (U+1E9E gives "ss", U+0130 gives two characters), so normalise once more.
    return token.lower() if token.isascii() else unicodedata.normalize("NFKC", token.casefold())


def _normalise_pieces(text: str) -> tuple[str, list[int], list[int]]:
    """Normalise each piece (a character and what combines with it), remembering the piece's place for every character that comes out."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    start = 0
    for index in range(1, len(text) + 1):
        if index < len(text) and _combines(text[index]):
            continue
        normal = unicodedata.normalize("NFKC", text[start:index])
        pieces.append(normal)
        starts += [start] * len(normal)
        ends += [index] * len(normal)
        start = index
    return "".join(pieces), starts, ends


def _combines(character: str) -> bool:
    """Say whether this character may join the one before it under NFKC."""
    return (
        unicodedata.category(character).startswith("M")
        or "\u1160" <= character <= "\u11ff"  # Hangul vowels and finals
        or character in _HALF_WIDTH_VOICED
    )

"""Which names can be found in text, and as what key.

A key is a name's tokens. Besides the names as the sources write them, a name whose last word is an ordinary English word gets its plural
("low muscle tones", "abnormalities"), unless that already is a name: an exact name always beats a guess. Nothing else is stemmed, and it
happens here, once, when a file is parsed, so that finding stays an exact match.
Must not: search; `linker` does. Choose by language or length; a build does, when it has all names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from llmos.knowledge.linking.normalise import is_unspaced, keys
from llmos.knowledge.linking.soft.settings import SoftSettings

__all__ = ["FUNCTION_WORDS", "MAXIMUM_KEY_BYTES", "TOKEN_END", "Findable", "LinkingSettings", "encode_key", "findable"]

# Closed-class English words. A name made only of these ("All" is the root of the Human Phenotype Ontology) would be found everywhere.
_FUNCTION_WORDS: Final = """
a about after all also an and any are as at be been before both but by can could did do does each either else for from had has
have he her here him his how i if in into is it its just many may me might more most much must my neither no none nor not of off
on one only or other our out over own same shall she should so some such than that the their them then there these they this those
through to too two under until up upon us very was we were what when where which while who whom whose why will with within without
would yes yet you your
"""
FUNCTION_WORDS: Final = frozenset(_FUNCTION_WORDS.split())

_MINIMUM_PLURAL_CHARACTERS: Final = 4

TOKEN_END: Final = "\x03"  # noqa: S105 - no password
"""Ends every token of a key; no token holds it, for tokens are word characters only."""

MAXIMUM_KEY_BYTES: Final = 4096
"""Longer names are kept, and are not looked for: the linker looks no further ahead than this."""


@dataclass(frozen=True, slots=True)
class LinkingSettings:
    """The `linking` block of a KnowledgeBase."""

    languages: tuple[str, ...] = ("en",)
    """Names of other languages are kept, and are not looked for. An entity is shown by its name in the first of these that it has."""

    minimum_name_characters: int = 3
    """Shorter names are kept, and are not looked for. Counted without spaces and punctuation; a Chinese character counts as two."""

    soft: SoftSettings | None = None
    """How parts of a text are matched that are no name; None: not at all."""

    def to_document(self) -> dict[str, object]:
        """Return the resource's form of it."""
        soft = {"soft": self.soft.to_document()} if self.soft else {}
        return {"languages": list(self.languages), "minimumNameCharacters": self.minimum_name_characters, **soft}


class Findable(NamedTuple):
    """What is looked for where a name stands."""

    key: str
    """The name's tokens; empty where they are none, only such as "all" or "other", or too many."""

    plural: str
    """The tokens of its regular English plural, if it has one."""

    characters: int
    """Length without spaces and punctuation; a Chinese or Japanese character, which says as much as a syllable, counts as two."""


def encode_key(tokens: Iterable[str]) -> str:
    """Write tokens so that one key is a prefix of another text's only where its tokens are the first tokens of that text."""
    return "".join(token + TOKEN_END for token in tokens)


def findable(text: str) -> Findable:
    """Say what will be looked for, to find a name."""
    tokens = keys(text)
    key = encode_key(tokens) if _is_findable(tokens) else ""
    if not key or (len(key) > MAXIMUM_KEY_BYTES // 4 - 1 and len(key.encode()) + 2 > MAXIMUM_KEY_BYTES):
        return Findable("", "", 0)
    plural = _plural(tokens[-1])
    # Every token ends with one character more; only a text that is not ASCII has tokens that count double.
    num_characters = len(key) - len(tokens) if text.isascii() else sum(map(_num_characters, tokens))
    return Findable(key, f"{key[: -len(tokens[-1]) - 1]}{plural}{TOKEN_END}" if plural else "", num_characters)


def _num_characters(token: str) -> int:
    return 2 if is_unspaced(token) else len(token)


def _is_findable(tokens: Sequence[str]) -> bool:
    return not all(token in FUNCTION_WORDS for token in tokens)


def _plural(word: str) -> str:
    """Return the regular plural of an English word, or nothing where it would be a guess."""
    if len(word) < _MINIMUM_PLURAL_CHARACTERS or not (word.isascii() and word.isalpha()) or word.endswith(("s", "x", "z", "ch", "sh")):
        return ""
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"

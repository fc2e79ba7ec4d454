"""Which names can be found in text: the table from key to candidates that the automaton is built from.

A key is a name's tokens. Besides the names as the sources write them, a name whose last word is an ordinary English word gets its plural
("low muscle tones", "abnormalities"), unless that already is a name: an exact name always beats a guess. Nothing else is stemmed, and it
happens here, once, so that finding stays an exact match of what the table holds.
Must not: search; `linker` does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.building.content import Name
from llmos.knowledge.linking.normalise import keys
from llmos.knowledge.sink import Scope

__all__ = ["FUNCTION_WORDS", "LinkingSettings", "NameTable", "build_name_table", "encode_key"]

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
_RANKS: Final = {scope: rank for rank, scope in enumerate(Scope)}
_PLURAL_RANK: Final = 10


@dataclass(frozen=True, slots=True)
class LinkingSettings:
    """The `linking` block of a KnowledgeBase."""

    languages: tuple[str, ...] = ("en",)
    """Names of other languages are kept, and are not looked for."""

    minimum_name_characters: int = 3
    """Shorter names are kept, and are not looked for. Counted without spaces and punctuation."""

    def to_document(self) -> dict[str, object]:
        """Return the resource's form of it, languages sorted: their order means nothing."""
        return {"languages": sorted(self.languages), "minimumNameCharacters": self.minimum_name_characters}


@dataclass(frozen=True, slots=True)
class NameTable:
    """Keys, sorted, and for each its candidates, best first."""

    keys: Sequence[bytes]
    candidates: Sequence[Sequence[tuple[int, str]]]
    """For each key: (rank, entity), sorted; rank 0 is a preferred name."""

    num_plurals: int
    """How many keys are plurals that no source writes."""


def encode_key(tokens: Iterable[str]) -> bytes:
    """Write tokens so that a match of bytes can only be a match of whole tokens.

    Two different marks, before and after each token, make leftmost-longest over bytes the same as leftmost-longest over tokens; neither
    byte occurs in a token, which holds word characters only.
    """
    return "".join(f"\x02{token}\x03" for token in tokens).encode()


def build_name_table(names: Iterable[Name], settings: LinkingSettings) -> NameTable:
    """Choose the names that can be found, and add plurals."""
    languages = {language.lower() for language in settings.languages}
    found: dict[tuple[str, ...], set[tuple[int, str]]] = {}
    for name in names:
        tokens = tuple(keys(name.text))
        if _speaks(name.language, languages) and _is_findable(tokens, settings):
            found.setdefault(tokens, set()).add((_RANKS[name.scope], name.entity))
    plurals: dict[tuple[str, ...], set[tuple[int, str]]] = {}
    if "en" in {language.partition("-")[0] for language in languages}:
        for tokens, candidates in found.items():
            plural = (*tokens[:-1], _plural(tokens[-1]))
            if plural[-1] and plural not in found:
                plurals.setdefault(plural, set()).update((rank + _PLURAL_RANK, entity) for rank, entity in candidates)
    table = sorted((encode_key(tokens), _best(candidates)) for tokens, candidates in (found | plurals).items())
    return NameTable(keys=[key for key, _ in table], candidates=[candidates for _, candidates in table], num_plurals=len(plurals))


def _speaks(language: str, languages: set[str]) -> bool:
    return language.lower() in languages or language.partition("-")[0].lower() in languages


def _is_findable(tokens: Sequence[str], settings: LinkingSettings) -> bool:
    return sum(map(len, tokens)) >= settings.minimum_name_characters and not all(token in FUNCTION_WORDS for token in tokens)


def _plural(word: str) -> str:
    """Return the regular plural of an English word, or nothing where it would be a guess."""
    if len(word) < _MINIMUM_PLURAL_CHARACTERS or not (word.isascii() and word.isalpha()) or word.endswith(("s", "x", "z", "ch", "sh")):
        return ""
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _best(candidates: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Keep each entity once, by its best rank."""
    ranks: dict[str, int] = {}
    for rank, entity in candidates:
        ranks[entity] = min(rank, ranks.get(entity, rank))
    return sorted((rank, entity) for entity, rank in ranks.items())

"""What a text says of each mention: Present, Negated, Hypothetical, Other (someone else) or Past.

The method is ConText (Harkema, Dowling, Thornblade and Chapman, 2009), the successor of NegEx: trigger phrases give a status to the
mentions after or before them, as far as their reach goes and no terminator comes between; pseudo-triggers hold a trigger's words and mean
nothing; the longest phrase at a place wins. It reads words, no grammar. Where several statuses hold, the first of `Status` is kept, so
"my mother had no fever" is Other. A phrase that overlaps a mention is part of a name and triggers nothing.

English and Chinese are read together, sentence by sentence; only sentences with a mention are looked at. Must not: know entities.
"""

import re
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Final

from llmos.knowledge.linking.lexicon import Direction, Lexicon, Reach, Rule, Status
from llmos.knowledge.linking.normalise import fold_characters
from llmos.knowledge.linking.words_chinese import CHINESE
from llmos.knowledge.linking.words_english import ENGLISH

__all__ = ["Status", "assert_status"]

_HAN: Final = "\u3400-\u9fff"
_TOKEN: Final = re.compile(rf"[a-z0-9]+(?:'[a-z]+)?|[{_HAN}]|[,;:()?？+/]|(?<![^\W_])-(?![^\W_])")
# A full stop inside a number or an abbreviation ("3.5", "e.g.") ends nothing: white space must follow. A new line ends a sentence where
# something new begins; text wrapped in the middle of a sentence goes on in lower case.
_SENTENCE_END: Final = re.compile(r"[.!;](?=\s|$)|[?？]|[。!;](?!\s*\))|\n(?=\s*(?:[A-Z0-9*•\n\-]|[\u3400-\u9fff]))")
_ONE_FOR_ONE: Final = {ord(wide): narrow for wide, narrow in zip("，；：（）！’－＋", ",;:()!'-+", strict=True)}
_NUMERALS: Final = frozenset("一二两三四五六七八九十百几数多半") | {
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
}
_NUMBER: Final = "#"
_YEAR_DIGITS: Final = 4
_YEAR: Final = "@"
_START: Final = "^"
_END: Final = "$"
_GROUP: Final = re.compile(r"\{(\w+)\}")
_PLACES: Final = {status: place for place, status in enumerate(Status)}


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a phrase does where it stands."""

    rules: tuple[tuple[Status, Direction, Reach], ...] = ()
    ends: frozenset[Status] = frozenset()


@dataclass(frozen=True, slots=True)
class _Found:
    """A phrase at a place of a sentence."""

    first: int
    """Index of its first token."""

    last: int
    """One past its last token."""

    meaning: _Meaning


def assert_status(text: str, spans: Sequence[tuple[int, int]]) -> list[Status]:
    """Say the status of each mention.

    Args:
        text: what the mentions stand in.
        spans: first character and one past the last of each mention, in the order of the text, not overlapping.

    Returns: a status for each span.
    """
    statuses: list[Status] = []
    if not spans:
        return statuses
    folded = fold_characters(text).translate(_ONE_FOR_ONE)
    lower = folded.lower() if folded.isascii() else "".join(_lower(character) for character in folded)
    ends = [match.end() for match in _SENTENCE_END.finditer(folded)]
    index = 0
    while index < len(spans):
        place = bisect_left(ends, spans[index][1])
        start = ends[place - 1] if place else 0
        end = ends[place] if place < len(ends) else len(text)
        last = index + 1
        while last < len(spans) and spans[last][0] < end:
            last += 1
        statuses += _assert_sentence(lower, start, max(end, spans[last - 1][1]), spans[index:last])
        index = last
    return statuses


def _lower(character: str) -> str:
    # One character for one, so that places stay those of the text: U+0130 would become two.
    lower = character.lower()
    return lower if len(lower) == 1 else character


def _assert_sentence(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> list[Status]:
    tokens, mentions = _tokenise(text, start, end, spans)
    found = list(_find(tokens))
    holding: list[set[Status]] = [set() for _ in spans]
    for phrase in found:
        for status, direction, reach in phrase.meaning.rules:
            first, last = _scope(tokens, found, phrase, status, direction, reach)
            for place, statuses in zip(mentions, holding, strict=True):
                if first <= place < last:
                    statuses.add(status)
    return [_strongest(statuses) for statuses in holding]


def _strongest(statuses: set[Status]) -> Status:
    if Status.Present in statuses:
        statuses -= {Status.Hypothetical, Status.Past}
    return min(statuses, key=_PLACES.__getitem__, default=Status.Present)


def _tokenise(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[list[str], list[int]]:
    """Return the sentence's tokens, an empty one for each mention, and where the mentions are among them."""
    tokens = [_START]
    mentions = []
    at = start
    for first, last in spans:
        tokens += _TOKEN.findall(text, at, max(at, first))
        mentions.append(len(tokens))
        tokens.append("")
        at = max(at, last)
    tokens += _TOKEN.findall(text, at, end)
    tokens.append(_END)
    return tokens, mentions


def _find(tokens: Sequence[str]) -> Iterator[_Found]:
    """Find the phrases, the longest at each place, not overlapping."""
    root = _phrases()
    starts = root.keys()
    at = 0
    size = len(tokens)
    while at < size:
        token = tokens[at]
        if token not in starts and token.isalpha() and token not in _NUMERALS:  # nearly all words: the quick way past them
            at += 1
            continue
        node = _step(root, token)
        index = at + 1
        found: _Found | None = None
        while node is not None:
            meaning = node.get("")
            if meaning is not None:
                found = _Found(at, index, meaning)
            node = _step(node, tokens[index]) if index < size else None
            index += 1
        if found is None:
            at += 1
        else:
            yield found
            at = found.last


def _step(node: dict[str, Any], token: str) -> Any:
    if not token:
        return None
    following = node.get(token)
    if following is not None:
        return following
    if token.isdigit() or token in _NUMERALS:
        is_year = len(token) == _YEAR_DIGITS and token[:2] in {"19", "20"}
        return (node.get(_YEAR) if is_year else None) or node.get(_NUMBER)
    return node.get(token[:-2]) if token.endswith("'s") else None


def _scope(
    tokens: Sequence[str], found: Sequence[_Found], phrase: _Found, status: Status, direction: Direction, reach: Reach
) -> tuple[int, int]:
    """Return the tokens that a trigger speaks of, as first and one past the last."""
    if direction is Direction.Forward:
        if reach is Reach.Adjacent:
            return phrase.last, phrase.last + 1
        end = next((other.first for other in found if other.first >= phrase.last and status in other.meaning.ends), len(tokens))
        stop = _next_comma(tokens, phrase.last, end, reach)
        return phrase.last, stop
    if reach is Reach.Adjacent:
        return phrase.first - 1, phrase.first
    begin = max((other.last for other in found if other.last <= phrase.first and status in other.meaning.ends), default=0)
    return _previous_comma(tokens, begin, phrase.first, reach), phrase.first


def _next_comma(tokens: Sequence[str], start: int, end: int, reach: Reach) -> int:
    """Return where a clause that begins at `start` ends."""
    if reach is Reach.Sentence:
        return end
    for index in range(start, end):
        if tokens[index] == ")":
            return index
        if tokens[index] == "," and not (reach is Reach.List and not {"or", "nor"}.isdisjoint(tokens[index:end])):
            return index
    return end


def _previous_comma(tokens: Sequence[str], begin: int, end: int, reach: Reach) -> int:
    """Return where a clause that ends before `end` begins."""
    if reach is Reach.Sentence:
        return begin
    for index in range(end - 1, begin - 1, -1):
        if tokens[index] == "," and not (reach is Reach.List and not {"or", "and"}.isdisjoint(tokens[index:end])):
            return index + 1
    return begin


@cache
def _phrases() -> dict[str, Any]:
    """Return the trie of all phrases: token → node, and under the empty token what the phrase means."""
    root: dict[str, Any] = {}
    for lexicon in (ENGLISH, CHINESE):
        for phrase in _expand(lexicon, lexicon.pseudo):
            _add(root, phrase, _Meaning())
        for words, statuses in lexicon.terminators:
            for phrase in _expand(lexicon, words):
                _add(root, phrase, _Meaning(ends=frozenset(statuses)))
        for rule in lexicon.rules:
            _add_rule(root, lexicon, rule)
    return root


def _add_rule(root: dict[str, Any], lexicon: Lexicon, rule: Rule) -> None:
    meaning = _Meaning(rules=((rule.status, rule.direction, rule.reach),))
    for phrase in _expand(lexicon, rule.phrases):
        _add(root, phrase, meaning)


def _add(root: dict[str, Any], phrase: str, meaning: _Meaning) -> None:
    node = root
    # `^`, `$`, `#` and `@` are no words of a text.
    tokens = re.findall(rf"[\^$#@]|{_TOKEN.pattern}", phrase)
    assert tokens, phrase
    for token in tokens:
        node = node.setdefault(sys.intern(token), {})
    known = node.get("")
    node[""] = meaning if known is None else _Meaning(known.rules + meaning.rules, known.ends | meaning.ends)


def _expand(lexicon: Lexicon, phrases: str) -> Iterator[str]:
    """Split a list of phrases and put each phrase of a group in the place of its name."""
    for phrase in filter(None, (part.strip() for part in re.split(r"[|\n]", phrases))):
        names = _GROUP.findall(phrase)
        choices = [list(_expand(lexicon, lexicon.groups[name])) for name in names]
        for chosen in product(*choices):
            filled = phrase
            for name, words in zip(names, chosen, strict=True):
                filled = filled.replace(f"{{{name}}}", words, 1)
            yield filled

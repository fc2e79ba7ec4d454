"""Names in text, leftmost and longest, by whole tokens.

The automaton is daachorse's double-array Aho–Corasick over bytes: one pass over the text whatever the number of names, loaded from its
file in tens of milliseconds. It knows keys only by their index; `Snapshot` says what they mean.
Must not: know entities or a database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import daachorse

from llmos.knowledge.linking.normalise import tokenise

__all__ = ["Linker", "Match"]


@dataclass(frozen=True, slots=True)
class Match:
    """One place in the text that is a name."""

    key: int
    """Index of the key in the sorted name table."""

    start: int
    """First character, in the original text."""

    end: int
    """One past the last character."""


class Linker:
    """Finds keys in text. Reading is thread-safe: nothing changes after construction."""

    def __init__(self, automaton: Any) -> None:
        self._automaton = automaton

    @classmethod
    def build(cls, keys: Sequence[bytes]) -> Self:
        """Build from the sorted keys of a name table."""
        return cls(daachorse.DoubleArrayAhoCorasick(list(keys), daachorse.MATCH_KIND_LEFTMOST_LONGEST))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Load what `to_bytes` wrote; ValueError if it is not an automaton. It is data, never code."""
        return cls(daachorse.DoubleArrayAhoCorasick.deserialize(data))

    def to_bytes(self) -> bytes:
        """Serialise; equal keys give equal bytes."""
        return bytes(self._automaton.serialize())

    def find(self, text: str) -> list[Match]:
        """Return the matches in order; they never overlap."""
        tokens = tokenise(text)
        pieces: list[bytes] = []
        token_at_start: dict[int, int] = {}
        token_at_end: dict[int, int] = {}
        position = 0
        for index, token in enumerate(tokens):
            piece = f"\x02{token.key}\x03".encode()
            token_at_start[position] = index
            position += len(piece)
            token_at_end[position] = index
            pieces.append(piece)
        return [
            Match(key, tokens[token_at_start[start]].start, tokens[token_at_end[end]].end)
            for start, end, key in self._automaton.find(b"".join(pieces))
        ]

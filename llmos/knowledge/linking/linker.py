"""Names in text, leftmost and longest, by whole tokens.

The keys lie in a MARISA trie that is mapped into memory: ten million names are 60 MB of page cache that all processes share, and nothing
is read before it is asked for. At each token the trie gives every key that begins there; the longest that the caller may see is chosen.
It knows keys only by their number; `Snapshot` says what they mean.
Must not: know entities or a database.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from llmos.knowledge.linking.names import MAXIMUM_KEY_BYTES, TOKEN_END
from llmos.knowledge.linking.normalise import tokenise

__all__ = ["Linker", "Match"]

_END: Final = TOKEN_END.encode()


@dataclass(frozen=True, slots=True)
class Match:
    """One place in the text that is a name."""

    key: int
    """Number of the key."""

    start: int
    """First character, in the original text."""

    end: int
    """One past the last character."""


class Linker:
    """Finds keys in text. Reading is thread-safe: nothing changes after construction."""

    def __init__(self, trie: Any) -> None:
        self._trie = trie

    @classmethod
    def build(cls, keys: Iterable[bytes]) -> Self:
        """Build from encoded keys, sorted; they are numbered by the trie."""
        import marisa_trie  # here, not above: comparing snapshots on a laptop needs no trie

        return cls(marisa_trie.BinaryTrie(keys))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map what `save` wrote; OSError or ValueError if it is not a trie. It is data, never code."""
        import marisa_trie

        trie = marisa_trie.BinaryTrie()
        try:
            trie.mmap(str(path))
        except RuntimeError as error:
            raise ValueError(f"{path.name} is no trie: {error}") from error
        return cls(trie)

    def save(self, path: Path) -> None:
        """Write the trie; equal keys give equal bytes."""
        self._trie.save(str(path))

    def numbers(self, keys: Iterable[bytes]) -> list[int]:
        """Return the number of each key; KeyError if one is not there."""
        return list(map(self._trie.key_id, keys))

    def beginning(self, tokens: Sequence[str]) -> Iterator[tuple[Sequence[str], int]]:
        """Yield (tokens, number) of every key that begins with these tokens, the last of which may be cut; in no order."""
        prefix = _END.join(token.encode() for token in tokens)
        for key in self._trie.iterkeys(prefix):
            yield tuple(key.decode().split(TOKEN_END)[:-1]), self._trie.key_id(key)

    def find(
        self, text: str, *, is_seen: Callable[[int], bool] | None = None, may_be_name: Callable[[int, int], bool] | None = None
    ) -> list[Match]:
        """Return the matches in order; they never overlap.

        Args:
            text: any text.
            is_seen: says of a key's number whether it may be found; None: all may. It is asked before the longest key is chosen.
            may_be_name: says of a place (first character, one past the last) whether a name may stand there; asked before, too.
        """
        tokens = tokenise(text)
        pieces = [token.key.encode() + _END for token in tokens]
        encoded = b"".join(pieces)
        prefixes, number = self._trie.prefixes, self._trie.key_id
        matches = []
        index = position = 0
        while index < len(tokens):
            length = 1
            for key in reversed(prefixes(encoded[position : position + MAXIMUM_KEY_BYTES])):
                found = number(key)
                if is_seen is not None and not is_seen(found):
                    continue
                num_tokens = key.count(_END)
                start, end = tokens[index].start, tokens[index + num_tokens - 1].end
                if may_be_name is None or may_be_name(start, end):
                    matches.append(Match(found, start, end))
                    length = num_tokens
                    break
            position += sum(map(len, pieces[index : index + length]))
            index += length
        return matches

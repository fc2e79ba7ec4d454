"""Names that begin as a text does: whole words, and the last one as far as it was written.

The trie that links also finds what begins with a key. It gives keys in an order of its own, which depends on all keys, so what is found is
sorted here; and where too much begins so, nothing is answered rather than an arbitrary part. Must not: guess what was meant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.graph.edges import Node, nodes_of
from llmos.knowledge.linking.normalise import keys
from llmos.knowledge.snapshot import Snapshot

__all__ = ["MAXIMUM_HITS", "MAXIMUM_NAMES_FOUND", "Hit", "TooGeneral", "search_names"]

MAXIMUM_HITS: Final = 100
MAXIMUM_NAMES_FOUND: Final = 10_000

_LOOKS_AT_CLOCK: Final = 256


class TooGeneral(ValueError):
    """More names begin so than are looked at."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An entity with a name that begins so."""

    node: Node
    name: str
    """The words that were found: lower case, and one space between two."""


def search_names(snapshot: Snapshot, text: str, *, limit: int, is_late: Callable[[], bool]) -> Sequence[Hit]:
    """Return at most `limit` entities, each once: names of fewer words first, then shorter ones, then by spelling.

    Args:
        text: the beginning of a name, compared as names in text are: case, width and punctuation do not matter.
        is_late: asked every few hundred names; whether the time is up.

    Raises: TooGeneral if more than ten thousand names begin so; TimeoutError.
    """
    assert 1 <= limit <= MAXIMUM_HITS
    tokens = keys(text)
    if not tokens:
        return []
    found: list[tuple[int, int, Sequence[str], int]] = []
    for index, (name, number, is_seen) in enumerate(snapshot.names_beginning(tokens)):
        if index % _LOOKS_AT_CLOCK == 0 and is_late():
            raise TimeoutError("the names were not found in time")
        if not is_seen:
            continue
        if len(found) == MAXIMUM_NAMES_FOUND:
            raise TooGeneral(f"more than {MAXIMUM_NAMES_FOUND} names begin so; write more of the name")
        found.append((len(name), sum(map(len, name)), name, number))
    hits: dict[int, str] = {}
    for _, _, name, number in sorted(found):
        for entity in snapshot.view.candidate_numbers(number):
            hits.setdefault(entity, " ".join(name))
        if len(hits) >= limit:
            break
    nodes = nodes_of(snapshot, hits)
    return [Hit(nodes[entity], name) for entity, name in list(hits.items())[:limit]]

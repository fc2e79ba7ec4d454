"""How two entities are connected: a shortest chain of facts, searched from both ends at once.

Whole levels are opened, always on the side with fewer entities, so the first meeting is a shortest path; of equally short ones the choice
is by the order of ids, whatever the order of rows. The facts that may be read are bounded, as is the time: in a large graph nearly
everything lies within three steps of a well-known entity. Must not: weigh facts.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from llmos.knowledge.graph.edges import Edge, Link, Node, find_number, links_from, nodes_of, predicate_numbers
from llmos.knowledge.snapshot import Snapshot

__all__ = ["MAXIMUM_FACTS_READ", "MAXIMUM_LENGTH", "PathSearch", "find_path"]

MAXIMUM_LENGTH: Final = 8
MAXIMUM_FACTS_READ: Final = 200_000

_BATCH: Final = 64
"""Entities opened by one query; the time is looked at between two."""


@dataclass(frozen=True, slots=True)
class PathSearch:
    """What a search found."""

    nodes: Sequence[Node]
    """The entities in order, both ends included; empty if there is no path."""

    edges: Sequence[Edge]
    """The fact between each two that follow each other, as it is stated: it may point either way."""

    is_complete: bool
    """False: the search met its bound of facts before it could tell whether there is a path."""

    num_facts_read: int


@dataclass(slots=True)
class _Side:
    """One end's part of the search."""

    frontier: list[int]
    came_by: dict[int, tuple[int, Link] | None] = field(default_factory=dict)
    """Entity → the one it was reached from, and the fact between them."""

    depth: int = 0


class _TooMany(Exception):
    """The bound of facts was met."""


@dataclass(slots=True)
class _Search:
    snapshot: Snapshot
    names: Mapping[int, str]
    maximum_facts_read: int
    is_late: Callable[[], bool]
    num_facts_read: int = 0

    def open_level(self, side: _Side) -> None:
        """Reach everything one step farther; raises _TooMany, TimeoutError."""
        found: dict[int, tuple[int, Link]] = {}
        for batch in _batches(side.frontier):
            if self.is_late():
                raise TimeoutError("the path was not found in time")
            limit = self.maximum_facts_read - self.num_facts_read
            rows = links_from(self.snapshot, batch, self.names, limit=limit + 1)
            self.num_facts_read += len(rows)
            if len(rows) > limit:
                raise _TooMany
            for start, link in rows:
                other = link.object if link.subject == start else link.subject
                if other not in side.came_by and (other not in found or (start, link) < found[other]):
                    found[other] = (start, link)
        side.came_by |= found
        side.frontier = sorted(found)
        side.depth += 1

    def run(self, sides: tuple[_Side, _Side], maximum_length: int) -> int | None:
        """Return where the two sides meet, or None if they do not within `maximum_length`."""
        near, far = sides
        while near.depth + far.depth < maximum_length and near.frontier and far.frontier:
            smaller = min(sides, key=lambda side: len(side.frontier))
            other = far if smaller is near else near
            self.open_level(smaller)
            if meeting := [number for number in smaller.frontier if number in other.came_by]:
                return meeting[0]
        return None


def find_path(
    snapshot: Snapshot,
    start: str,
    end: str,
    *,
    maximum_length: int = MAXIMUM_LENGTH,
    predicates: Collection[str] = (),
    maximum_facts_read: int = MAXIMUM_FACTS_READ,
    is_late: Callable[[], bool],
) -> PathSearch | None:
    """Return a shortest path of at most `maximum_length` facts, followed in either direction; None if an entity does not exist.

    Args:
        predicates: only facts with these are followed; empty: all.
        maximum_facts_read: bound on the work.
        is_late: asked every few dozen entities; whether the time is up.

    Raises: TimeoutError when it is.
    """
    assert 1 <= maximum_length <= MAXIMUM_LENGTH
    first, last = find_number(snapshot, start), find_number(snapshot, end)
    if first is None or last is None:
        return None
    names = predicate_numbers(snapshot, predicates)
    search = _Search(snapshot, names, maximum_facts_read, is_late)
    sides = (_Side([first], {first: None}), _Side([last], {last: None}))
    try:
        meeting = first if first == last else search.run(sides, maximum_length)
    except _TooMany:
        return PathSearch((), (), False, search.num_facts_read)
    if meeting is None:
        return PathSearch((), (), True, search.num_facts_read)
    before = list(_trace(sides[0], meeting))[::-1]
    after = list(_trace(sides[1], meeting))
    numbers = [number for number, _ in before] + [meeting] + [number for number, _ in after]
    nodes = nodes_of(snapshot, numbers)
    edges = [Edge(nodes[link.subject].id, names[link.predicate], nodes[link.object].id) for _, link in before + after]
    return PathSearch([nodes[number] for number in numbers], edges, True, search.num_facts_read)


def _trace(side: _Side, number: int) -> Iterator[tuple[int, Link]]:
    """Walk back to this side's end: each entity on the way, and the fact by which it was left."""
    while (step := side.came_by[number]) is not None:
        number = step[0]
        yield step


def _batches(items: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]

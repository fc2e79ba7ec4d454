"""What lies around an entity: breadth first, a few steps far, never more than was asked for.

The nearest come first, so a bound cuts off what is farthest; and the answer says that it was cut. Must not: give evidence; `Snapshot.facts`
does, for one entity at a time.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.graph.edges import Edge, Link, Node, edges_of, find_number, nodes_of, predicate_numbers
from llmos.knowledge.snapshot import Snapshot

__all__ = ["EDGES_PER_NODE", "MAXIMUM_DEPTH", "MAXIMUM_NODES", "Neighbourhood", "find_neighbourhood"]

MAXIMUM_DEPTH: Final = 3
MAXIMUM_NODES: Final = 500
EDGES_PER_NODE: Final = 8
"""An answer holds at most this many facts for each entity it may hold; of one entity, no more than it may hold entities."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Entities with their distance, nearest first, and the facts between them."""

    nodes: Sequence[tuple[Node, int]]
    edges: Sequence[Edge]
    is_truncated: bool
    """There is more within this depth than was asked for."""


def find_neighbourhood(
    snapshot: Snapshot, id: str, *, depth: int, maximum_nodes: int, predicates: Collection[str] = (), is_late: Callable[[], bool]
) -> Neighbourhood | None:
    """Return what is at most `depth` facts away, in either direction, or None if there is no such entity.

    Args:
        maximum_nodes: bound on the entities, the first included.
        predicates: only facts with these are followed; empty: all.
        is_late: asked before each entity; whether the time is up.

    Raises: TimeoutError when it is.
    """
    assert 1 <= depth <= MAXIMUM_DEPTH
    assert 1 <= maximum_nodes <= MAXIMUM_NODES
    start = find_number(snapshot, id)
    if start is None:
        return None
    names = predicate_numbers(snapshot, predicates)
    maximum_edges = maximum_nodes * EDGES_PER_NODE
    distances, links, is_truncated = {start: 0}, dict[Link, None](), False
    for number in (frontier := [start]):
        if distances[number] == depth or (is_truncated and len(links) >= maximum_edges):
            break
        if is_late():
            raise TimeoutError("the neighbourhood was not found in time")
        around = edges_of(snapshot, number, names, limit=maximum_nodes + 1)
        is_truncated |= len(around) > maximum_nodes
        for link in around[:maximum_nodes]:
            other = link.object if link.subject == number else link.subject
            is_new = other not in distances
            if (is_new and len(distances) >= maximum_nodes) or (link not in links and len(links) >= maximum_edges):
                is_truncated = True
                continue
            if is_new:
                distances[other] = distances[number] + 1
                # The list grows while it is walked: a queue.
                frontier.append(other)
            links[link] = None
    nodes = nodes_of(snapshot, distances)
    return Neighbourhood(
        nodes=[(nodes[number], distance) for number, distance in distances.items()],
        edges=[Edge(nodes[link.subject].id, names[link.predicate], nodes[link.object].id) for link in links],
        is_truncated=is_truncated,
    )

"""Neighbourhood and path against a walk written out over the same edges."""

import random
from collections import deque

import pytest

from llmos.knowledge import Snapshot
from llmos.knowledge.graph import Edge, describe_entity, find_neighbourhood, find_path, unknown_predicates
from llmos.knowledge.graph.neighbourhood import EDGES_PER_NODE
from tests.unit.knowledge.graph.conftest import Graph, node


def never() -> bool:
    return False


def distances(edges: list[tuple[int, int]], start: int) -> dict[int, int]:
    around: dict[int, set[int]] = {}
    for first, second in edges:
        around.setdefault(first, set()).add(second)
        around.setdefault(second, set()).add(first)
    found, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for there in around.get(here, ()):
            if there not in found:
                found[there] = found[here] + 1
                queue.append(there)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_paths_are_shortest_and_made_of_facts_and_what_is_not_connected_has_none(graph: Graph, seed: int):
    rng = random.Random(seed)
    # A child has a greater number: no cycles, as in an ontology.
    edges = sorted({(max(a, b), min(a, b)) for a, b in (rng.sample(range(1, 13), 2) for _ in range(rng.randint(6, 14)))})
    snapshot = graph(edges)
    for start in range(1, 13):
        known = distances(edges, start)
        for end in range(1, 13):
            found = find_path(snapshot, node(start), node(end), is_late=never)
            assert found.is_complete
            if end not in known or known[end] > 8:
                assert (found.nodes, found.edges) == ((), ())
                continue
            ids = [item.id for item in found.nodes]
            assert (ids[0], ids[-1], len(found.edges)) == (node(start), node(end), known[end])
            for edge, before, after in zip(found.edges, ids[:-1], ids[1:], strict=True):
                assert {edge.subject, edge.object} == {before, after}
                assert (int(edge.subject[3:]), int(edge.object[3:])) in edges
            if known[end] > 1:
                assert find_path(snapshot, node(start), node(end), maximum_length=known[end] - 1, is_late=never).nodes == ()
            assert found == find_path(snapshot, node(start), node(end), is_late=never), "always the same one"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_neighbourhood_holds_everything_within_its_depth_nearest_first(graph: Graph, depth: int):
    edges = [(2, 1), (3, 1), (4, 2), (5, 4), (6, 5), (6, 3), (9, 8)]
    found = find_neighbourhood(graph(edges), node(1), depth=depth, maximum_nodes=100, is_late=never)
    expected = {node(number): far for number, far in distances(edges, 1).items() if far <= depth}
    assert {item.id: far for item, far in found.nodes} == expected
    assert [far for _, far in found.nodes] == sorted(expected.values())
    near = {number for number, far in distances(edges, 1).items() if far < depth}
    assert set(found.edges) == {Edge(node(a), "is_a", node(b)) for a, b in edges if a in near or b in near}
    assert not found.is_truncated


def test_a_neighbourhood_is_cut_at_its_bound_and_says_so(graph: Graph):
    edges = [(number, 1) for number in range(2, 13)]
    snapshot = graph(edges)
    whole = find_neighbourhood(snapshot, node(1), depth=1, maximum_nodes=12, is_late=never)
    assert (len(whole.nodes), whole.is_truncated) == (12, False)
    cut = find_neighbourhood(snapshot, node(1), depth=1, maximum_nodes=11, is_late=never)
    assert (cut.nodes, cut.is_truncated) == (whole.nodes[:11], True)
    assert {id for edge in cut.edges for id in (edge.subject, edge.object)} <= {item.id for item, _ in cut.nodes}


def test_the_facts_of_a_neighbourhood_are_bounded_too(graph: Graph):
    edges = [(child, parent) for child in range(2, 13) for parent in range(1, child)]
    found = find_neighbourhood(graph(edges), node(1), depth=3, maximum_nodes=12, is_late=never)
    assert len(edges) <= 12 * EDGES_PER_NODE
    assert not found.is_truncated
    many = [(child, parent) for child in range(2, 31) for parent in range(1, child)]
    found = find_neighbourhood(graph(many, 30), node(1), depth=3, maximum_nodes=30, is_late=never)
    assert (len(found.nodes), len(found.edges), found.is_truncated) == (30, 30 * EDGES_PER_NODE, True)


def test_a_search_that_reads_too_much_says_that_it_cannot_tell(graph: Graph):
    snapshot = graph([(number + 1, number) for number in range(1, 12)])
    assert len(find_path(snapshot, node(1), node(8), is_late=never).edges) == 7
    cut = find_path(snapshot, node(1), node(8), maximum_facts_read=5, is_late=never)
    assert (cut.nodes, cut.is_complete) == ((), False)
    assert cut.num_facts_read <= 6


def test_a_walk_stops_when_its_time_is_up(snapshot: Snapshot):
    with pytest.raises(TimeoutError):
        find_path(snapshot, "OMIM:1", "HP:0001250", is_late=lambda: True)
    with pytest.raises(TimeoutError):
        find_neighbourhood(snapshot, "OMIM:1", depth=1, maximum_nodes=10, is_late=lambda: True)


def test_only_facts_with_the_predicates_asked_for_are_followed(snapshot: Snapshot):
    found = find_path(snapshot, "OMIM:1", "HP:0000118", is_late=never)
    assert [edge.predicate for edge in found.edges] == ["has_phenotype", "is_a"]
    assert find_path(snapshot, "OMIM:1", "HP:0000118", predicates=["is_a"], is_late=never).nodes == ()
    around = find_neighbourhood(snapshot, "HP:0001252", depth=1, maximum_nodes=10, predicates=["is_a"], is_late=never)
    assert [(item.id, far) for item, far in around.nodes] == [("HP:0001252", 0), ("HP:0000118", 1)]
    assert unknown_predicates(snapshot, ["is_a", "treats"]) == ["treats"]


def test_what_does_not_exist_is_none(snapshot: Snapshot):
    assert describe_entity(snapshot, "HP:9", maximum_facts=1) is None
    assert find_neighbourhood(snapshot, "HP:9", depth=1, maximum_nodes=10, is_late=never) is None
    assert find_path(snapshot, "HP:9", "OMIM:1", is_late=never) is None
    assert find_path(snapshot, "OMIM:1", "HP:9", is_late=never) is None


def test_an_entity_is_described_with_its_names_and_as_many_facts_as_asked_for(snapshot: Snapshot):
    found = describe_entity(snapshot, "HP:0001250", maximum_facts=100)
    assert (found.name, found.are_names_truncated, found.are_facts_truncated) == ("Seizure", False, False)
    assert [(name.text, name.scope, name.tag) for name in found.names] == [
        ("Epileptic seizure", "Exact", ""),
        ("Seizure", "Preferred", ""),
        ("Seizures", "Exact", "plural_form"),
    ]
    assert list(found.facts) == snapshot.facts("HP:0001250", 100)
    for limit in range(len(found.facts)):
        cut = describe_entity(snapshot, "HP:0001250", maximum_facts=limit)
        assert (list(cut.facts), cut.are_facts_truncated) == (snapshot.facts("HP:0001250", limit), True)

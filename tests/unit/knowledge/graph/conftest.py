"""Small graphs with chosen edges, as snapshots."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot

Graph = Callable[[Iterable[tuple[int, int]]], Snapshot]


def node(number: int) -> str:
    return f"HP:{number:07}"


def write_graph(directory: Path, edges: Iterable[tuple[int, int]], num_nodes: int) -> SourceFile:
    """An OBO file in which the first of each pair `is_a` the second."""
    parents: dict[int, list[int]] = {number: [] for number in range(1, num_nodes + 1)}
    for child, parent in edges:
        parents[child].append(parent)
    terms = (
        f"[Term]\nid: {node(child)}\nname: Thing {child}\n" + "".join(f"is_a: {node(parent)}\n" for parent in found)
        for child, found in parents.items()
    )
    location = directory / "graph.obo"
    location.write_text("format-version: 1.2\ndata-version: 1\n\n" + "\n".join(terms))
    return SourceFile(source="graph", path="graph.obo", format="OBO", package_version="1", location=location)


@pytest.fixture
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Graph]:
    opened: list[Snapshot] = []

    def build(edges: Iterable[tuple[int, int]], num_nodes: int = 12) -> Snapshot:
        folder = tmp_path_factory.mktemp("graph")
        (folder / "built").mkdir()
        build_snapshot([write_graph(folder, edges, num_nodes)], folder / "built", linking=LinkingSettings())
        opened.append(Snapshot.open(folder / "built"))
        return opened[-1]

    yield build
    for snapshot in opened:
        snapshot.close()

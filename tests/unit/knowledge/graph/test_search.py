"""Names by their beginning."""

import pytest

from llmos.knowledge import Snapshot
from llmos.knowledge.graph import TooGeneral, search, search_names
from tests.unit.knowledge.graph.conftest import Graph


def never() -> bool:
    return False


def found(snapshot: Snapshot, text: str, limit: int = 10) -> list[tuple[str, str]]:
    return [(hit.node.id, hit.name) for hit in search_names(snapshot, text, limit=limit, is_late=never)]


def test_a_cut_word_is_completed_and_words_before_it_are_whole(snapshot: Snapshot):
    assert [name for _, name in found(snapshot, "weak")] == ["weakness", "weakness"]
    assert [id for id, _ in found(snapshot, "Large h")] == ["HP:0000256"]
    assert found(snapshot, "larg head") == []
    assert found(snapshot, "  ...  ") == []


def test_each_entity_stands_once_by_its_shortest_name_and_the_best_candidates_come_first(snapshot: Snapshot):
    ids = [id for id, _ in found(snapshot, "seizure")]
    assert ids[0] == "HP:0001250"
    assert len(ids) == len(set(ids))
    assert [id for id, _ in found(snapshot, "weakness")] == ["HP:0001324", "HP:0001252"], "an exact name before a related one"
    assert found(snapshot, "seizure", limit=1) == found(snapshot, "seizure")[:1]


def test_what_begins_too_many_names_is_refused(graph: Graph, monkeypatch: pytest.MonkeyPatch):
    snapshot = graph([], 30)
    monkeypatch.setattr(search, "MAXIMUM_NAMES_FOUND", 30)
    assert len(found(snapshot, "thing", limit=100)) == 30
    assert [name for _, name in found(snapshot, "thing", limit=2)] == ["thing 1", "thing 2"]
    monkeypatch.setattr(search, "MAXIMUM_NAMES_FOUND", 29)
    with pytest.raises(TooGeneral, match="more than 29 names begin so; write more of the name"):
        found(snapshot, "thing")


def test_a_search_stops_when_its_time_is_up(snapshot: Snapshot):
    with pytest.raises(TimeoutError):
        search_names(snapshot, "seizure", limit=1, is_late=lambda: True)

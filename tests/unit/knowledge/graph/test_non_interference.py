"""What is private changes no byte of what others get, by whatever way they ask; derived facts need every partition of their proof."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from llmos.knowledge import LinkingSettings, Snapshot, build_snapshot
from llmos.knowledge.formats.registry import FORMATS
from llmos.knowledge.graph import describe_entity, find_neighbourhood, find_path, search_names, unknown_predicates
from llmos.knowledge.sparql.iris import IriMap
from llmos.knowledge.sparql.triples import triples
from llmos.runtime.documents import FactDocument, build_fact
from llmos.runtime.knowledge_documents import EntityResponse, build_entity, build_link, build_neighbourhood, build_path, build_search
from tests.unit.knowledge import calls
from tests.unit.knowledge.calls import write_calls

IDS = ["A", "B", "C", "D", "E"]
WORDS = ["fever", "lung", "lung fever", "fevers", "cough"]
TEXT = "lung fever cough, fevers and a lung"
HERE = {"name": "kb", "digest": "sha256:0"}

# As rules will do it: what two facts give is seen by whoever sees both.
DERIVE = """
INSERT INTO derived SELECT DISTINCT a.subject, 'leads_to', b.object, 'chain', 1000,
  array_to_string(list_sort(list_distinct(list_filter([fa.partition, fb.partition], lambda x: x <> ''))), ','), '[]'
FROM fact AS a JOIN fact AS b ON b.subject = a.object AND a.predicate = 'shows' AND b.predicate = 'shows'
JOIN evidence AS ea ON ea.number = a.evidence JOIN evidence AS eb ON eb.number = b.evidence
JOIN file AS fa ON fa.number = ea.file JOIN file AS fb ON fb.number = eb.file
"""

ID = st.sampled_from(IDS)
CALLS = st.one_of(
    st.tuples(st.just("entity"), ID, st.sampled_from(["Kind", "Other"])),
    st.tuples(st.just("name"), ID, st.sampled_from(WORDS), st.sampled_from(["Preferred", "Exact"]).map(lambda scope: {"scope": scope})),
    st.tuples(
        st.just("fact"), ID, st.sampled_from(["shows", "has"]), ID, st.sampled_from(["", "9/10"]).map(lambda text: {"frequency": text})
    ),
    st.tuples(st.just("fact"), ID, st.just("shows"), ID),
    st.tuples(st.just("attribute"), ID, st.just("onset"), st.sampled_from(WORDS)),
)
# Enough sound records, so that a statement about nothing is a problem and no refusal.
SOUND: list[Any] = [("entity", "A", "Kind"), ("name", "A", "fever")] + [("name", "A", f"fever {index}") for index in range(1000)]
PRIVATE_SOUND: list[Any] = [("name", "A", f"illness {index}") for index in range(1000)]


@pytest.fixture(autouse=True)
def calls_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, calls.FORMAT, calls.bind)


def derive(connection: Any) -> Mapping[str, int]:
    connection.execute(DERIVE)
    return {}


def build(folder: Path, **files: list[Any]) -> Path:
    """Build from a file for each partition; `public` is everybody's."""
    (folder / "built").mkdir(parents=True)
    sources = []
    for name, said in files.items():
        partition = "" if name == "public" else name
        sources.append(write_calls(folder / f"{name}.json", *said, source=name, partition=partition))
    build_snapshot(sources, folder / "built", linking=LinkingSettings(), steps=[derive])
    return folder / "built"


def never() -> bool:
    return False


def everything(snapshot: Snapshot) -> str:
    """All documents that a reader can be sent, and the store that SPARQL asks."""
    found: list[Any] = [build_link(HERE, snapshot.link(TEXT)), [(source.name, source.version) for source in snapshot.sources]]
    found.append([list(snapshot.edges(name)) for name in ("shows", "has", "leads_to")])
    found.append(unknown_predicates(snapshot, ["shows", "has", "leads_to"]))
    for text, limit in product(["f", "lung", "ill", "fever 1"], [1, 100]):
        found.append(build_search(HERE, search_names(snapshot, text, limit=limit, is_late=never)))
    for id in IDS:
        found.append([build_fact(fact, "kb") for limit in (1, 50) for fact in snapshot.facts(id, limit)])
        entity = describe_entity(snapshot, id, maximum_facts=3)
        found.append(entity and build_entity(HERE, entity))
        for depth, limit in product([1, 3], [2, 100]):
            around = find_neighbourhood(snapshot, id, depth=depth, maximum_nodes=limit, is_late=never)
            found.append(around and build_neighbourhood(HERE, around))
        for other, bound in product(IDS, [3, 1000]):
            path = find_path(snapshot, id, other, maximum_facts_read=bound, is_late=never)
            found.append(path and build_path(HERE, path))
    return json.dumps(found) + "".join(sorted(triples(snapshot, IriMap())))


CASES = given(public=st.lists(CALLS, max_size=14), private=st.lists(CALLS, min_size=4, max_size=14))
RELAXED: dict[str, Any] = {
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    "deadline": None,
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}


@settings(max_examples=3, **RELAXED)
@CASES
def test_whatever_is_private_changes_no_byte_of_what_others_get(tmp_path_factory: pytest.TempPathFactory, public: Any, private: Any):
    check(tmp_path_factory.mktemp("case"), public, private)


@pytest.mark.soak
@settings(max_examples=100, **RELAXED)
@CASES
def test_the_same_with_a_hundred_pairs_of_files(tmp_path_factory: pytest.TempPathFactory, public: Any, private: Any):
    check(tmp_path_factory.mktemp("case"), public, private)


def check(folder: Path, public: Any, private: Any) -> None:
    alone = build(folder / "alone", public=SOUND + public)
    both = build(folder / "both", public=SOUND + public, ward=PRIVATE_SOUND + private)
    with Snapshot.open(alone) as first, Snapshot.open(both) as second, Snapshot.open(both, frozenset({"staff"})) as third:
        assert everything(first) == everything(second) == everything(third)


def test_a_derived_fact_needs_every_partition_of_its_proof(tmp_path: Path):
    public = [*SOUND, ("entity", "B", "Kind"), ("entity", "C", "Kind"), ("entity", "D", "Kind"), ("fact", "A", "shows", "B")]
    ward = [*PRIVATE_SOUND, ("fact", "B", "shows", "C")]
    staff = [("name", "A", f"ailment {index}") for index in range(1000)] + [("fact", "C", "shows", "D")]
    built = build(tmp_path, public=public, ward=ward, staff=staff)

    def derived(*partitions: str) -> tuple[list[tuple[str, str]], bool, bool]:
        with Snapshot.open(built, frozenset(partitions)) as snapshot:
            around = find_neighbourhood(snapshot, "B", depth=1, maximum_nodes=9, predicates=["leads_to"], is_late=never)
            in_store = any("leads_to" in line and "entity:B" in line for line in triples(snapshot, IriMap()))
            return list(snapshot.edges("leads_to")), any(edge.predicate == "leads_to" for edge in around.edges), in_store

    assert derived() == derived("staff") == ([], False, False)
    assert derived("ward") == ([("A", "C")], False, False)
    assert derived("ward", "staff") == ([("A", "C"), ("B", "D")], True, True)
    with Snapshot.open(built, frozenset({"ward"})) as snapshot:
        documents = [build_fact(fact, "kb") for fact in snapshot.facts("A", 9)]
    for document in documents:
        FactDocument.model_validate(document)
    assert [(document["predicate"], "source" in document, document.get("derivation")) for document in documents] == [
        ("leads_to", False, {"rule": "chain", "proof": []}),
        ("shows", True, None),
    ]


def test_a_reader_sees_what_its_partition_adds_by_every_way(tmp_path: Path):
    ward = [*PRIVATE_SOUND, ("entity", "P", "Patient"), ("name", "P", "Anna"), ("fact", "P", "has", "A"), ("attribute", "P", "age", "7")]
    built = build(tmp_path, public=SOUND, ward=ward)
    with Snapshot.open(built) as everybody, Snapshot.open(built, frozenset({"ward"})) as insider:
        assert describe_entity(everybody, "P", maximum_facts=9) is None
        found = describe_entity(insider, "P", maximum_facts=9)
        assert (found.kind, found.name, found.attributes[0].value, found.facts[0].object.id) == ("Patient", "Anna", "7", "A")
        EntityResponse.model_validate(build_entity(HERE, found))
        assert find_path(everybody, "P", "A", is_late=never) is None
        assert [node.id for node in find_path(insider, "P", "A", is_late=never).nodes] == ["P", "A"]
        assert [hit.node.id for hit in search_names(insider, "ann", limit=9, is_late=never)] == ["P"]
        assert search_names(everybody, "ann", limit=9, is_late=never) == []
        assert unknown_predicates(everybody, ["has"]) == ["has"]
        assert unknown_predicates(insider, ["has"]) == []
        assert [source.name for source in everybody.sources] == ["public"]

"""Entities of several sources made one by declared keys, and everything that must not be made one."""

import random

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.knowledge import EntitySettings, LinkingSettings, MergeRule, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.building.entities import _Entity, decide_merges, merge_entities
from llmos.knowledge.building.schema import TABLES

# Three vocabularies: `a` is preferred, `b` says most of the same with other identifiers, `c` links to both by facts.
FILES = {
    "a": """
[Term]
id: A:1
name: Fever
synonym: "Pyrexia" EXACT []
is_a: A:9

[Term]
id: A:2
name: Cold

[Term]
id: A:3
name: Cold

[Term]
id: A:9
name: Symptom
""",
    "b": """
[Term]
id: B:1
name: fever
synonym: "High temperature" EXACT []

[Term]
id: B:2
name: Cold

[Term]
id: B:3
name: Pyrexia
is_a: B:1
""",
    "c": """
[Term]
id: C:1
name: Hyperthermia
is_a: A:1
""",
}


def build(tmp_path, settings, names="abc", partitions=None):
    tmp_path.mkdir(exist_ok=True)
    files = []
    for name in names:
        location = tmp_path / f"{name}.obo"
        location.write_text("format-version: 1.2\n" + FILES[name])
        partition = (partitions or {}).get(name, "")
        files.append(SourceFile(source=name, path=f"{name}.obo", format="OBO", package_version="1", location=location, partition=partition))
    directory = tmp_path / "snapshot"
    directory.mkdir()
    return build_snapshot(files, directory, linking=LinkingSettings(), entities=settings), directory


def by_name(name="Preferred", **more):
    return EntitySettings(merge_by=(MergeRule(name=name),), prefer_sources=("a", "b"), **more)


def test_without_a_rule_nothing_is_joined(tmp_path):
    built, directory = build(tmp_path, None)
    assert built.description.counts["entities"] == 8
    with Snapshot.open(directory) as snapshot:
        assert snapshot.link("fever")[0].candidates == ("A:1", "B:1")
        assert snapshot.document("merges") is None


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    built, directory = build(tmp_path_factory.mktemp("joined"), by_name())
    with Snapshot.open(directory) as snapshot:
        yield built.description, snapshot


def test_equal_preferred_names_of_two_sources_are_one_entity_under_the_preferred_identifier(joined):
    description, snapshot = joined
    assert description.counts["mergedEntities"] == 1
    assert snapshot.link("fever")[0].candidates == ("A:1",)
    assert snapshot.link("high temperature")[0].id == "A:1", "what the other source called it is found"
    assert snapshot.name("A:1") == "Fever"
    assert snapshot.name("B:1") is None
    assert [(item.predicate, item.value, item.source.name) for item in snapshot.attributes("A:1")] == [("sameAs", "B:1", "b")]
    assert set(snapshot.edges("is_a")) == {("A:1", "A:9"), ("B:3", "A:1"), ("C:1", "A:1")}


def test_a_key_of_two_entities_of_one_source_says_nothing_and_stays_ambiguous(joined):
    description, snapshot = joined
    assert description.counts["vagueMergeKeys"] == 1
    assert snapshot.link("cold")[0].candidates == ("A:2", "A:3", "B:2")


def test_the_order_of_sources_leaves_no_trace(joined, tmp_path):
    assert build(tmp_path, by_name(), names="cba")[0].description == joined[0]


def test_the_order_of_preference_decides_who_stays(tmp_path):
    settings = EntitySettings(merge_by=(MergeRule(name="Preferred"),), prefer_sources=("b",))
    _, directory = build(tmp_path, settings)
    with Snapshot.open(directory) as snapshot:
        assert snapshot.link("fever")[0].candidates == ("B:1",)
        assert snapshot.name("B:1") == "fever"


def test_what_would_join_two_entities_of_one_source_over_a_third_is_refused_and_named(tmp_path):
    # By exact names, B:1 (fever) and B:3 (pyrexia) would both be A:1.
    built, directory = build(tmp_path, by_name("Exact"))
    assert (built.description.counts["mergedEntities"], built.description.counts["refusedMerges"]) == (0, 1)
    with Snapshot.open(directory) as snapshot:
        assert snapshot.link("pyrexia")[0].candidates == ("B:3", "A:1")
        assert snapshot.document("merges") == {"refused": [["A:1", "B:1", "B:3"]]}


def test_a_fact_may_say_it_and_is_then_used_up(tmp_path):
    built, directory = build(tmp_path, EntitySettings(merge_by=(MergeRule(fact="is_a"),), prefer_sources=("a",)), names="ac")
    assert built.description.counts["vagueMergeKeys"] == 1, "A:1 is_a A:9, and one source tells its own entities apart"
    with Snapshot.open(directory) as snapshot:
        assert snapshot.link("hyperthermia")[0].id == "A:1"
        assert set(snapshot.edges("is_a")) == {("A:1", "A:9")}


def test_only_the_kinds_that_are_named_take_part(tmp_path):
    settings = EntitySettings(merge_by=(MergeRule(name="Preferred", kinds=("Disease",)),))
    assert build(tmp_path, settings)[0].description.counts["mergedEntities"] == 0


def test_a_private_source_joins_nothing_of_what_others_see(tmp_path):
    built, directory = build(tmp_path, by_name(), partitions={"b": "secret"})
    assert built.description.counts["mergedEntities"] == 0
    _, alone = build(tmp_path / "alone", by_name(), names="ac")
    with Snapshot.open(directory) as mixed, Snapshot.open(alone) as public:
        assert mixed.link("fever cold pyrexia") == public.link("fever cold pyrexia")
        assert list(mixed.entities()) == list(public.entities())


SOURCES = ["a", "b", "c", "d"]


@given(
    sources=st.lists(st.sets(st.sampled_from(SOURCES), min_size=1, max_size=2), min_size=2, max_size=8),
    groups=st.lists(st.lists(st.integers(0, 7), min_size=2, max_size=3, unique=True), max_size=8),
    seed=st.integers(0, 9),
)
def test_decisions_do_not_depend_on_order_and_never_join_two_entities_of_a_source(sources, groups, seed):
    entities = {number: _Entity(f"E:{number}", frozenset(names)) for number, names in enumerate(sources)}
    groups = [group for group in ([n for n in group if n in entities] for group in groups) if len(group) > 1]
    merges = decide_merges(groups, entities, ["b", "a"])
    shuffled = [random.Random(seed).sample(group, len(group)) for group in random.Random(seed).sample(groups, len(groups))]
    assert decide_merges(shuffled, entities, ["b", "a"]) == merges
    together = {}
    for gone, kept in merges.kept.items():
        assert kept not in merges.kept, "who stays does not go"
        together.setdefault(kept, [kept]).append(gone)
    for members in together.values():
        names = [name for member in members for name in entities[member].sources]
        assert len(names) == len(set(names))
    reached = {number for group in groups for number in group}
    assert reached == set(merges.kept) | set(merges.kept.values()) | {number for group in merges.refused for number in group}


@pytest.mark.parametrize("value", ["J10", "j10"])
def test_attributes_join_only_when_equal_to_the_last_character(tmp_path, value):

    with duckdb.connect(":memory:") as connection:
        connection.execute(TABLES)
        connection.execute("INSERT INTO file VALUES (1, 'a', '1', 'x', ''), (2, 'b', '1', 'y', '')")
        connection.execute("INSERT INTO entity VALUES (1, 'A:1', 'Disease', 'A:1'), (2, 'B:1', 'Disease', 'B:1')")
        connection.execute("CREATE TABLE found_entity AS SELECT id, kind, number AS file FROM entity")
        connection.execute("INSERT INTO attribute VALUES (1, 'icd10', 'J10', '', '', 1), (2, 'icd10', ?, '', '', 2)", [value])
        counts, _ = merge_entities(connection, EntitySettings(merge_by=(MergeRule(attribute="icd10", kinds=("Disease",)),)))
        assert counts["mergedEntities"] == (value == "J10")
        assert connection.execute("SELECT number, id FROM entity ORDER BY ALL").fetchall() == (
            [(1, "A:1")] if value == "J10" else [(1, "A:1"), (2, "B:1")]
        )

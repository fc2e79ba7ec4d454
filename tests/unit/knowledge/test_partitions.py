"""Who sees what: a private file changes nothing of what everybody gets, and is seen by those who may."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.errors import ConfigError
from llmos.knowledge import LinkingSettings, Snapshot, build_snapshot
from llmos.knowledge.formats.registry import FORMATS
from tests.unit.knowledge import calls
from tests.unit.knowledge.calls import write_calls

PUBLIC = [
    ("entity", "A", "Disease"),
    ("entity", "B", "Symptom"),
    ("name", "A", "lung fever"),
    ("name", "B", "cough", {"scope": "Exact"}),
    ("fact", "A", "shows", "B", {"frequency": "1/2"}),
    ("attribute", "A", "onset", "40"),
    ("alias", "A:old", "A"),
]
PRIVATE = [
    ("entity", "C", "Patient"),
    ("entity", "A", "Aardvark"),
    ("name", "A", "Anna's disease"),
    ("name", "B", "lung fever cough"),
    ("name", "C", "Anna"),
    ("fact", "C", "has", "A:old"),
    ("fact", "A", "shows", "B", {"frequency": "100%"}),
    ("attribute", "A", "cost", "7"),
    ("alias", "B:private", "B"),
]


@pytest.fixture(autouse=True)
def calls_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, calls.FORMAT, calls.bind)


def build(folder: Path, public: list, private: list) -> Path:
    folder.mkdir()
    files = [write_calls(folder / "public.json", *public)]
    if private:
        files.append(write_calls(folder / "private.json", *private, source="p", partition="ward"))
    (folder / "snapshot").mkdir()
    build_snapshot(files, folder / "snapshot", linking=LinkingSettings())
    return folder / "snapshot"


def everything(snapshot: Snapshot) -> list:
    """All that a reader can get."""
    ids = [id for id, _ in snapshot.entities()]
    texts = ["lung fever cough and lung fevers, Anna's disease in Anna; coughs"]
    return [
        list(snapshot.entities()),
        [list(snapshot.edges(relation)) for relation in ("shows", "has")],
        [(id, snapshot.name(id), snapshot.facts(id, 9), snapshot.attributes(id)) for id in [*ids, "A", "B", "C"]],
        [snapshot.link(text) for text in texts],
    ]


def test_without_the_partition_nothing_of_it_is_seen(tmp_path):
    with Snapshot.open(build(tmp_path / "a", PUBLIC, [])) as alone, Snapshot.open(build(tmp_path / "b", PUBLIC, PRIVATE)) as both:
        assert everything(both) == everything(alone)
        assert [mention.text for mention in both.link("lung fever cough")] == ["lung fever", "cough"]


def test_with_the_partition_everything_is_seen_and_the_best_name_is_shown(tmp_path):
    with Snapshot.open(build(tmp_path / "a", PUBLIC, PRIVATE), frozenset({"ward"})) as snapshot:
        assert list(snapshot.entities()) == [("A", "lung fever"), ("B", "lung fever cough"), ("C", "Anna")]
        assert [mention.id for mention in snapshot.link("lung fever cough, Anna")] == ["B", "C"]
        facts = snapshot.facts("A", 9)
        assert [(fact.subject.id, fact.predicate, fact.object.name, fact.source.name) for fact in facts] == [
            ("A", "shows", "lung fever cough", "p"),
            ("C", "has", "lung fever", "p"),
        ], "a fact that both state stands once, as the more frequent says it"
        assert [attribute.value for attribute in snapshot.attributes("A")] == ["7", "40"]


def test_a_private_file_neither_completes_nor_redirects_a_public_statement(tmp_path):
    public = [*PUBLIC, *(("fact", "A", "shows", "B", {"line": line, "reference": str(line)}) for line in range(300))]
    public += [("fact", "A", "shows", "C"), ("fact", "A", "shows", "B:private")]
    with Snapshot.open(build(tmp_path / "a", public, PRIVATE), frozenset({"ward"})) as snapshot:
        assert snapshot.counts["problems"] == 2
        assert list(snapshot.edges("shows")) == [("A", "B")]


def test_a_partition_with_a_comma_is_refused(tmp_path):
    file = write_calls(tmp_path / "x.json", *PUBLIC, partition="a,b")
    with pytest.raises(ConfigError, match=r"partition .a,b. of x\.json must not hold a comma"):
        build_snapshot([file], tmp_path, linking=LinkingSettings())


IDS = st.sampled_from(["A", "B", "C", "D"])
NAMES = st.sampled_from(["cough", "lung", "lung fever", "fever", "coughs", "lung fever cough"])
SCOPES = st.sampled_from(["Preferred", "Exact", "Related"]).map(lambda scope: {"scope": scope})
CALLS = st.one_of(
    st.tuples(st.just("entity"), IDS, st.sampled_from(["Kind", "Other"])),
    st.tuples(st.just("name"), IDS, NAMES, SCOPES),
    st.tuples(st.just("fact"), IDS, st.just("shows"), IDS, st.sampled_from(["", "1/2", "90%"]).map(lambda text: {"frequency": text})),
    st.tuples(st.just("attribute"), IDS, st.just("onset"), NAMES),
    st.tuples(st.just("alias"), IDS, IDS),
)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(public=st.lists(CALLS, max_size=10), private=st.lists(CALLS, min_size=1, max_size=10))
def test_whatever_is_private_changes_no_byte_of_what_everybody_gets(tmp_path_factory, public, private):
    folder = tmp_path_factory.mktemp("case")
    # Enough sound records, so that a statement about nothing is a problem and no refusal.
    sound = [("entity", "A", "Kind"), ("name", "A", "fever")] + [("name", "A", f"fever {index}") for index in range(1000)]
    private_sound = [("name", "A", f"illness {index}") for index in range(1000)]
    alone = build(folder / "a", sound + public, [])
    both = build(folder / "b", sound + public, private + private_sound)
    with Snapshot.open(alone) as first, Snapshot.open(both) as second:
        assert everything(first) == everything(second)
        assert json.loads((alone / "snapshot.json").read_text())["contentDigest"] != second.content_digest

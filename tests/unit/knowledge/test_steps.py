"""What rules and shapes do to the merged tables, and what the snapshot keeps of it."""

from pathlib import Path

import duckdb
import pytest

from llmos.errors import ConfigError
from llmos.knowledge import FactEvidence, FactSource, LinkingSettings, Snapshot, build_snapshot
from llmos.knowledge.formats.registry import FORMATS
from llmos.knowledge.reading.values import Derivation
from tests.unit.knowledge import calls
from tests.unit.knowledge.calls import write_calls

CALLS = [
    *(("entity", id, "Thing") for id in "ABC"),
    *(("name", id, f"thing {id}") for id in "ABC"),
    ("fact", "A", "is_a", "B", {"confidence": 700, "method": "Pattern", "sentence": "A is a B."}),
    ("fact", "B", "is_a", "C"),
    ("attribute", "A", "weight", "7", {"datatype": "http://www.w3.org/2001/XMLSchema#integer"}),
]


@pytest.fixture(autouse=True)
def calls_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, calls.FORMAT, calls.bind)


def build(folder: Path, *steps, documents=None):
    folder.mkdir()
    (folder / "snapshot").mkdir()
    files = [write_calls(folder / "calls.json", *CALLS)]
    return build_snapshot(files, folder / "snapshot", linking=LinkingSettings(), steps=steps, documents=documents)


def close_is_a(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    connection.execute("""INSERT INTO derived SELECT a.subject, 'is_a', b.object, 'transitive', 700, '', '["A is_a B","B is_a C"]'
        FROM fact AS a JOIN fact AS b ON a.object = b.subject""")
    connection.execute("INSERT INTO derived SELECT subject, 'is_a', object, 'again', 1000, '', '[]' FROM fact")
    return {"violations": 3}


def test_a_derived_fact_is_marked_with_its_rule_and_proof_and_a_stated_one_stays_stated(tmp_path):
    counts = build(tmp_path / "a", close_is_a).description.counts
    assert (counts["facts"], counts["derived"], counts["violations"]) == (2, 3, 3)
    with Snapshot.open(tmp_path / "a" / "snapshot") as snapshot:
        stated, derived = snapshot.facts("A", 9)
        assert (stated.object.id, stated.confidence, stated.derivation) == ("B", 700, None)
        assert stated.evidence == FactEvidence("", "", "", "Pattern", "A is a B.")
        assert (derived.object.id, derived.confidence, derived.source) == ("C", 700, FactSource("", "", ""))
        assert derived.derivation == Derivation("transitive", '["A is_a B","B is_a C"]')
        assert derived in snapshot.facts("C", 9), "both ways"
        assert list(snapshot.edges("is_a")) == [("A", "B"), ("A", "C"), ("B", "C")]


def test_what_is_derived_and_the_documents_are_part_of_the_content(tmp_path):
    digests = [
        build(tmp_path / "a").description.content_digest,
        build(tmp_path / "b", close_is_a).description.content_digest,
        build(tmp_path / "c", documents={"rules": [{"name": "transitive"}]}).description.content_digest,
    ]
    assert len(set(digests)) == 3
    with Snapshot.open(tmp_path / "c" / "snapshot") as snapshot:
        assert snapshot.document("rules") == [{"name": "transitive"}]
        assert snapshot.document("shapes") is None


def test_what_a_shape_removes_leaves_nothing_behind(tmp_path):
    def remove(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        connection.execute("DELETE FROM fact WHERE subject = 1")
        return {}

    build(tmp_path / "a", remove)
    with Snapshot.open(tmp_path / "a" / "snapshot") as snapshot:
        assert snapshot.facts("A", 9) == []
        assert b"A is a B." not in (tmp_path / "a" / "snapshot" / "facts.sqlite").read_bytes()


def test_steps_reach_no_file(tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")

    def read(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        connection.execute(f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')")
        return {}

    with pytest.raises(duckdb.PermissionException):
        build(tmp_path / "a", read)


def test_a_step_may_stop_the_build(tmp_path):
    def refuse(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        raise ConfigError("two things weigh 7", reason="ShapeViolated")

    with pytest.raises(ConfigError, match="two things weigh 7"):
        build(tmp_path / "a", refuse)


def test_attributes_carry_their_datatype_and_source(tmp_path):
    build(tmp_path / "a")
    with Snapshot.open(tmp_path / "a" / "snapshot") as snapshot:
        (weight,) = snapshot.attributes("A")
        assert (weight.predicate, weight.value, weight.datatype, weight.source.file) == (
            "weight",
            "7",
            "http://www.w3.org/2001/XMLSchema#integer",
            "calls.json",
        )
        assert snapshot.attributes("nobody") == []

"""Reading: entities, edges, facts in turn, damaged files refused, many threads."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from llmos.errors import PermanentError
from llmos.knowledge import EntityReference, Fact, FactEvidence, FactSource, LinkingSettings, Snapshot, build_snapshot
from tests.unit.knowledge.conftest import OBO, write_sources


def test_entities_and_names(snapshot):
    assert dict(snapshot.entities())["HP:0001250"] == "Seizure"
    assert snapshot.name("OMIM:1") == "Low-tone syndrome"
    assert snapshot.name("HP:0009999") is None, "obsolete terms are no entities"
    assert snapshot.name("HP:0002279") is None, "alternative identifiers are no entities"


def test_edges_of_one_relation(snapshot):
    assert ("HP:0001250", "HP:0000118") in list(snapshot.edges("is_a"))
    assert list(snapshot.edges("has_phenotype")) == [("OMIM:1", "HP:0000256"), ("OMIM:1", "HP:0001252"), ("OMIM:2", "HP:0001250")]
    assert list(snapshot.edges("lacks_phenotype")) == [("OMIM:1", "HP:0001250")]
    assert list(snapshot.edges("nothing")) == []


def test_facts_carry_names_source_and_evidence(snapshot):
    assert snapshot.facts("HP:0000256", 10) == [
        Fact(
            EntityReference("HP:0000256", "Macrocephaly"),
            "is_a",
            EntityReference("HP:0000118", "Phenotypic abnormality"),
            FactSource("hpo", "2025-01-16", "data/hp.obo"),
            FactEvidence("", "", ""),
        ),
        Fact(
            EntityReference("OMIM:1", "Low-tone syndrome"),
            "has_phenotype",
            EntityReference("HP:0000256", "Macrocephaly"),
            FactSource("hpo", "2025-01-16", "data/phenotype.hpoa"),
            FactEvidence("PMID:1", "PCS", "Frequent"),
        ),
    ]


def test_the_most_frequent_fact_of_a_predicate_comes_first_and_each_fact_once(snapshot):
    facts = [fact for fact in snapshot.facts("OMIM:1", 10) if fact.predicate == "has_phenotype"]
    assert [fact.object.name for fact in facts] == ["Hypotonia", "Macrocephaly"]


def test_predicates_take_turns_so_that_none_is_crowded_out(snapshot):
    assert {fact.predicate for fact in snapshot.facts("HP:0001250", 3)} == {"is_a", "has_phenotype", "lacks_phenotype"}


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 1), (2, 2), (100, 3)])
def test_the_limit_holds(snapshot, limit, expected):
    assert len(snapshot.facts("HP:0001250", limit)) == expected


def test_an_unknown_entity_has_no_facts(snapshot):
    assert snapshot.facts("HP:7777777", 10) == []


def test_many_threads_read_at_once(snapshot):
    def ask(_index: int) -> tuple:
        return tuple(mention.id for mention in snapshot.link("seizures and large head")), len(snapshot.facts("HP:0001250", 9))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(200))) == {(("HP:0001250", "HP:0000256"), 3)}


@pytest.mark.parametrize("name", ["facts.sqlite", "names.marisa", "snapshot.json"])
def test_a_missing_file_is_refused(snapshot_path, tmp_path, name):
    copy = shutil.copytree(snapshot_path, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(PermanentError, match=r"cannot be used: .*" + name) as caught:
        Snapshot.open(copy)
    assert caught.value.reason == "ChecksumMismatch"


@pytest.mark.parametrize("name", ["facts.sqlite", "names.marisa"])
def test_one_changed_byte_is_refused(snapshot_path, tmp_path, name):
    copy = shutil.copytree(snapshot_path, tmp_path / "copy")
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(PermanentError, match=f"{name} has the digest"):
        Snapshot.open(copy)


def test_a_trie_of_another_snapshot_is_refused_even_if_the_description_was_forged(snapshot_path, tmp_path):
    copy = shutil.copytree(snapshot_path, tmp_path / "copy")
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "sources").mkdir()
    build_snapshot(write_sources(tmp_path / "sources", OBO.replace("Large head", "Big head")), other, linking=LinkingSettings())
    shutil.copy(other / "names.marisa", copy)
    description = json.loads((copy / "snapshot.json").read_text())
    description["files"]["names.marisa"] = json.loads((other / "snapshot.json").read_text())["files"]["names.marisa"]
    (copy / "snapshot.json").write_text(json.dumps(description))
    with pytest.raises(PermanentError, match=r"trieDigest is .* in facts\.sqlite"):
        Snapshot.open(copy)

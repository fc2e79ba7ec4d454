"""The example of a graph of one's own: the table and the RDF file become one, in both languages, as its page says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "own-graph"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    files = [
        SourceFile(
            source="own",
            path=file["path"],
            format=file["format"],
            package_version="1",
            location=EXAMPLE / file["path"],
            options=file.get("rdf") or file.get("mapping") or {},
        )
        for file in yaml.safe_load((EXAMPLE / "10-knowledge.yaml").read_text())["spec"]["sources"][0]["files"]
    ]
    assert build_snapshot(files, folder, linking=LinkingSettings(languages=("en", "zh"))).problems == []
    return folder


def test_a_symptom_of_either_file_and_either_language_is_one_entity(snapshot: Path) -> None:
    with Snapshot.open(snapshot) as opened:
        for text in ("She has had a high temperature for days.", "患者发烧三天。", "fever"):
            assert [mention.id for mention in opened.link(text)] == ["SYM:fever"]
        diseases = {fact.subject.id: fact.evidence.frequency for fact in opened.facts("SYM:fever", 10) if fact.predicate == "has_symptom"}
        assert diseases == {"ICD:J11.1": "80%", "ICD:R50.9": "100%"}


def test_a_synonym_of_the_table_is_found_and_its_disease_has_its_symptoms(snapshot: Path) -> None:
    with Snapshot.open(snapshot) as opened:
        [mention] = opened.link("grippe")
        assert (mention.id, mention.name) == ("ICD:J11.1", "Influenza")
        assert {fact.object.name for fact in opened.facts(mention.id, 10)} == {"Fever", "Cough", "Muscle pain"}


def test_literals_that_are_no_names_are_attributes(snapshot: Path) -> None:
    with Snapshot.open(snapshot) as opened:
        assert [(each.predicate, each.value) for each in opened.attributes("SYM:fever")] == [
            ("skos:definition", "A body temperature above 38 °C.")
        ]

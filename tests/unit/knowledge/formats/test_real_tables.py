"""ICD-10-CM and a small table of diseases in English and Chinese, from their packages, as tables and as RDF, joined in one snapshot.

Needs the package index, and so runs with the tests of the node.
"""

from __future__ import annotations

import ast
import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, serialize

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.formats.registry import bind_format
from llmos.knowledge.sink import ListSink
from llmos.workload import fetch_python_package

pytestmark = pytest.mark.node

ICD = ("simple_icd_10_cm", "1.5.0", "6d461d71dc26aedc530ae65f02cfb578a154e49507c32e8241e75f701d4b7e42")
ICD_XML = "simple_icd_10_cm/data/icd10c-tabular-April-1-2026.xml"
DISEASES = ("faker-healthcare-provider", "2.5.0", "5439d7b660798742dba4974546abc182735528aa890afcf145339c6c0af3b99a")
ENGLISH = "faker_healthcare/disease_correlations.py"
COUNTS = (46_881, 44_963)
"""Codes as published (the package multiplies them by their seventh character), and how often one stands below another."""

CHINESE = "faker_healthcare/zh_CN/disease_correlations.py"
BASE = "http://id.example.org/icd/"

ICD_MAPPING = {
    "entities": [
        {"id": "ICD:{code}", "kind": "Class", "names": [{"column": "name"}, {"column": "terms", "scope": "Exact", "tag": "altLabel"}]}
    ],
    "facts": [{"subject": "ICD:{code}", "predicate": "is_a", "object": "ICD:{parent}", "whenMissing": "Skip"}],
}
DISEASE_MAPPING = {
    "entities": [
        {
            "id": "ICD:{code}",
            "kind": "Class",
            "names": [{"column": "en", "scope": "Exact"}, {"column": "zh", "language": "zh", "scope": "Exact"}],
        }
    ],
    "facts": [
        {"subject": "ICD:{code}", "predicate": "has_symptom", "object": "SYM:{symptoms}", "split": {"column": "symptoms", "separator": "|"}}
    ],
}
SYMPTOM_MAPPING = {"entities": [{"id": "SYM:{en}", "kind": "Symptom", "names": [{"column": "en"}, {"column": "zh", "language": "zh"}]}]}


def _codes(path: Path) -> Iterator[dict[str, Any]]:
    def walk(element: ElementTree.Element, parent: str | None) -> Iterator[dict[str, Any]]:
        code = element.findtext("name", "")
        terms = [note.text for note in element.findall("inclusionTerm/note")]
        yield {"code": code, "name": element.findtext("desc"), "terms": terms, "parent": parent}
        for child in element.findall("diag"):
            yield from walk(child, code)

    for top in ElementTree.parse(path).getroot().findall("chapter/section/diag"):
        yield from walk(top, None)


def _table(path: Path) -> dict[str, dict[str, Any]]:
    """Read the dictionary that a module holds, without running it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "DISEASE_CORRELATIONS" and node.value:
            return dict(ast.literal_eval(node.value))
    raise AssertionError("the package has another form")


def _write_icd(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "icd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    label, alternative = (NamedNode(f"http://www.w3.org/{name}") for name in ("2000/01/rdf-schema#label", "2004/02/skos/core#altLabel"))
    a, broader, kind = (
        NamedNode(iri)
        for iri in ("http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "http://www.w3.org/2000/01/rdf-schema#subClassOf", "urn:x:Class")
    )
    quads = []
    for row in rows:
        subject = NamedNode(BASE + row["code"])
        quads += [Quad(subject, a, kind), Quad(subject, label, Literal(row["name"], language="en"))]
        quads += [Quad(subject, alternative, Literal(term, language="en")) for term in row["terms"]]
        quads += [Quad(subject, broader, NamedNode(BASE + row["parent"]))] if row["parent"] else []
    serialize(quads, folder / "icd.nt", format=RdfFormat.N_TRIPLES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for (name, version, sha256), paths in ((ICD, [ICD_XML]), (DISEASES, [ENGLISH, CHINESE])):
        fetch_python_package(name=name, version=version, sha256=sha256, paths=paths, into=folder / name)
    _write_icd(folder, list(_codes(folder / ICD[0] / ICD_XML)))
    english, chinese = _table(folder / DISEASES[0] / ENGLISH), _table(folder / DISEASES[0] / CHINESE)
    pairs: dict[str, str] = {}
    with (folder / "diseases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "en", "zh", "symptoms"])
        for (en, row), (zh, row_zh) in zip(english.items(), chinese.items(), strict=True):
            assert row["icd10"] == row_zh["icd10"]
            writer.writerow([row["icd10"], en, zh, "|".join(row["symptoms"])])
            for symptom, symptom_zh in zip(row["symptoms"], row_zh["symptoms"], strict=True):
                pairs.setdefault(symptom, symptom_zh)
    with (folder / "symptoms.tsv").open("w") as file:
        file.write("en\tzh\n" + "".join(f"{en}\t{zh}\n" for en, zh in pairs.items()))
    return folder


def _read(path: Path, format: str, options: dict[str, Any]) -> ListSink:
    sink = ListSink()
    bind_format(format, options, path=path.name)(path, package_version="", sink=sink)
    return sink


def test_icd_10_cm_is_the_same_graph_as_a_table_and_as_rdf(folder: Path) -> None:
    table = _read(folder / "icd.jsonl", "JSONL", ICD_MAPPING)
    prefixes = [{"prefix": "ICD", "iri": BASE}, {"prefix": "x", "iri": "urn:x:"}]
    rdf = _read(folder / "icd.nt", "NTriples", {"prefixes": prefixes})
    assert {entity for entity, _ in table.entities} == {entity for entity, _ in rdf.entities}
    assert sorted(set(table.names)) == sorted(set(rdf.names))
    assert {(fact.subject, fact.object) for fact in table.facts} == {(fact.subject, fact.object) for fact in rdf.facts}
    assert {fact.predicate for fact in [*table.facts, *rdf.facts]} == {"is_a"}
    assert (table.problems, rdf.problems) == ([], [])
    assert (len(set(table.entities)), len(table.facts)) == COUNTS


def test_both_languages_end_at_the_same_entities(folder: Path, tmp_path: Path) -> None:
    def file(name: str, format: str, mapping: dict[str, Any]) -> SourceFile:
        return SourceFile(source=name.split(".")[0], path=name, format=format, package_version="1", location=folder / name, options=mapping)

    files = [
        file("icd.jsonl", "JSONL", ICD_MAPPING),
        file("diseases.csv", "CSV", DISEASE_MAPPING),
        file("symptoms.tsv", "TSV", SYMPTOM_MAPPING),
    ]
    built = build_snapshot(files, tmp_path, linking=LinkingSettings(languages=("en", "zh")))
    assert built.problems == []
    assert built.description.counts["facts.has_symptom"] == 780, "two of the 158 diseases share a code, and four symptoms"
    with Snapshot.open(tmp_path) as snapshot:
        english, chinese = (
            {id for mention in snapshot.link(text) for id in mention.candidates}
            for text in ("fever and a cough, asthma", "发热，咳嗽，哮喘")
        )
        assert {"SYM:Fever", "SYM:Cough", "ICD:J45.909"} <= english & chinese
        assert snapshot.name("ICD:J45.909") == "Unspecified asthma, uncomplicated"

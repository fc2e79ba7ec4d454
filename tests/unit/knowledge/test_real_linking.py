"""Linking on the real Human Phenotype Ontology: against a plain search, with a Chinese table joined to it, and softly.

Needs the package index, and so runs with the tests of the node.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from bench import soft_linking
from llmos.knowledge import EntitySettings, LinkingSettings, MergeRule, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.building.mentions import PLURAL_RANK
from llmos.knowledge.linking.boundaries import word_check
from llmos.knowledge.linking.names import encode_key, findable
from llmos.knowledge.linking.normalise import tokenise
from llmos.workload import fetch_python_package

pytestmark = pytest.mark.node

TABLES = ("faker_healthcare/disease_correlations.py", "faker_healthcare/zh_CN/disease_correlations.py")
TABLES_SHA256 = "5439d7b660798742dba4974546abc182735528aa890afcf145339c6c0af3b99a"
SYMPTOMS = {
    "entities": [
        {
            "id": "SYM:{en}",
            "kind": "Symptom",
            "names": [{"column": "en"}, {"column": "zh", "language": "zh"}],
        }
    ]
}
# What patients say: no package has it, so a hospital would write such a table, and its rows join by the name that both know.
LAY = [{"zh": "发热", "lay": "发烧"}, {"zh": "腹泻", "lay": "拉肚子"}]
LAY_MAPPING = {
    "entities": [
        {
            "id": "LAY:{zh}",
            "kind": "Symptom",
            "names": [{"column": "zh", "language": "zh"}, {"column": "lay", "language": "zh", "scope": "Exact"}],
        }
    ]
}


@pytest.fixture(scope="module")
def obo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return soft_linking.fetch(tmp_path_factory.mktemp("hpo") / "package")


@pytest.fixture(scope="module")
def bilingual(obo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the ontology with a table of symptoms in English and Chinese and one of lay words, joined where names are equal."""
    folder = tmp_path_factory.mktemp("tables")
    fetch_python_package(
        name="faker-healthcare-provider", version="2.5.0", sha256=TABLES_SHA256, paths=list(TABLES), into=folder / "package"
    )
    english, chinese = (_diseases(folder / "package" / path) for path in TABLES)
    rows = {
        (ours, theirs)
        for one, other in zip(english.values(), chinese.values(), strict=True)
        for ours, theirs in zip(one["symptoms"], other["symptoms"], strict=True)
    }
    table = folder / "symptoms.jsonl"
    table.write_text("".join(json.dumps({"en": ours, "zh": theirs}) + "\n" for ours, theirs in sorted(rows)))
    files = [
        SourceFile(source="hpo", path="hp.obo", format="OBO", package_version="4.0.0", location=obo),
        SourceFile(source="symptoms", path=table.name, format="JSONL", package_version="2.5.0", location=table, options=SYMPTOMS),
    ]
    (folder / "lay.jsonl").write_text("".join(json.dumps(row) + "\n" for row in LAY))
    files.append(
        SourceFile(source="lay", path="lay.jsonl", format="JSONL", package_version="1", location=folder / "lay.jsonl", options=LAY_MAPPING)
    )
    directory = tmp_path_factory.mktemp("snapshot")
    entities = EntitySettings(merge_by=(MergeRule(name="Exact"),), prefer_sources=("hpo",))
    built = build_snapshot(files, directory, linking=LinkingSettings(languages=("en", "zh")), entities=entities)
    assert built.description.counts["mergedEntities"] > 100, "half of the table's symptoms are names of the ontology"
    return directory


def _diseases(path: Path) -> dict[str, dict[str, list[str]]]:
    """Read the package's table as data; it is never run."""
    (value,) = (
        node.value
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AnnAssign) and node.value is not None
    )
    return ast.literal_eval(value)


def statuses(snapshot: Snapshot, text: str) -> list[tuple[str, str, str]]:
    return [(mention.text, mention.id, str(mention.status)) for mention in snapshot.link(text)]


def test_both_languages_end_at_the_same_entity_and_both_denials_are_negated(bilingual: Path):
    with Snapshot.open(bilingual) as snapshot:
        (fever,) = snapshot.link("fever")
        assert fever.id == "HP:0001945"
        for text in ("发热", "發熱", "发烧", "發燒"):
            assert [mention.id for mention in snapshot.link(text)] == [fever.id], text
        assert statuses(snapshot, "no fever") == [("fever", fever.id, "Negated")]
        assert statuses(snapshot, "否认发热") == [("发热", fever.id, "Negated")]
        assert [mention.id for mention in snapshot.link("diarrhea 拉肚子")] == ["HP:0002014"] * 2


def test_the_linker_finds_exactly_what_a_plain_search_finds_in_every_definition(bilingual: Path, obo: Path):
    definitions = [match[1] for match in re.finditer(r'^def: "((?:[^"\\]|\\.)*)"', obo.read_text(encoding="utf-8"), re.MULTILINE)]
    assert len(definitions) > 16_000
    with Snapshot.open(bilingual) as snapshot:
        names = _findable_keys(snapshot)
        longest = max(key.count("\x03") for key in names)
        for text in definitions:
            assert [(mention.start, mention.end) for mention in snapshot.link(text)] == _plain(text, names, longest), text


def _findable_keys(snapshot: Snapshot) -> set[str]:
    """Collect what is looked for straight from the table of names, by its own rules."""
    keys, plurals = set(), set()
    for text, language in snapshot._database.rows("SELECT DISTINCT text, language FROM name"):
        found = findable(text)
        if found.key and found.characters >= 3:
            keys.add(found.key)
            if language == "en" and found.plural:
                plurals.add(found.plural)
    assert PLURAL_RANK > 4, "a plural is no name where a name is written so"
    return keys | plurals


def _plain(text: str, names: set[str], longest: int) -> list[tuple[int, int]]:
    """Leftmost-longest, by trying every length at every word."""
    tokens = tokenise(text)
    may_be_name = word_check(text)
    found, at = [], 0
    while at < len(tokens):
        for length in range(min(longest, len(tokens) - at), 0, -1):
            piece = tokens[at : at + length]
            if encode_key(token.key for token in piece) in names and may_be_name(piece[0].start, piece[-1].end):
                found.append((piece[0].start, piece[-1].end))
                at += length
                break
        else:
            at += 1
    return found


def test_held_out_lay_synonyms_are_found_better_than_by_a_general_encoder(obo: Path, tmp_path: Path):
    questions = soft_linking.split(obo, tmp_path / "hp.obo")
    figures = soft_linking.measure(soft_linking.build(tmp_path / "hp.obo", tmp_path / "snapshot"), questions)
    assert figures.num_questions == 956
    assert figures.top[1] > 0.45, "MiniLM without training gives 0.231 with names alone, 0.336 with these synonyms"
    assert figures.top[10] > 0.74

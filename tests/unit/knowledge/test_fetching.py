"""A KnowledgeBase from every kind of source, through the whole build Job: its facts, and what the provenance says of their origin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmos.artifacts import digest_bytes
from llmos.errors import EXIT_PERMANENT, EXIT_RETRY
from llmos.knowledge import Snapshot, build_job
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.knowledge.conftest import HPOA, OBO
from tests.unit.models.http_registry import serve_registry
from tests.unit.models.jobs import Pods
from tests.unit.workload.bucket import running_bucket
from tests.unit.workload.git_server import running_git
from tests.unit.workload.mirror import Mirror, running_mirror, sha256

KEY = "KnowledgeBase/hpo"
FILES = [{"path": "hp.obo", "format": "OBO"}, {"path": "phenotype.hpoa", "format": "HPOA"}]
CONTENT = {"hp.obo": OBO.encode(), "phenotype.hpoa": HPOA.encode()}


@pytest.fixture
def memory() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def pods(memory: MemoryRegistry, tmp_path: Path) -> Iterator[Pods]:
    with serve_registry(memory) as host:
        yield KnowledgePods(host, tmp_path / "pods")


class KnowledgePods(Pods):
    """Also says how each source is reached."""

    def build(self, *sources: dict[str, Any], reach: Mapping[str, Any] | None = None) -> int:
        return self.run(self._main(reach or {}), KEY, {"sources": list(sources)})

    def _main(self, reach: Mapping[str, Any]) -> Callable[[Any], int]:
        def main(argv: Any) -> int:
            path = self.folder / "config.yaml"
            path.write_text(json.dumps({**json.loads(path.read_text()), "sources": reach}))
            return build_job.main(argv)

        return main

    def record(self) -> list[dict[str, str]]:
        payload = self.version(KEY).provenance.payload("snapshot")
        assert payload is not None
        return json.loads(payload.attributes.get("sources", "[]"))


def write(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for path, content in CONTENT.items():
        (folder / path).write_bytes(content)
    return folder


def push_artifact(memory: MemoryRegistry) -> str:
    """Push as ORAS does; return its digest."""
    layers = []
    for path, content in CONTENT.items():
        memory.blobs["team/hpo", digest_bytes(content)] = content
        annotations = {"org.opencontainers.image.title": path}
        layers.append({"mediaType": "text/plain", "digest": digest_bytes(content), "size": len(content), "annotations": annotations})
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_bytes(b"{}"), "size": 2}
    data = json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()
    memory.manifests["team/hpo", "v1"] = memory.manifests["team/hpo", digest_bytes(data)] = data
    return digest_bytes(data)


def from_mirror(mirror: Mirror) -> dict[str, Any]:
    mirror.files = {f"/{path}": content for path, content in CONTENT.items()}
    files = [{"url": f"{mirror.url}/{path}", "sha256": sha256(content), "path": path} for path, content in CONTENT.items()]
    return {"name": "mirror", "http": {"files": files}, "files": FILES}


def test_every_kind_of_source_brings_the_same_facts_and_says_what_it_stood_for(
    pods: KnowledgePods, memory: MemoryRegistry, tmp_path: Path
) -> None:
    digest = push_artifact(memory)
    volume, mounted = write(tmp_path / "volume" / "team").parent, write(tmp_path / "mounted")
    with running_mirror() as mirror, running_bucket() as bucket, running_git(tmp_path) as git:
        for path, content in CONTENT.items():
            bucket.put(f"team/hpo/{path}", content)
        commit = git.commit({f"terms/{path}": content for path, content in CONTENT.items()})
        below = [{**file, "path": f"terms/{file['path']}"} for file in FILES]
        sources = [
            from_mirror(mirror),
            {"name": "registry", "oci": {"reference": f"{pods.host}/team/hpo:v1"}, "files": FILES},
            {"name": "bucket", "s3": {"bucket": "models", "prefix": "team/hpo", "endpoint": bucket.url}, "files": FILES},
            {"name": "volume", "pvc": {"claimName": "knowledge", "path": "team"}, "files": FILES},
            {"name": "git", "git": {"repository": git.url, "ref": "main"}, "files": below},
            {"name": "words", "configMap": {"name": "terms"}, "files": FILES},
        ]
        reach = {
            "registry": {"plainHTTP": True},
            "volume": {"volumeDirectory": str(volume)},
            "words": {"volumeDirectory": str(mounted)},
        }
        assert pods.build(*sources, reach=reach) == 0, pods.termination
        tag = bucket.tag("team/hpo/hp.obo").strip('"')
    with Snapshot.open(pods.fetch(KEY, "snapshot")) as snapshot:
        assert len(snapshot.facts("HP:0000256", 100)) > 0
        versions = {source.name: source.version for source in snapshot.sources}
    # The ontology names its own version; where no file did, facts would cite what the source stood for.
    assert versions == {source["name"]: "2025-01-16" for source in sources}
    record = {item["name"]: item for item in pods.record()}
    assert "mirror" not in record
    assert record["registry"]["resolved"] == f"{pods.host}/team/hpo@{digest}"
    assert record["git"]["resolved"] == f"{git.url}@{commit}"
    assert {item["path"]: item["etag"] for item in json.loads(record["bucket"]["objects"])}["hp.obo"] == tag
    assert record["volume"]["resolved"].startswith("knowledge/team@sha256:")
    # The same files are the same folder, wherever it lies.
    assert {record[name]["resolved"].rpartition("@")[2] for name in ("bucket", "volume", "words")} == {
        record["words"]["resolved"].removeprefix("terms@")
    }


def test_facts_of_files_without_a_version_cite_what_the_source_stood_for(pods: KnowledgePods, tmp_path: Path) -> None:
    plain = "".join(line for line in OBO.splitlines(keepends=True) if not line.startswith("data-version"))
    with running_git(tmp_path) as git:
        commit = git.commit({"hp.obo": plain.encode()})
        assert pods.build({"name": "git", "git": {"repository": git.url}, "files": FILES[:1]}) == 0, pods.termination
    with Snapshot.open(pods.fetch(KEY, "snapshot")) as snapshot:
        assert {fact.source.version for fact in snapshot.facts("HP:0000256", 10)} == {commit}


def test_of_a_bucket_only_what_is_read_is_asked_for_whatever_else_it_holds(pods: KnowledgePods) -> None:
    with running_bucket() as bucket:
        for path, content in CONTENT.items():
            bucket.put(f"team/hpo/{path}", content)
        for number in range(300):
            bucket.put(f"team/hpo/noise-{number}.obo", b"not read")
        source = {"name": "bucket", "s3": {"bucket": "models", "prefix": "team/hpo", "endpoint": bucket.url}, "files": FILES}
        assert pods.build(source) == 0, pods.termination
        assert [item["path"] for item in json.loads(pods.record()[0]["objects"])] == sorted(CONTENT)
        assert pods.build({**source, "files": [{"path": "none.obo", "format": "OBO"}]}) == EXIT_RETRY
    assert "404" in pods.termination["message"]
    assert "none.obo of s3://models/team/hpo" in pods.termination["message"]


def test_a_source_with_a_partition_is_seen_by_its_readers_only(pods: KnowledgePods) -> None:
    with running_mirror() as mirror:
        assert pods.build({**from_mirror(mirror), "partition": "cardiology"}) == 0, pods.termination
    folder = pods.fetch(KEY, "snapshot")
    with Snapshot.open(folder) as everybody, Snapshot.open(folder, partitions=frozenset({"cardiology"})) as inside:
        assert everybody.facts("HP:0000256", 10) == []
        assert inside.facts("HP:0000256", 10) != []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"files": [{"path": "hp.owl", "format": "OBO"}]}, r"source words: files names 'hp\.owl', which http\.files does not bring"),
        ({"http": None, "pvc": {"claimName": "a"}}, "source words: the source is pvc, and no source.volumeDirectory says where"),
        ({"pvc": {"claimName": "a"}}, "field spec.sources.0: Value error, must set exactly one of pythonPackage, http"),
        ({"http": None}, "field spec.sources.0: Value error, must set exactly one of"),
        ({"http": None, "git": {"repository": "ssh://a/b"}}, "field spec.sources.0.git.repository"),
        ({"partition": "a,b"}, "field spec.sources.0.partition"),
    ],
    ids=["file nobody brings", "nothing mounted", "two kinds", "no kind", "another transport", "bad partition"],
)
def test_what_cannot_be_fetched_is_refused_with_the_sources_name(pods: KnowledgePods, change: dict[str, Any], words: str) -> None:
    with running_mirror() as mirror:
        source = {**from_mirror(mirror), "name": "words", **change}
        given = {name: value for name, value in source.items() if value is not None}
        assert pods.build(given) == EXIT_PERMANENT
    assert re.match(words, pods.termination["message"]), pods.termination


def test_a_volume_without_one_of_the_files_is_looked_at_again(pods: KnowledgePods, tmp_path: Path) -> None:
    (write(tmp_path / "volume") / "phenotype.hpoa").unlink()
    source = {"name": "volume", "pvc": {"claimName": "knowledge"}, "files": FILES}
    assert pods.build(source, reach={"volume": {"volumeDirectory": str(tmp_path / "volume")}}) == EXIT_RETRY
    assert pods.termination["message"] == ("source volume: there is no file 'phenotype.hpoa' beside hp.obo; add it, or correct files")

"""From a source to the weights of a version, as the Job does it, without the export: what is recorded, and what a second run adopts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from llmos.artifacts import Registry, RegistryAccess, Version, digest_bytes
from llmos.errors import EXIT_PERMANENT
from llmos.models import parse_model_spec
from llmos.models.weights import take_weights as take_weights_of
from llmos.workload import JobConfig, Reporter, Result, run_job
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_registry
from tests.unit.models.jobs import Pods
from tests.unit.workload.bucket import running_bucket
from tests.unit.workload.hub import REPOSITORY, running_hub

TASK = "FeatureExtraction"


def make_files(word: str = "a") -> dict[str, bytes]:
    """The smallest folder that passes for a model until torch is asked."""
    header = json.dumps({word: {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
    return {"config.json": b'{"model_type": "bert"}', "model.safetensors": len(header).to_bytes(8, "little") + header + b"1234"}


def take_weights(argv: Any) -> int:
    """The import Job, up to where torch is loaded."""

    def main(config: JobConfig, reporter: Reporter) -> Result:
        with Registry(RegistryAccess(plain_http=True)) as registry:
            _, weights, measured = take_weights_of(config, parse_model_spec(config.spec), registry, reporter)
        return Result(payloads=[weights], message="done", measurements=measured)

    return run_job(main, argv)


@pytest.fixture
def memory() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def pods(memory: MemoryRegistry, tmp_path: Path) -> Iterator[Pods]:
    with serve_registry(memory) as host:
        yield Pods(host, tmp_path / "pods")


def push_artifact(memory: MemoryRegistry, tag: str, files: dict[str, bytes]) -> str:
    """Push a ModelPack artifact as somebody else would; return its digest."""
    layers = []
    for path, content in files.items():
        memory.blobs["team/minilm", digest_bytes(content)] = content
        annotations = {"org.cncf.model.filepath": path}
        media_type = "application/vnd.cncf.model.weight.v1.raw"
        layers.append({"mediaType": media_type, "digest": digest_bytes(content), "size": len(content), "annotations": annotations})
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_bytes(b"{}"), "size": 2}
    data = json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()
    memory.manifests["team/minilm", tag] = memory.manifests["team/minilm", digest_bytes(data)] = data
    return digest_bytes(data)


def files_of(pods: Pods, key: str) -> dict[str, bytes]:
    folder = pods.fetch(key, "weights")
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".llmos")}


def source_of(version: Version) -> str:
    payload = version.provenance.payload("weights")
    assert payload is not None
    return payload.attributes["source"]


def test_a_tag_is_recorded_as_the_digest_it_was_and_stays_that(pods: Pods, memory: MemoryRegistry) -> None:
    digest = push_artifact(memory, "v1", make_files())
    spec = {"task": TASK, "source": {"oci": {"reference": f"{pods.host}/team/minilm:v1"}}}
    assert pods.run(take_weights, "Model/minilm", spec, source={"plainHTTP": True}) == 0, pods.termination
    first = pods.version("Model/minilm")
    assert source_of(first) == f"{pods.host}/team/minilm@{digest}"
    assert files_of(pods, "Model/minilm") == make_files()

    push_artifact(memory, "v1", make_files("moved"))
    assert pods.run(take_weights, "Model/minilm", spec, source={"plainHTTP": True}) == 0
    assert pods.versions["Model/minilm"] == first.digest
    assert pods.termination["message"] == "found in the registry; nothing had to be done"


def test_the_same_model_by_another_name_is_the_same_payload(pods: Pods, memory: MemoryRegistry) -> None:
    digest = push_artifact(memory, "v1", make_files())
    for name, reference in (("tagged", f"{pods.host}/team/minilm:v1"), ("pinned", f"{pods.host}/team/minilm@{digest}")):
        spec = {"task": TASK, "source": {"oci": {"reference": reference}}}
        assert pods.run(take_weights, f"Model/{name}", spec, source={"plainHTTP": True}) == 0, pods.termination
    payloads = [pods.version(f"Model/{name}").provenance.payloads for name in ("tagged", "pinned")]
    assert payloads[0] == payloads[1]


def test_an_artifact_that_is_gone_is_looked_for_again(pods: Pods) -> None:
    spec = {"task": TASK, "source": {"oci": {"reference": f"{pods.host}/team/minilm:v1"}}}
    assert pods.run(take_weights, "Model/minilm", spec, source={"plainHTTP": True}) == 75
    assert pods.termination["reason"] == "InvalidSource"
    assert "is not in the registry; push it, or correct oci.reference" in pods.termination["message"]


def test_a_branch_is_recorded_as_the_commit_it_was_and_stays_that(pods: Pods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with running_hub() as hub:
        commit = hub.commit("main", make_files())
        source = {"huggingFace": {"repository": REPOSITORY, "revision": "main", "endpoint": hub.url}}
        assert pods.run(take_weights, "Model/minilm", {"task": TASK, "source": source}) == 0, pods.termination
        hub.commit("main", make_files("moved"))
        assert pods.run(take_weights, "Model/minilm", {"task": TASK, "source": source}) == 0
    assert source_of(pods.version("Model/minilm")) == f"{REPOSITORY}@{commit}"
    assert pods.termination["message"] == "found in the registry; nothing had to be done"


def test_a_folder_of_a_volume_is_recorded_by_its_digest(pods: Pods, tmp_path: Path) -> None:
    folder = tmp_path / "volume" / "minilm"
    folder.mkdir(parents=True)
    for name, content in make_files().items():
        (folder / name).write_bytes(content)
    spec = {"task": TASK, "source": {"pvc": {"claimName": "models", "path": "minilm"}}}
    access = {"volumeDirectory": str(tmp_path / "volume")}
    assert pods.run(take_weights, "Model/minilm", spec, source=access) == 0, pods.termination
    assert source_of(pods.version("Model/minilm")).startswith("models/minilm@sha256:")
    assert files_of(pods, "Model/minilm") == make_files()
    assert sorted(path.name for path in folder.iterdir()) == sorted(make_files())


def test_a_volume_that_nobody_mounted_is_named(pods: Pods) -> None:
    assert pods.run(take_weights, "Model/minilm", {"task": TASK, "source": {"pvc": {"claimName": "models"}}}) == EXIT_PERMANENT
    assert "no source.volumeDirectory says where it is mounted" in pods.termination["message"]


def test_what_a_bucket_held_is_recorded_by_digest_and_entity_tags(pods: Pods) -> None:
    with running_bucket() as bucket:
        for name, content in make_files().items():
            bucket.put(f"team/minilm/{name}", content)
        source = {"s3": {"bucket": "models", "prefix": "team/minilm", "endpoint": bucket.url}}
        assert pods.run(take_weights, "Model/minilm", {"task": TASK, "source": source}) == 0, pods.termination
        tags = {key.removeprefix("team/minilm/"): bucket.tag(key).strip('"') for key in bucket.objects}
    version = pods.version("Model/minilm")
    payload = version.provenance.payload("weights")
    assert payload is not None
    assert source_of(version).startswith("s3://models/team/minilm@sha256:")
    assert {item["path"]: item["etag"] for item in json.loads(payload.attributes["objects"])} == tags
    assert files_of(pods, "Model/minilm") == make_files()


def test_a_model_that_scratch_cannot_hold_is_refused_before_it_is_fetched(pods: Pods, memory: MemoryRegistry) -> None:
    push_artifact(memory, "v1", make_files())
    spec = {"task": TASK, "source": {"oci": {"reference": f"{pods.host}/team/minilm:v1"}}}
    assert pods.run(take_weights, "Model/minilm", spec, source={"plainHTTP": True}, scratch_bytes=50) == EXIT_PERMANENT
    assert pods.termination["reason"] == "ResourcesTooSmall"
    assert "raise spec.workload.scratch.sizeLimit" in pods.termination["message"]
    assert not any("/blobs/" in path for method, path in memory.requests if method == "GET")

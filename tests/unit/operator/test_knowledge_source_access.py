"""What a KnowledgeBase's pod gets to reach its sources: each its own Secret and volume, and nothing that decides content."""

import json
from pathlib import Path
from typing import Any

import pytest
from world import HPO, World

from llmos.artifacts import Payload, Provenance, Version, inputs_hash
from llmos.knowledge.build_job import parse_spec as parse_hashed
from llmos.workload import load_job_config
from llmos_operator.api import parse_spec
from llmos_operator.desired.source import source_access
from llmos_operator.status.versions import version_status

OBO = [{"path": "a.obo", "format": "OBO"}]
FILE = {"url": "https://models.example.org/a.obo", "sha256": "b" * 64, "path": "a.obo"}
EVERYWHERE: list[dict[str, Any]] = [
    {"name": "addresses", "http": {"files": [FILE], "secretName": "mirror-login"}, "files": OBO},
    {
        "name": "registry",
        "oci": {"reference": "registry.example.org/a:v1", "plainHTTP": True, "secretName": "registry-login"},
        "files": OBO,
    },
    {"name": "volume", "pvc": {"claimName": "knowledge", "path": "team"}, "files": OBO},
    {"name": "words", "configMap": {"name": "terms"}, "files": [*OBO, {"path": "b.obo", "format": "OBO"}]},
    {"name": "repository", "git": {"repository": "https://git.example.org/a.git", "secretName": "git-login"}, "files": OBO},
    {
        "name": "database",
        "postgresql": {
            "host": "db",
            "database": "clinic",
            "secretName": "db-login",
            "plainTCP": True,
            "timeoutSeconds": 60,
            "queries": [{"name": "q", "query": "SELECT 1 AS a"}],
        },
        "files": [{"path": "q", "format": "JSONL", "mapping": {"entities": [{"id": "A:{a}", "kind": "B"}]}}],
    },
    {"name": "bucket", "partition": "cardiology", "s3": {"bucket": "abc"}, "files": OBO},
]


NOT_HASHED = ("secretName", "plainHTTP", "plainTCP", "timeoutSeconds")


def hash_of(*sources: dict[str, Any]) -> str:
    parsed = parse_spec("KnowledgeBase", {"sources": list(sources)})
    return inputs_hash(kind="KnowledgeBase", spec=parsed.hashed(), parents={})  # type: ignore[attr-defined]


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    return dict(job["spec"]["template"]["spec"])


def config_of(job: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(job["spec"]["template"]["metadata"]["annotations"]["llmos.dev/config"]))


async def test_each_source_has_its_own_secret_and_volume_and_the_workload_is_told_by_name(world: World) -> None:
    await world.settle(world.add("KnowledgeBase", "all", {"sources": EVERYWHERE}))
    pod, config = pod_of(world.job()), config_of(world.job())
    assert [item for item in pod["volumes"] if item["name"].startswith(("secret-", "source-"))] == [
        {"name": "secret-addresses", "secret": {"secretName": "mirror-login"}},
        {"name": "secret-registry", "secret": {"secretName": "registry-login"}},
        {"name": "source-volume", "persistentVolumeClaim": {"claimName": "knowledge", "readOnly": True}},
        {
            "name": "source-words",
            "configMap": {"name": "terms", "items": [{"key": "a.obo", "path": "a.obo"}, {"key": "b.obo", "path": "b.obo"}]},
        },
        {"name": "secret-repository", "secret": {"secretName": "git-login"}},
        {"name": "secret-database", "secret": {"secretName": "db-login"}},
    ]
    mounts = {item["name"]: item for item in pod["containers"][0]["volumeMounts"]}
    assert mounts["secret-registry"] == {"name": "secret-registry", "mountPath": "/etc/llmos/sources/registry", "readOnly": True}
    assert mounts["source-words"] == {"name": "source-words", "mountPath": "/sources/words", "readOnly": True}
    assert config["sources"] == {
        "addresses": {"secretDirectory": "/etc/llmos/sources/addresses"},
        "registry": {"secretDirectory": "/etc/llmos/sources/registry", "plainHTTP": True},
        "volume": {"volumeDirectory": "/sources/volume"},
        "words": {"volumeDirectory": "/sources/words"},
        "repository": {"secretDirectory": "/etc/llmos/sources/repository"},
        "database": {"secretDirectory": "/etc/llmos/sources/database", "plainTCP": True, "timeoutSeconds": 60},
    }
    assert "source" not in config
    assert "secretName" not in json.dumps(config)
    assert not [name for name in ("plainHTTP", "plainTCP", "timeoutSeconds") if name in json.dumps(config["spec"])]


async def test_the_workload_reads_what_the_operator_wrote(world: World, tmp_path: Path) -> None:
    await world.settle(world.add("KnowledgeBase", "all", {"sources": EVERYWHERE}))
    (tmp_path / "config.yaml").write_text(json.dumps(config_of(world.job())))
    config = load_job_config(tmp_path / "config.yaml")
    assert config.sources["words"].volume_directory == Path("/sources/words")
    spec = parse_hashed(config.spec)
    assert [source.name for source in spec.sources if source.outside is None] == ["database"]
    assert spec.sources[-1].partition == "cardiology"


def test_volumes_of_the_longest_name_have_names_the_api_server_takes() -> None:
    name = "a" * 50
    source = {"name": name, "pvc": {"claimName": "a"}, "files": OBO}
    login = {"name": "b" * 50, "oci": {"reference": "a/b", "secretName": "c"}, "files": OBO}
    volumes = source_access(parse_spec("KnowledgeBase", {"sources": [source, login]})).volumes
    assert max(len(volume["name"]) for volume in volumes) <= 63


@pytest.mark.parametrize("source", EVERYWHERE, ids=lambda source: source["name"])
def test_how_a_source_is_reached_decides_no_content_and_where_it_is_does(source: dict[str, Any]) -> None:
    kind = next(name for name in source if name not in ("name", "files", "partition"))
    bare = {**source, kind: {name: value for name, value in source[kind].items() if name not in NOT_HASHED}}
    assert hash_of(source) == hash_of(bare)
    where = {name: value for name, value in bare[kind].items() if isinstance(value, str)}
    for name, value in where.items():
        assert hash_of({**bare, kind: {**bare[kind], name: value + "x"}}) != hash_of(bare)
    assert hash_of({**bare, "partition": "other"}) != hash_of(bare)


async def test_without_anything_to_reach_nothing_is_mounted_or_told(world: World) -> None:
    await world.settle(world.add("KnowledgeBase", "hpo", HPO))
    assert "sources" not in config_of(world.job())
    assert not [item for item in pod_of(world.job())["volumes"] if item["name"].startswith(("secret-", "source-"))]


async def test_another_secret_repeats_no_finished_build_and_heals_one_that_waits(world: World) -> None:
    def spec(secret: str) -> dict[str, Any]:
        return {"sources": [{"name": "a", "http": {"files": [FILE], "secretName": secret}, "files": OBO}]}

    key = world.add("KnowledgeBase", "mirrored", spec("typo"))
    await world.settle(key)
    world.add_pod(world.job(), phase="Pending")
    world.cluster.change(key, spec=spec("mirror-login"))
    await world.settle(key)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"
    world.publish(key)
    world.finish_job()
    await world.settle(key)
    jobs = len(world.children("Job"))
    world.cluster.change(key, spec=spec("renamed"))
    await world.settle(key)
    assert len(world.children("Job")) == jobs
    assert world.condition(key) == ("True", "Built")


def test_what_each_source_stood_for_is_shown() -> None:
    spec = parse_spec("KnowledgeBase", {"sources": [HPO["sources"][0], EVERYWHERE[3], EVERYWHERE[4]]}).hashed()  # type: ignore[attr-defined]
    digest = "sha256:" + "2" * 64
    record = [
        {"name": "words", "resolved": f"terms@{digest}"},
        {"name": "repository", "resolved": "https://git.example.org/a.git@" + "3" * 40},
    ]
    attributes = {"contentDigest": digest, "sources": json.dumps(record)}
    made = Provenance(
        kind="KnowledgeBase",
        inputs_hash=digest,
        spec=spec,
        parents={},
        payloads=[Payload("snapshot", digest, 7, attributes)],
        tools={},
    )
    assert version_status("KnowledgeBase", Version(digest, made, {"sources": [{"name": "words", "version": "2026"}]}))["sources"] == [
        {"name": "hpo", "version": "4.0.0"},
        {"name": "words", "version": "2026", "resolved": f"terms@{digest}"},
        {"name": "repository", "resolved": "https://git.example.org/a.git@" + "3" * 40},
    ]

"""What a Model's pod gets to reach its source: a Secret as a folder, and nothing that would make finished work run again."""

import json
from pathlib import Path
from typing import Any

import pytest
from world import MINILM, World

from llmos.artifacts import Payload, Provenance, Version, inputs_hash
from llmos.models import parse_model_spec
from llmos.workload import load_job_config
from llmos_operator.api import parse_spec
from llmos_operator.status.versions import version_status

FILE = {"url": "https://models.example.org/config.json", "sha256": "b" * 64, "path": "config.json"}


def from_http(**changes: Any) -> dict[str, Any]:
    return {"task": "TextClassification", "source": {"http": {"files": [FILE], **changes}}}


def hash_of(spec: dict[str, Any], **parents: str) -> str:
    parsed = parse_spec("Model", spec)
    return inputs_hash(kind="Model", spec=parsed.hashed(), parents=parents)  # type: ignore[attr-defined]


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    return dict(job["spec"]["template"]["spec"])


def config_of(job: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(job["spec"]["template"]["metadata"]["annotations"]["llmos.dev/config"]))


@pytest.mark.parametrize(
    ("spec", "parents", "expected"),
    [
        (from_http(), {}, "sha256:d1fad97b2b289fa6fcbd892f500b43c81197ea4b3dc5e1230de0ad14a7a05d5d"),
        (
            {"task": "TextClassification", "source": {"trainingJob": {"name": "a"}}},
            {"trainingJob": "sha256:" + "1" * 64},
            "sha256:dfd1597cb92e1dca03af9c1c1c11d38c5fda05a20aedbf541ababc839f274f84",
        ),
    ],
)
def test_a_model_of_an_earlier_version_is_not_imported_again(spec: dict[str, Any], parents: dict[str, str], expected: str) -> None:
    assert hash_of(spec, **parents) == expected


def test_a_login_decides_no_content() -> None:
    assert hash_of(from_http(secretName="a")) == hash_of(from_http(secretName="b")) == hash_of(from_http())


async def test_the_kubelet_mounts_the_secret_and_the_workload_is_told_where(world: World) -> None:
    await world.settle(world.add("Model", "mirrored", from_http(secretName="mirror-login")))
    pod = pod_of(world.job())
    assert {"name": "source-secret", "secret": {"secretName": "mirror-login"}} in pod["volumes"]
    mount = next(item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "source-secret")
    assert mount == {"name": "source-secret", "mountPath": "/etc/llmos/source", "readOnly": True}
    assert config_of(world.job())["source"] == {"secretDirectory": "/etc/llmos/source"}
    assert "secretName" not in json.dumps(config_of(world.job()))


async def test_the_workload_reads_what_the_operator_wrote(world: World, tmp_path: Path) -> None:
    await world.settle(world.add("Model", "mirrored", from_http(secretName="mirror-login")))
    (tmp_path / "config.yaml").write_text(json.dumps(config_of(world.job())))
    config = load_job_config(tmp_path / "config.yaml")
    assert config.source.secret_directory == Path("/etc/llmos/source")
    assert parse_model_spec(config.spec).source.http is not None


async def test_without_a_secret_nothing_is_mounted_or_told(world: World) -> None:
    await world.settle(world.add("Model", "minilm", MINILM))
    assert "source" not in config_of(world.job())
    assert "source-secret" not in json.dumps(pod_of(world.job()))


async def test_a_missing_secret_says_so_and_another_name_heals_it(world: World) -> None:
    key = world.add("Model", "mirrored", from_http(secretName="typo"))
    await world.settle(key)
    pod = world.add_pod(world.job(), phase="Pending")
    world.cluster.change(pod, spec={"nodeName": "node"})
    missing = 'MountVolume.SetUp failed for volume "source-secret" : secret "typo" not found'
    uid = world.cluster.objects[pod]["metadata"]["uid"]
    world.cluster.events[uid] = [{"type": "Warning", "reason": "FailedMount", "message": missing}]
    world.clock.advance(12)
    await world.settle(key)
    assert world.condition(key) == ("False", "MountFailed")
    assert 'secret "typo" not found' in world.message(key)

    world.cluster.change(key, spec=from_http(secretName="mirror-login"))
    world.clock.advance(12)
    await world.settle(key)
    assert world.job()["metadata"]["labels"]["llmos.dev/attempt"] == "1"
    assert {"name": "source-secret", "secret": {"secretName": "mirror-login"}} in pod_of(world.job())["volumes"]


def from_registry(**changes: Any) -> dict[str, Any]:
    return {"task": "TextClassification", "source": {"oci": {"reference": "registry.example.org/minilm:v1", **changes}}}


async def test_a_registry_without_tls_is_told_and_not_hashed(world: World) -> None:
    await world.settle(world.add("Model", "minilm", from_registry(plainHTTP=True, secretName="login")))
    config = config_of(world.job())
    assert config["source"] == {"secretDirectory": "/etc/llmos/source", "plainHTTP": True}
    assert config["spec"]["source"] == {"oci": {"reference": "registry.example.org/minilm:v1"}}
    assert hash_of(from_registry(plainHTTP=True)) == hash_of(from_registry(plainHTTP=False)) == hash_of(from_registry())


def test_what_a_tag_stood_for_is_shown() -> None:
    digest = "sha256:" + "2" * 64
    weights = Payload("weights", digest, 7, {"format": "safetensors", "source": f"registry.example.org/minilm@{digest}"})
    spec = parse_spec("Model", from_registry()).hashed()  # type: ignore[attr-defined]
    hashed = inputs_hash(kind="Model", spec=spec, parents={})
    made = Provenance(kind="Model", inputs_hash=hashed, spec=spec, parents={}, payloads=[weights], tools={})
    assert version_status("Model", Version(digest, made))["weights"] == {
        "digest": digest,
        "sizeBytes": 7,
        "source": f"registry.example.org/minilm@{digest}",
    }


async def test_a_volume_is_mounted_read_only(world: World) -> None:
    spec = {"task": "TextClassification", "source": {"pvc": {"claimName": "models", "path": "team/minilm"}}}
    await world.settle(world.add("Model", "minilm", spec))
    pod, config = pod_of(world.job()), config_of(world.job())
    assert {"name": "source", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}} in pod["volumes"]
    assert {"name": "source", "mountPath": "/source", "readOnly": True} in pod["containers"][0]["volumeMounts"]
    assert config["source"] == {"volumeDirectory": "/source"}
    assert config["spec"]["source"] == {"pvc": {"claimName": "models", "path": "team/minilm"}}


@pytest.mark.parametrize(
    "source",
    [
        {"huggingFace": {"repository": "team/minilm", "revision": "main"}},
        {"s3": {"bucket": "models", "prefix": "team/minilm", "endpoint": "https://s3.example.org"}},
    ],
)
async def test_hubs_and_buckets_get_their_secret_and_hash_without_it(world: World, source: dict[str, dict[str, Any]]) -> None:
    ((name, fields),) = source.items()
    with_secret = {"task": "TextClassification", "source": {name: {**fields, "secretName": "login"}}}
    await world.settle(world.add("Model", "minilm", with_secret))
    assert {"name": "source-secret", "secret": {"secretName": "login"}} in pod_of(world.job())["volumes"]
    assert config_of(world.job())["spec"]["source"] == source
    assert parse_model_spec(config_of(world.job())["spec"]).source
    assert hash_of(with_secret) == hash_of({"task": "TextClassification", "source": source})

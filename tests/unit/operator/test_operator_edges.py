"""The operator's edges: its configuration file, the parsed API, Events on demand, the probes, the layout."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from world import HPO, MINILM, ORGAN_SYSTEM, FakeClock, World, settings

from llmos.errors import ConfigError
from llmos_operator.api import parse_spec
from llmos_operator.cluster import ClusterUnavailable
from llmos_operator.names import ObjectKey
from llmos_operator.probes import STUCK_S, Probes
from llmos_operator.settings import load_settings

GOOD = """
installationId: llmos-system/llmos
artifacts: {repository: "10.244.0.1:5000/llmos", plainHTTP: true, caSecretName: "", credentialsSecretName: ""}
images: {trainer: a, sidecar: b, triton: c}
"""


def test_the_smallest_configuration_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "operator.yaml"
    file.write_text(GOOD)
    found = load_settings(file)
    assert (found.queue.workers, found.queue.resync_seconds, found.probes.port, found.metrics.port) == (8, 600, 8081, 9090)
    assert found.artifacts.operator_access().credentials_file is None


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("unknown: 1", "unknown: Extra inputs are not permitted"),
        ("queue: {workers: 0}", "queue.workers"),
        ("logLevel: LOUD", "logLevel"),
        ("- a", "cannot be read"),
    ],
)
def test_a_wrong_configuration_is_named_by_field_and_file(tmp_path: Path, change: str, part: str) -> None:
    file = tmp_path / "operator.yaml"
    file.write_text(GOOD + change)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert part in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_configuration_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml")


def test_a_registry_with_secrets_is_read_from_where_they_are_mounted() -> None:
    artifacts = {"repository": "r.example/llmos", "caSecretName": "ca", "credentialsSecretName": "login"}
    access = settings(artifacts=artifacts).artifacts.operator_access()
    assert (access.ca_file, access.credentials_file) == ("/etc/llmos/registry-ca/ca.crt", "/etc/llmos/registry/config.json")


@pytest.mark.parametrize(
    ("kind", "spec", "same"),
    [
        ("Model", MINILM, {**MINILM, "onnx": {"precisions": ["Float32"]}, "workload": {"labels": {"a": "b"}}}),
        ("KnowledgeBase", HPO, {**HPO, "linking": {"languages": ["en"]}, "snapshot": {"pinned": "sha256:" + "a" * 64}}),
        ("TrainingJob", ORGAN_SYSTEM, {**ORGAN_SYSTEM, "suspend": True, "ttlSecondsAfterFinished": 1, "split": {"seed": 0}}),
    ],
)
def test_defaults_and_what_does_not_decide_the_content_are_not_hashed(kind: str, spec: Any, same: Any) -> None:
    assert parse_spec(kind, spec).hashed() == parse_spec(kind, same).hashed()  # type: ignore[attr-defined]


def test_a_model_without_a_newer_field_hashes_to_what_it_always_did() -> None:
    hashed = parse_spec("Model", MINILM).hashed()  # type: ignore[attr-defined]
    assert set(hashed) == {"task", "source", "onnx"}
    form = {"type": "GGUF"}
    assert parse_spec("Model", {**MINILM, "format": form}).hashed() == {**hashed, "format": form}  # type: ignore[attr-defined]


def test_a_base_of_another_name_and_the_same_digest_is_the_same_run() -> None:
    renamed = {**ORGAN_SYSTEM, "base": {"name": "other"}}
    assert parse_spec("TrainingJob", ORGAN_SYSTEM).hashed() == parse_spec("TrainingJob", renamed).hashed()  # type: ignore[attr-defined]


async def test_a_spec_this_operator_does_not_know_is_invalid_not_ignored(world: World) -> None:
    key = world.add("Model", "minilm", {**MINILM, "quantization": "later"})
    await world.reconcile(key)
    assert world.condition(key, "Stalled") == ("True", "InvalidSpec")
    assert "spec.quantization" in world.message(key)
    assert "'later'" in world.message(key)


async def test_events_are_asked_for_only_when_a_job_has_no_pod_for_a_while(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    job = world.job()
    warning = {"type": "Warning", "reason": "FailedCreate", "message": "exceeded quota: pods", "lastTimestamp": "2026-01-01T12:00:00Z"}
    world.cluster.events[job["metadata"]["uid"]] = [warning]
    world.forget_requests()
    await world.settle(key)
    assert world.cluster.requests == []
    world.clock.advance(11)
    await world.settle(key)
    await world.settle(key)
    assert world.condition(key) == ("False", "QuotaExceeded")
    assert [verb for verb, _ in world.cluster.requests].count("list") == 1


async def test_a_pod_that_cannot_mount_is_explained_by_its_events(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.settle(key)
    pod = world.add_pod(world.job(), phase="Pending")
    body = world.cluster.objects[pod]
    world.cluster.change(pod, spec={"nodeName": "node"})
    world.cluster.events[body["metadata"]["uid"]] = [{"type": "Warning", "reason": "FailedMount", "message": 'configmap "ca" not found'}]
    world.clock.advance(12)
    await world.settle(key)
    assert world.condition(key) == ("False", "MountFailed")
    assert 'configmap "ca" not found; create what is missing' in world.message(key)


async def test_status_is_not_written_onto_an_object_that_took_its_place(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    body = world.cluster.objects[key]
    world.cluster.objects[key] = {**body, "metadata": {**body["metadata"], "uid": "another", "resourceVersion": "9"}}
    with pytest.raises(ClusterUnavailable):
        await world.reconcile(key)
    assert world.cluster.objects[key].get("status") is None


async def test_an_object_that_is_gone_is_forgotten(world: World) -> None:
    assert await world.reconcile(ObjectKey("Model", "demo", "never")) == float("inf")


async def test_the_probes_tell_a_hang_from_rest_and_a_start_from_readiness() -> None:
    clock, state = FakeClock(), {"ready": False}
    stuck_since: list[float | None] = [None]
    probes = Probes(clock, is_ready=lambda: state["ready"], stuck_since=lambda: stuck_since[0])
    async with TestClient(TestServer(probes.application())) as client:

        async def status(path: str) -> int:
            return (await client.get(path)).status

        assert (await status("/healthz"), await status("/readyz")) == (200, 503)
        state["ready"] = True
        clock.advance(STUCK_S * 10)
        assert (await status("/healthz"), await status("/readyz")) == (200, 200)
        # A pass that begins after a long rest has as much time as any other.
        stuck_since[0] = clock.monotonic()
        assert await status("/healthz") == 200
        clock.advance(STUCK_S)
        assert await status("/healthz") == 503


def test_the_operator_folder_is_no_package() -> None:
    assert not (Path(__file__).parents[3] / "operator" / "__init__.py").exists()

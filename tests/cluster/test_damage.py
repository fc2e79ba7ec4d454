"""The registry is damaged, or dies: what was served goes on, nothing damaged is ever served, and the words say where to look.

Only on the local cluster: the storage of somebody else's registry is not ours to touch.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llmos.artifacts import Registry, RegistryAccess, Repository, digest_file
from llmos.local import processes
from llmos.local.cluster import Cluster, ensure
from llmos.local.settings import LocalSettings
from tests.cluster.installation import Installation
from tests.cluster.world import ROOT, World, condition, example_documents, is_ready

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LLMOS = ROOT / ".venv" / "bin" / "llmos"


@pytest.fixture
def settings(cluster: Cluster) -> LocalSettings:
    if not cluster.is_local:
        pytest.skip("only the local cluster's registry may be damaged")
    return LocalSettings.from_environment()


def _minilm(name: str) -> dict[str, Any]:
    found = next(item for item in example_documents() if (item["kind"], item["metadata"]["name"]) == ("Model", "minilm"))
    return {**found, "metadata": {"name": name}}


@contextmanager
def _flipped_byte(path: Path) -> Iterator[None]:
    """Change one bit in the middle of a file, and change it back."""

    def flip() -> None:
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))

    flip()
    try:
        yield
    finally:
        flip()


def test_a_byte_that_flipped_in_the_registry_is_named_and_never_served(
    world: World, cluster: Cluster, installation: Installation, settings: LocalSettings, tmp_path: Path
) -> None:
    world.apply(_minilm("damaged"))
    version = world.until_ready("Model", "damaged", timeout_s=300)["status"]["version"]
    service = {
        "apiVersion": "llmos.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"name": "embedder"},
        "spec": {"model": {"name": "damaged"}},
    }
    onnx = _onnx_blob(cluster, installation, world, version["onnx"][0]["digest"], tmp_path / "payload")
    stored = settings.registry_repositories.parent / "blobs" / "sha256" / onnx[:2] / onnx / "data"
    with _flipped_byte(stored):
        world.apply(service)
        said = world.until_reason("InferenceService", "embedder", "ChecksumMismatch", timeout_s=180)
        assert onnx in said["message"]
        assert world.get("InferenceService", "embedder")["status"].get("readyReplicas", 0) == 0  # type: ignore[index]
        verify = [str(LLMOS), "verify", "model/damaged", "-n", world.namespace, "--deep"]
        found = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (found.returncode, onnx in found.stdout + found.stderr) == (1, True), found.stdout + found.stderr
    world.until_ready("InferenceService", "embedder", timeout_s=300)
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


def test_a_registry_that_dies_while_a_model_is_pushed_leaves_nothing_half_and_the_import_goes_on(
    world: World, settings: LocalSettings
) -> None:
    world.apply(_minilm("interrupted"))
    world.until(
        lambda: world.get("Model", "interrupted"),
        lambda item: bool(item and item.get("status", {}).get("progress", {}).get("phase") in ("Plan", "Import", "Export", "Compare")),
        timeout_s=180,
        what="the import has fetched its weights",
    )
    processes.stop([item.pid for item in processes.find_processes(settings.state) if item.component == "registry"], grace_s=0)
    try:
        said = world.until(
            lambda: condition(world.get("Model", "interrupted"), "Ready"),
            lambda item: item.get("status") != "True",
            timeout_s=60,
            what="nothing is ready without a registry",
        )
        assert said
    finally:
        ensure()
    ready = world.until(lambda: world.get("Model", "interrupted"), is_ready, timeout_s=600, what="the import has gone on")
    assert len(world.list("job")) == 1, ready


def _onnx_blob(cluster: Cluster, installation: Installation, world: World, digest: str, folder: Path) -> str:
    """Return the hex digest of the graph in a payload."""
    repository = Repository.parse(f"{cluster.registry}/{installation.repository}/{world.namespace}/model/damaged")
    with Registry(RegistryAccess(plain_http=cluster.plain_http)) as registry:
        return digest_file(registry.fetch_payload(repository, digest, folder) / "model.onnx").removeprefix("sha256:")

"""What the library offers on a cluster: a service that selects its Model, one chain that verifies, blobs kept on a volume."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from llmos.local.cluster import Cluster
from llmos.local.settings import LocalSettings
from tests.cluster.world import ROOT, World, is_ready, names

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

LLMOS = str(ROOT / ".venv" / "bin" / "llmos")


def _service(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "llmos.dev/v1alpha1", "kind": "InferenceService", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def shop(demo: World) -> Iterator[World]:
    """The demo's namespace, where Models are; the services a test adds are gone afterwards."""
    before = names(demo.list("inferenceservices.llmos.dev"))
    yield demo
    for name in names(demo.list("inferenceservices.llmos.dev")) - before:
        demo.run("delete", "inferenceservices.llmos.dev", name)


def test_a_service_takes_the_model_that_fits_and_says_why(shop: World) -> None:
    selector = {"task": "TextClassification", "labels": ["HP:0000707"], "metric": "accuracy", "minimum": "0.1"}
    shop.apply(_service("chooser", model={"selector": selector}, replicas=0))
    chosen = shop.until(
        lambda: shop.get("InferenceService", "chooser"),
        lambda item: bool(item and item.get("status", {}).get("selection", {}).get("name")),
        timeout_s=60,
        what="a Model is selected",
    )["status"]
    assert chosen["selection"]["name"] == "organ-system"
    assert chosen["selection"]["reason"].startswith("the only one that fits: ")
    assert chosen["selection"]["digest"] == (shop.get("Model", "organ-system") or {})["status"]["version"]["digest"]


def test_a_selector_that_nothing_fits_names_the_nearest_miss(shop: World) -> None:
    shop.apply(_service("dreamer", model={"selector": {"task": "TextClassification", "metric": "accuracy", "minimum": "0.99"}}))
    said = shop.until_reason("InferenceService", "dreamer", "NoModelFits", timeout_s=60)
    assert "the nearest is organ-system: it has accuracy 0." in said["message"]
    assert "dreamer" not in names(shop.list("deployment"))


def test_the_whole_chain_of_a_service_verifies_to_the_last_byte(shop: World) -> None:
    verify = [LLMOS, "verify", "inferenceservice/phenotype", "-n", shop.namespace, "--deep"]
    found = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (found.returncode, "the chain holds" in found.stdout) == (0, True), found.stdout + found.stderr


def test_blobs_are_kept_on_the_namespace_s_volume_and_the_next_pod_starts_from_them(shop: World, cluster: Cluster) -> None:
    if not cluster.is_local:
        pytest.skip("it looks into the volume's folder on the node")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    shop.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "blobs"}, "spec": claim})
    try:
        shop.apply(_service("cached", model={"name": "minilm"}, workload={"cache": {"claimName": "blobs", "sizeLimit": "1Gi"}}))
        shop.until_ready("InferenceService", "cached", timeout_s=180)
        volume = shop.get("persistentvolumeclaim", "blobs") or {}
        kept = [path for path in (LocalSettings.from_environment().state / "volumes").rglob("sha256/*") if path.is_file()]
        assert sum(path.stat().st_size for path in kept) > 90_000_000, f"{volume}: {kept}"
        used = {path: path.stat().st_mtime_ns for path in kept}
        shop.run("delete", "pod", "--selector=llmos.dev/inferenceservice=cached", "--wait=true")
        shop.until(lambda: shop.get("InferenceService", "cached"), is_ready, timeout_s=180, what="another pod serves")
        assert all(path.stat().st_mtime_ns > used[path] for path in kept), "the second pod took every blob from the volume"
    finally:
        shop.run("delete", "inferenceservices.llmos.dev", "cached", "--ignore-not-found", "--wait=true")
        shop.run("delete", "persistentvolumeclaim", "blobs", "--wait=true")

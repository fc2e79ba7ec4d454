"""Sources on a real cluster: the example's weights once more, from a registry and from a volume; and a Secret that is not there yet."""

from __future__ import annotations

from typing import Any

import pytest

from llmos.local.cluster import Cluster
from tests.cluster.installation import Installation
from tests.cluster.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

FILL = """
import pathlib, sys
from llmos.artifacts import Registry, RegistryAccess, Repository
repository, digest, plain = sys.argv[1:]
with Registry(RegistryAccess(plain_http=plain == "True")) as registry:
    folder = registry.fetch_payload(Repository.parse(repository), digest, pathlib.Path("/data/minilm"))
(folder / ".llmos-manifest.json").unlink()
"""


def model(name: str, source: dict[str, Any]) -> dict[str, Any]:
    spec = {"task": "FeatureExtraction", "source": source}
    return {"apiVersion": "llmos.dev/v1alpha1", "kind": "Model", "metadata": {"name": name}, "spec": spec}


def filling_pod(image: str, *arguments: str) -> dict[str, Any]:
    """A pod that downloads the weights to the volume, as somebody's own job would."""
    container = {
        "name": "fill",
        "image": image,
        "command": ["python", "-c", FILL, *arguments],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "models"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fill"}, "spec": spec}


def test_the_same_weights_from_a_registry_and_from_a_volume_are_the_same_payload(
    demo: World, cluster: Cluster, installation: Installation
) -> None:
    weights = (demo.get("Model", "minilm") or {})["status"]["version"]["weights"]["digest"]
    repository = f"{cluster.registry}/{installation.repository}/{demo.namespace}/model/minilm"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    demo.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"}, "spec": claim})
    # The tag under which it lies there: looked up once, and recorded as the digest it stood for.
    tagged = {"reference": f"{repository}:p-{weights.removeprefix('sha256:')}", "plainHTTP": cluster.plain_http}
    demo.apply(model("from-registry", {"oci": tagged}))
    try:
        demo.apply(filling_pod(installation.images["trainer"], repository, weights, str(cluster.plain_http)))
        demo.until(
            lambda: (demo.get("pod", "fill") or {}).get("status", {}).get("phase"),
            lambda phase: phase == "Succeeded",
            timeout_s=180,
            what="the volume is filled",
        )
        demo.run("delete", "pod", "fill", "--wait=true")
        demo.apply(model("from-volume", {"pvc": {"claimName": "models", "path": "minilm"}}))
        versions = {name: demo.until_ready("Model", name, timeout_s=400)["status"]["version"] for name in ("from-registry", "from-volume")}
    finally:
        demo.run("delete", "models.llmos.dev", "from-registry", "from-volume", "--ignore-not-found", "--wait=true")
        demo.run("delete", "pod", "fill", "--ignore-not-found", "--wait=true")
        demo.run("delete", "persistentvolumeclaim", "models", "--wait=false")
    assert {version["weights"]["digest"] for version in versions.values()} == {weights}
    assert versions["from-registry"]["weights"]["source"] == f"{repository}@{weights}"
    assert versions["from-volume"]["weights"]["source"].startswith("models/minilm@sha256:")
    assert {"downloadSeconds", "exportSeconds", "pushSeconds"} <= versions["from-registry"]["measurements"].keys()


def test_a_secret_of_a_source_that_is_not_there_is_named(world: World) -> None:
    file = {"url": "https://models.example.org/config.json", "sha256": "b" * 64, "path": "config.json"}
    world.apply(model("locked", {"http": {"files": [file], "secretName": "not-there"}}))
    condition = world.until_reason("Model", "locked", "MountFailed", timeout_s=120)
    assert 'secret "not-there" not found' in condition["message"]

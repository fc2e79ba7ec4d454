"""What the benchmark creates: nodes, the versions that services refer to, the services, and the bare children for the floor."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from bench.api import Api, Json
from bench.control_plane import OPERATOR_NAMESPACE, ControlPlane
from llmos.artifacts import (
    KNOWLEDGE_ARTIFACT,
    KNOWLEDGE_CONFIG,
    KNOWLEDGE_FILE,
    FileLayer,
    Payload,
    Provenance,
    Registry,
    RegistryAccess,
    Repository,
    inputs_hash,
)
from llmos_operator.api import KnowledgeBaseSpec, ModelSpec, parse_spec

__all__ = [
    "CHILD_KINDS",
    "NAMESPACE",
    "build_services",
    "copies_of",
    "create_nodes",
    "install",
    "push_versions",
    "recorded_children",
    "service_name",
]

NAMESPACE: Final = "bench"
CHILD_KINDS: Final = ("ConfigMap", "Deployment", "Service", "NetworkPolicy", "HorizontalPodAutoscaler", "PodDisruptionBudget")

_ROOT: Final = Path(__file__).resolve().parents[1]
_PODS_PER_NODE: Final = 100

_MODEL: Final[Json] = {
    "apiVersion": "llmos.dev/v1alpha1",
    "kind": "Model",
    "metadata": {"name": "minilm", "namespace": NAMESPACE},
    "spec": {
        "task": "FeatureExtraction",
        "source": {"pythonPackage": {"name": "bench-model", "version": "1.0", "sha256": "0" * 64, "path": "model"}},
    },
}
_KNOWLEDGE: Final[Json] = {
    "apiVersion": "llmos.dev/v1alpha1",
    "kind": "KnowledgeBase",
    "metadata": {"name": "hpo", "namespace": NAMESPACE},
    "spec": {
        "sources": [
            {
                "name": "hpo",
                "pythonPackage": {"name": "bench-knowledge", "version": "1.0", "sha256": "0" * 64},
                "files": [{"path": "hp.obo", "format": "OBO"}],
            }
        ]
    },
}


async def install(api: Api) -> None:
    """Lay out namespaces, resource definitions and the operator's account."""
    for path in sorted((_ROOT / "crds").glob("*.yaml")):
        await api.create(yaml.safe_load(path.read_text()))
    for name in (NAMESPACE, OPERATOR_NAMESPACE):
        await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = {"name": "llmos-operator", "namespace": OPERATOR_NAMESPACE}
    await api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    # The chart's narrow roles are tested elsewhere; what they allow costs the API server the same to check.
    await api.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench-operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", **account}],
        }
    )


async def create_nodes(api: Api, num_pods: int) -> None:
    """Create nodes that kwok plays, room enough for these pods."""
    room = {"cpu": "1000", "memory": "4Ti", "pods": str(_PODS_PER_NODE * 2), "ephemeral-storage": "100Ti"}
    for index in range(num_pods // _PODS_PER_NODE + 1):
        name = f"kwok-{index}"
        labels = {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        status = {"allocatable": room, "capacity": room}
        await api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status})


def push_versions(plane: ControlPlane) -> list[Json]:
    """Put the versions of one Model and one KnowledgeBase into the registry, and return the two objects.

    The operator finds the versions there and adopts them, as it does with anything that a Job has pushed: nothing in it is faked.
    """
    root = Repository.parse(f"{plane.registry}/llmos")
    with Registry(RegistryAccess(plain_http=True)) as registry:
        _push_version(registry, root, _MODEL, {"weights": {}, "onnx": {"precision": "Float32"}})
        _push_version(registry, root, _KNOWLEDGE, {"snapshot": {"contentDigest": "sha256:" + "1" * 64}})
    return [_MODEL, _KNOWLEDGE]


def _push_version(registry: Registry, root: Repository, body: Json, roles: dict[str, dict[str, str]]) -> None:
    kind, metadata = body["kind"], body["metadata"]
    repository = root.child(metadata["namespace"], kind.lower(), metadata["name"])
    parsed = parse_spec(kind, body["spec"])
    assert isinstance(parsed, ModelSpec | KnowledgeBaseSpec)
    spec = parsed.hashed()
    payloads: list[Payload] = []
    with tempfile.TemporaryDirectory() as folder:
        for role, attributes in roles.items():
            source = Path(folder) / role
            source.write_text(role)
            file = FileLayer(path="file", source=source, media_type=KNOWLEDGE_FILE)
            pushed = registry.push_payload(repository, [file], artifact_type=KNOWLEDGE_ARTIFACT, config_type=KNOWLEDGE_CONFIG, config={})
            payloads.append(pushed.payload(role, **attributes))
    hashed = inputs_hash(kind=kind, spec=spec, parents={})
    provenance = Provenance(kind=kind, inputs_hash=hashed, spec=spec, parents={}, payloads=payloads, tools={"llmos": "bench"})
    registry.push_version(repository, provenance, {})


def service_name(index: int) -> str:
    """Return a name; all have the same length, so that all children have the same size."""
    return f"bench-{index:05d}"


def build_services(num: int) -> Iterator[Json]:
    """Yield the InferenceServices: one replica, one model, one knowledge base."""
    for index in range(num):
        yield {
            "apiVersion": "llmos.dev/v1alpha1",
            "kind": "InferenceService",
            "metadata": {"name": service_name(index), "namespace": NAMESPACE},
            "spec": {"model": {"name": "minilm"}, "precision": "Float32", "knowledge": [{"name": "hpo"}], "replicas": 1},
        }


async def recorded_children(api: Api) -> list[Json]:
    """Return the children of the one service that exists, as somebody without an operator would write them."""
    found = []
    for kind in CHILD_KINDS:
        for body in await api.list(kind, NAMESPACE):
            owners = body["metadata"].get("ownerReferences", [])
            if any(owner["kind"] == "InferenceService" for owner in owners):
                found.append(_as_written(kind, body))
    return found


def _as_written(kind: str, body: Json) -> Json:
    """Drop what the server and the controllers added."""
    spec: dict[str, Any] = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    if kind == "Service":
        spec["spec"] = {key: value for key, value in spec["spec"].items() if key not in ("clusterIP", "clusterIPs")}
    metadata = body["metadata"]
    kept: Json = {"name": metadata["name"], "namespace": metadata["namespace"], "labels": metadata.get("labels", {})}
    annotations = metadata.get("annotations", {})
    kept["annotations"] = {key: value for key, value in annotations.items() if not key.startswith("deployment.kubernetes.io/")}
    api_versions = {"ConfigMap": "v1", "Service": "v1", "Deployment": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1"}
    others = {"HorizontalPodAutoscaler": "autoscaling/v2", "PodDisruptionBudget": "policy/v1"}
    return {"apiVersion": (api_versions | others)[kind], "kind": kind, "metadata": kept, **spec}


def copies_of(children: Sequence[Json], num: int) -> Iterator[Json]:
    """Yield the same children for each of `num` services, under their names."""
    template, original = json.dumps(list(children)), service_name(0)
    for index in range(num):
        yield from json.loads(template.replace(original, service_name(index)))

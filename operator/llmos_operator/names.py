"""Every name the operator gives: group, kinds, labels, annotations, child names.

Must not: build objects. Names are deterministic; nothing here may depend on time or chance.
"""

from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "API_VERSION",
    "APPLIED_ANNOTATION",
    "ATTEMPT_LABEL",
    "CHILD_KINDS",
    "CONFIG_ANNOTATION",
    "CUSTOM_KINDS",
    "GENERATION_ANNOTATION",
    "GROUP",
    "IMAGE_ANNOTATION",
    "INPUTS_HASH_ANNOTATION",
    "INSTALLATION_LABEL",
    "KNOWLEDGE_ANNOTATION",
    "MANAGED_BY",
    "MANAGER",
    "MODEL_ANNOTATION",
    "QUEUE_LABEL",
    "REPORT_AUDIENCE",
    "REQUESTED_AT_ANNOTATION",
    "RESOURCES",
    "VERSION",
    "WORKLOAD_ANNOTATION",
    "ApiResource",
    "Json",
    "ObjectKey",
    "child_labels",
    "job_name",
    "kind_label",
    "knowledge_name",
    "selector_labels",
]

Json = dict[str, Any]

GROUP: Final = "llmos.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
MANAGER: Final = "llmos-operator"
"""Field manager of everything we write, and the value of the managed-by label."""

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": MANAGER}
"""What every child and pod carries; the watches ask the API server for it."""

REPORT_AUDIENCE: Final = "llmos-report"

CONFIG_ANNOTATION: Final = f"{GROUP}/config"
INPUTS_HASH_ANNOTATION: Final = f"{GROUP}/inputs-hash"
REQUESTED_AT_ANNOTATION: Final = f"{GROUP}/requested-at"
KNOWLEDGE_ANNOTATION: Final = f"{GROUP}/knowledge-digests"
MODEL_ANNOTATION: Final = f"{GROUP}/model-digest"
ATTEMPT_LABEL: Final = f"{GROUP}/attempt"
INSTALLATION_LABEL: Final = f"{GROUP}/installation"
"""On a custom resource: the one installation (`<namespace>.<release>`) that works on it; without it, any does."""
APPLIED_ANNOTATION: Final = f"{GROUP}/applied"
"""Digest of what we last applied: it tells a field we dropped from one we never had, which the live object alone cannot."""
GENERATION_ANNOTATION: Final = f"{GROUP}/generation"
"""On a Job: the custom resource's generation it was made for."""
IMAGE_ANNOTATION: Final = f"{GROUP}/image"
"""On a Job: the image that was asked for."""
WORKLOAD_ANNOTATION: Final = f"{GROUP}/workload"
"""On a Job and a Deployment: digest of what the user (not the installation) decides about the pod."""
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
"""A Job with this label is suspended and resumed by Kueue, never by us."""

_DIGEST_HEX: Final = 8


@dataclass(frozen=True, slots=True)
class ApiResource:
    """Where a kind lives in the API."""

    kind: str
    api_version: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version inside the group."""
        return self.api_version.rpartition("/")[2]


_ALL: Final = (
    ApiResource("Model", API_VERSION, "models"),
    ApiResource("KnowledgeBase", API_VERSION, "knowledgebases"),
    ApiResource("TrainingJob", API_VERSION, "trainingjobs"),
    ApiResource("InferenceService", API_VERSION, "inferenceservices"),
    ApiResource("Job", "batch/v1", "jobs"),
    ApiResource("Deployment", "apps/v1", "deployments"),
    ApiResource("Service", "v1", "services"),
    ApiResource("ConfigMap", "v1", "configmaps"),
    ApiResource("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
    ApiResource("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    ApiResource("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    ApiResource("Pod", "v1", "pods"),
    ApiResource("Event", "v1", "events"),
)
RESOURCES: Final = {resource.kind: resource for resource in _ALL}
CUSTOM_KINDS: Final = ("Model", "KnowledgeBase", "TrainingJob", "InferenceService")
CHILD_KINDS: Final = ("Job", "Deployment", "Service", "ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy")

_COMPONENTS: Final = {"Model": "import", "KnowledgeBase": "build", "TrainingJob": "training", "InferenceService": "inference"}


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """One object in the cluster."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, body: Json) -> "ObjectKey":
        """Return the key of a whole object."""
        return cls(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def kind_label(kind: str) -> str:
    """Return the label that names the owning custom resource, `llmos.dev/inferenceservice`."""
    return f"{GROUP}/{kind.lower()}"


def child_labels(owner: ObjectKey) -> dict[str, str]:
    """Return the labels every child and pod of this custom resource carries."""
    return {
        "app.kubernetes.io/name": f"llmos-{owner.kind.lower()}",
        "app.kubernetes.io/instance": owner.name,
        "app.kubernetes.io/component": _COMPONENTS[owner.kind],
        "app.kubernetes.io/part-of": "llmos",
        **MANAGED_BY,
        kind_label(owner.kind): owner.name,
    }


def selector_labels(owner: ObjectKey) -> dict[str, str]:
    """Return the one label selectors use; it never changes, because selectors cannot."""
    return {kind_label(owner.kind): owner.name}


def job_name(name: str, inputs_hash: str, attempt: int) -> str:
    """Return `<name>-<8 hex of the inputs hash>-<attempt>`: a name of 50 characters gives at most 63."""
    return f"{name}-{inputs_hash.removeprefix('sha256:')[:_DIGEST_HEX]}-{attempt}"


def knowledge_name(name: str) -> str:
    """Return the name of the ConfigMap that says which snapshots are active."""
    return f"{name}-knowledge"

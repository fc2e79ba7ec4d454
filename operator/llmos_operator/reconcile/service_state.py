"""What is known about an InferenceService: its children, pods, references, and what its pods reported.

Pure.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from llmos_operator.api import SERVED_TASKS, InferenceServiceSpec
from llmos_operator.desired import ServiceInputs, Tolerated
from llmos_operator.names import CHILD_KINDS, CONFIG_ANNOTATION, KNOWLEDGE_ANNOTATION, Json, ObjectKey
from llmos_operator.reconcile.choose import Chosen
from llmos_operator.reconcile.resolve import Resolved
from llmos_operator.reconcile.subject import Subject
from llmos_operator.status import Reason, Trouble, Verdict
from llmos_operator.status.rollout import active_views, is_pod_ready, view_mark

__all__ = ["ServiceObserved", "knowledge_mark", "pod_mark"]


@dataclass(frozen=True, slots=True)
class ServiceObserved:
    """Everything a decision about an InferenceService may depend on."""

    subject: Subject
    spec: InferenceServiceSpec
    resolved: tuple[Resolved, ...]
    children: Mapping[ObjectKey, Json] = field(default_factory=dict)
    pods: tuple[Json, ...] = ()
    reports: Mapping[str, Json] = field(default_factory=dict)
    """Pod name → the `active` part of its latest report."""

    told: Trouble | None = None
    may_roll: bool = True
    """Whether a rollout that only the installation causes may start now; an upgrade rolls a few services at a time."""

    tolerated: Mapping[ObjectKey, Tolerated] = field(default_factory=dict)
    """Child → fields that somebody's admission changed after the last apply, with what it made of them: no reason to apply again."""

    chosen: Chosen | None = None
    """What the selector stands for, where there is one; `spec.model` then has the chosen name and digest."""

    @property
    def problem(self) -> Verdict | None:
        """The first reference that does not resolve or does not fit."""
        for item in self.resolved:
            if item.problem:
                return item.problem
            if item.reference.role == "model" and item.task and item.task not in SERVED_TASKS:
                served = " and ".join(SERVED_TASKS)
                message = f"Model {item.reference.name} is for {item.task}, which no service answers yet; {served} are served"
                return Verdict(Reason.TaskNotServed, message, is_stalled=True)
            if item.reference.role == "model" and item.precisions is not None and self.precision not in item.precisions:
                has = ", ".join(item.precisions) or "none"
                message = f"Model {item.reference.name} has no {self.precision} (it has {has}); add it to its spec.onnx.precisions"
                return Verdict(Reason.PrecisionMissing, message, is_stalled=True)
        return None

    @property
    def precision(self) -> str:
        """What is served: what the spec says, else what the model's version has chosen, else, where nobody can be asked, what runs."""
        return self.spec.precision or self.resolved[0].precision or self._live_precision() or "Float32"

    def _live_precision(self) -> str:
        pod = self.deployment["spec"]["template"]["metadata"].get("annotations", {}) if self.deployment else {}
        return str(json.loads(pod.get(CONFIG_ANNOTATION, "{}")).get("model", {}).get("precision", ""))

    def inputs(self) -> ServiceInputs:
        """Return what the children are built from; only without a problem."""
        sources = [(item.reference.name, item.source) for item in self.resolved if item.source]
        return ServiceInputs(
            owner=self.subject.key,
            uid=self.subject.uid,
            spec=self.spec.model_copy(update={"precision": self.precision}),
            model=sources[0][1],
            knowledge=tuple(sources[1:]),
            observed_replicas=self._observed_replicas(),
        )

    def _observed_replicas(self) -> int | None:
        if self.spec.autoscaling is None:
            return None
        deployment = self.deployment
        if deployment is None:
            return max(self.spec.autoscaling.min_replicas, min(self.spec.replicas, self.spec.autoscaling.max_replicas))
        return None if deployment.get("replicasManagedElsewhere") else deployment["spec"].get("replicas", 1)

    @property
    def deployment(self) -> Json | None:
        """The live Deployment."""
        return self.children.get(self.key("Deployment"))

    def key(self, kind: str, name: str = "") -> ObjectKey:
        """Return the key of a child."""
        return ObjectKey(kind, self.subject.key.namespace, name or self.subject.key.name)

    def unwanted(self, wanted: tuple[Json, ...]) -> list[Json]:
        """Return live children that should not exist."""
        keep = {ObjectKey.of(body) for body in wanted}
        return [self.children[key] for key in sorted(self.children, key=lambda key: CHILD_KINDS.index(key.kind)) if key not in keep]

    def wanted_digests(self) -> dict[str, str]:
        """Return name → digest of the snapshots that should be active."""
        return {item.reference.name: item.source.digest for item in self.resolved[1:] if item.source}

    def wanted_views(self) -> dict[str, str]:
        """Return name → digest and partitions, as pods report them: whoever may see less than before has switched, too."""
        return {name: view_mark(digest, self.spec.partitions_of(name)) for name, digest in self.wanted_digests().items()}

    def pods_without(self, views: Mapping[str, str]) -> list[Json]:
        """Return the ready pods that have reported something else than these snapshots and partitions."""
        return [pod for pod in self.ready_pods() if self.reported(pod) not in (None, views)]

    def unreported_pods(self) -> list[Json]:
        """Return the ready pods nothing is known about."""
        return [pod for pod in self.ready_pods() if self.reported(pod) is None]

    def ready_pods(self) -> list[Json]:
        """Return the pods that take requests."""
        return [pod for pod in self.pods if is_pod_ready(pod)]

    def reported(self, pod: Json) -> dict[str, str] | None:
        """Return what a pod reported."""
        return active_views(self.reports.get(pod["metadata"]["name"]))


def knowledge_mark(views: Mapping[str, str]) -> str:
    """Return the annotation value that makes the kubelet sync a pod; it changes exactly when the digests or partitions do."""
    return ",".join(f"{name}={view}" for name, view in views.items())


def pod_mark(pod: Json) -> str:
    """Return the value a pod has."""
    return str(pod["metadata"].get("annotations", {}).get(KNOWLEDGE_ANNOTATION, ""))

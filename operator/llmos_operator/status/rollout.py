"""How a Deployment is doing, and which of its pods have which snapshots: the checks behind an InferenceService's Ready and SnapshotActive.

Pure. Ready is asked by the pod itself: its readiness probe passes only after a real request went through the whole path, so this only reads
what the Deployment counts. Must not: count pods for Ready.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from llmos_operator.names import Json
from llmos_operator.status.reasons import Reason
from llmos_operator.status.troubles import Trouble, creation_reason, pod_trouble
from llmos_operator.status.verdict import Verdict

__all__ = ["active_views", "is_pod_ready", "is_settled", "newest_pods", "rollout_verdict", "view_mark"]


def is_settled(deployment: Json) -> bool:
    """Say whether the controller has seen the latest spec and every replica runs it and is available."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def rollout_verdict(deployment: Json, pods: list[Json], told: Trouble | None) -> Verdict:
    """Return what the Deployment says, with the first trouble of a pod where not all is well."""
    name = deployment["metadata"]["name"]
    wanted = deployment["spec"].get("replicas", 1)
    if wanted == 0:
        return Verdict(Reason.ScaledToZero, f"Deployment {name} is scaled to zero; set spec.replicas to serve")
    available = deployment.get("status", {}).get("availableReplicas", 0)
    if is_settled(deployment):
        return Verdict(Reason.Serving, f"{available} of {wanted} replicas answer", is_ready=True)
    trouble = _creation_trouble(deployment) or told or _first_trouble(newest_pods(pods))
    progress = f"{available} of {wanted} replicas answer"
    # Not the Deployment's own `Available`: with maxUnavailable 0 that is False whenever a single replica of many is missing.
    is_available = available > 0
    if trouble:
        stalled = trouble.is_permanent
        message = f"{progress}; {trouble.message}"
        return Verdict(trouble.reason, message, is_ready=is_available, is_stalled=stalled, is_progressing=not stalled)
    if is_available:
        return Verdict(Reason.RollingOut, f"{progress}; Deployment {name} is rolling out", is_ready=True, is_progressing=True)
    return Verdict(Reason.RollingOut, f"{progress}; Deployment {name} is starting its pods", is_progressing=True)


def _creation_trouble(deployment: Json) -> Trouble | None:
    failure = _condition(deployment, "ReplicaFailure")
    if failure.get("status") != "True":
        return None
    text = failure.get("message", "")
    reason = creation_reason(text)
    # JobPending is the Job's word for "not explained further"; here it is a rollout.
    return Trouble(Reason.RollingOut if reason is Reason.JobPending else reason, f"Deployment {deployment['metadata']['name']}", text)


def newest_pods(pods: list[Json]) -> list[Json]:
    """Return the pods of the newest template, newest first: what ails the pods of an older one is what the rollout mends.

    Pods on their way out and pods that have ended (evicted, say) are replaced already and say nothing about now.
    """
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and pod.get("phase") not in ("Failed", "Succeeded")]
    living.sort(key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
    return [pod for pod in living if _template_of(pod) == _template_of(living[0])]


def _template_of(pod: Json) -> str:
    return str(pod["metadata"].get("labels", {}).get("pod-template-hash", ""))


def _first_trouble(pods: list[Json]) -> Trouble | None:
    return next((trouble for pod in pods if (trouble := pod_trouble(pod))), None)


def _condition(body: Json, type_name: str) -> Mapping[str, Any]:
    conditions = body.get("status", {}).get("conditions", [])
    return next((item for item in conditions if item["type"] == type_name), {})


def is_pod_ready(pod: Json) -> bool:
    """Say whether a pod counts for a switch: ready, and not on its way out."""
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in pod["conditions"])
    return ready and not pod["metadata"].get("deletionTimestamp")


def active_views(report: Json | None) -> dict[str, str] | None:
    """Return name → digest and partitions of the snapshots a pod reported, or None if it has not reported."""
    if report is None:
        return None
    items = report.get("knowledge", [])
    return {str(item["name"]): view_mark(str(item["digest"]), item.get("partitions", ())) for item in items}


def view_mark(digest: str, partitions: Iterable[str]) -> str:
    """Return a snapshot, and what may be seen of it, as one word."""
    return "+".join((digest, *sorted(partitions)))

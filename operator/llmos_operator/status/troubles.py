"""Why a pod is not well: scheduling, image, mounts, init containers, crashes, memory; as reason, object, next step.

Pure, over slim pods (`cluster/slim.py`). Two questions: what keeps this pod from going on (`Trouble`), and how did a container end
(`Failure`, which becomes `lastFailure`). Must not: ask for Events; those are given where the pod alone does not say.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from llmos.errors import EXIT_PERMANENT
from llmos_operator.names import Json
from llmos_operator.status.reasons import Reason, reason_or

__all__ = ["Failure", "Trouble", "event_trouble", "is_stuck_creating", "pod_failure", "pod_trouble"]

_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_CONFIG: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_NEXT: Final = {
    Reason.PodUnschedulable: "free or add nodes, or lower `workload.resources`",
    Reason.ImagePullFailed: "check the image name and `workload.imagePullSecrets`",
    Reason.MountFailed: "create what is missing in this namespace",
    Reason.OutOfMemory: "raise `workload.resources.limits.memory`",
    Reason.QuotaExceeded: "raise the namespace's quota or lower `workload.resources`",
    Reason.PodSecurityViolation: "change `workload` or the namespace's Pod Security level",
    Reason.ContainerCrashed: "read `kubectl logs` of it",
    Reason.InitContainerFailed: "read `kubectl logs` of it",
}
_TEXT_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a child from going on."""

    reason: Reason
    object: str
    text: str
    is_permanent: bool = False
    """The workload itself says that trying again cannot help."""

    @property
    def message(self) -> str:
        """What, which object, next step."""
        text = self.text.strip().rstrip(".")[:_TEXT_CHARACTERS]
        next_step = _NEXT.get(self.reason)
        return f"{self.object}: {text}" + (f"; {next_step}" if next_step else "")


@dataclass(frozen=True, slots=True)
class Failure:
    """How a container ended, when it did not end well."""

    reason: Reason
    object: str
    message: str
    exit_code: int
    time: str
    """When, as Kubernetes writes it; empty where nobody knows (a lost node's containers have no end)."""

    def to_json(self) -> Json:
        """Return `status.lastFailure`."""
        found = {"reason": str(self.reason), "object": self.object, "message": self.message, "exitCode": self.exit_code}
        return {**found, "time": self.time} if self.time else found


def pod_trouble(pod: Json) -> Trouble | None:
    """Return what keeps this pod from being ready, as far as the pod itself says."""
    name = f"Pod {pod['metadata']['name']}"
    for condition in pod["conditions"]:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Trouble(Reason.PodUnschedulable, name, condition.get("message") or condition.get("reason", "not scheduled"))
    if pod.get("phase") == "Failed" and pod.get("reason") == "Evicted":
        return Trouble(Reason.ContainerCrashed, name, f"evicted: {pod.get('message', '')}")
    for container in pod["containers"]:
        if trouble := _container_trouble(name, container):
            return trouble
    return None


def _container_trouble(pod: str, container: Json) -> Trouble | None:
    where = f"{pod}, container {container['name']}"
    waiting = container.get("state", {}).get("waiting")
    if waiting:
        reason, text = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _PULL:
            return Trouble(Reason.ImagePullFailed, where, text or reason)
        if reason in _CONFIG:
            return Trouble(Reason.MountFailed if "not found" in text else Reason.ContainerCrashed, where, text or reason)
    ended = container.get("state", {}).get("terminated")
    if ended is None and not container.get("ready"):
        # Between two crashes a container waits or runs for a while; that it is not well is still said.
        ended = container.get("lastState", {}).get("terminated")
    if ended and ended.get("exitCode", 0) != 0:
        failure = _failure(where, container, ended)
        return Trouble(failure.reason, where, failure.message, failure.exit_code == EXIT_PERMANENT)
    return None


def pod_failure(pod: Json) -> Failure | None:
    """Return the latest failed end of one of this pod's containers."""
    name = f"Pod {pod['metadata']['name']}"
    found = []
    for container in pod["containers"]:
        for state in ("state", "lastState"):
            ended = container.get(state, {}).get("terminated")
            if ended and ended.get("exitCode", 0) != 0:
                found.append(_failure(f"{name}, container {container['name']}", container, ended))
    return max(found, key=lambda failure: failure.time, default=None)


def _failure(where: str, container: Json, ended: Json) -> Failure:
    said = _said(ended)
    code = int(ended.get("exitCode", 0))
    if ended.get("reason") == "OOMKilled":
        reason, text = Reason.OutOfMemory, "it was killed for using more memory than its limit"
    elif ended.get("reason") == "ContainerStatusUnknown":
        reason, text = Reason.ContainerCrashed, "its node was lost or restarted, and nobody knows how it ended"
    elif said.get("reason"):
        reason = reason_or(str(said["reason"]), Reason.InitContainerFailed if container["init"] else Reason.ContainerCrashed)
        text = str(said.get("message", ""))
    else:
        reason = Reason.InitContainerFailed if container["init"] else Reason.ContainerCrashed
        lines = ended.get("message", "").strip().splitlines()
        text = f"it ended with exit code {code}" + (f": {lines[-1]}" if lines else "")
    return Failure(reason, where, text[:_TEXT_CHARACTERS], code, ended.get("finishedAt") or "")


def _said(ended: Json) -> dict[str, Any]:
    """Return our termination message, or {} if what is there is not one (a log tail)."""
    try:
        value = json.loads(ended.get("message", ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def is_stuck_creating(pod: Json) -> bool:
    """Say whether the pod waits for its containers to be created, where only Events tell why."""
    if pod.get("phase") != "Pending" or not pod.get("node"):
        return False
    states = [container.get("state", {}).get("waiting", {}).get("reason") for container in pod["containers"]]
    return all(state in (None, "ContainerCreating", "PodInitializing") for state in states) and not any(
        "running" in container.get("state", {}) or "terminated" in container.get("state", {}) for container in pod["containers"]
    )


_EVENT_REASONS: Final = {
    "FailedMount": Reason.MountFailed,
    "FailedAttachVolume": Reason.MountFailed,
    "FailedCreatePodSandBox": Reason.JobPending,
}


def event_trouble(where: str, events: Iterable[Json]) -> Trouble | None:
    """Return what the latest Warning about a child says."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    warnings.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", reverse=True)
    for event in warnings:
        text = event.get("message", "")
        if event.get("reason") == "FailedCreate":
            return Trouble(creation_reason(text), where, text)
        if reason := _EVENT_REASONS.get(event.get("reason", "")):
            return Trouble(reason, where, text)
    return None


def creation_reason(text: str) -> Reason:
    """Return why a controller could not create a pod."""
    if "exceeded quota" in text:
        return Reason.QuotaExceeded
    if "violates PodSecurity" in text:
        return Reason.PodSecurityViolation
    return Reason.JobPending

"""From a pod's status, and from Events, to reason, object and next step."""

import json
from typing import Any

import pytest

from llmos_operator.cluster.slim import slim_pod
from llmos_operator.status.troubles import event_trouble, is_stuck_creating, pod_failure, pod_trouble


def pod(*, phase: str = "Pending", init: list[Any] | None = None, main: list[Any] | None = None, **status: Any) -> dict[str, Any]:
    found = {"phase": phase, "initContainerStatuses": init or [], "containerStatuses": main or [], **status}
    return slim_pod({"kind": "Pod", "metadata": {"name": "p", "namespace": "demo"}, "spec": {"nodeName": "node"}, "status": found})


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": "2026-01-01T00:00:00Z"}}


UNSCHEDULABLE = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: insufficient memory."}]
SAID = json.dumps({"reason": "ChecksumMismatch", "message": "expected a, found b"})


@pytest.mark.parametrize(
    ("body", "reason", "part"),
    [
        (pod(conditions=UNSCHEDULABLE), "PodUnschedulable", "insufficient memory; free or add nodes"),
        (pod(main=[waiting("ImagePullBackOff", "no such image")]), "ImagePullFailed", "Pod p, container main: no such image"),
        (pod(main=[waiting("InvalidImageName")]), "ImagePullFailed", "InvalidImageName"),
        (pod(main=[waiting("CreateContainerConfigError", 'secret "s" not found')]), "MountFailed", 'secret "s" not found; create'),
        (pod(phase="Failed", main=[{"name": "main", "state": ended(65, SAID)}]), "ChecksumMismatch", "expected a, found b"),
        (pod(phase="Failed", main=[{"name": "main", "state": ended(137, reason="OOMKilled")}]), "OutOfMemory", "limits.memory"),
        (
            pod(phase="Failed", main=[{"name": "main", "state": ended(137, reason="ContainerStatusUnknown")}]),
            "ContainerCrashed",
            "node was lost",
        ),
        (pod(phase="Failed", main=[{"name": "main", "state": ended(1, "a\nTraceback: boom")}]), "ContainerCrashed", "Traceback: boom"),
        (pod(init=[{"name": "fetch", "state": ended(1, "boom")}]), "InitContainerFailed", "container fetch"),
        (
            pod(phase="Running", main=[waiting("CrashLoopBackOff", "back-off", lastState=ended(2, "boom"))]),
            "ContainerCrashed",
            "exit code 2: boom",
        ),
        (
            pod(phase="Running", main=[{"name": "main", "ready": False, "state": {"running": {}}, "lastState": ended(2, "boom")}]),
            "ContainerCrashed",
            "exit code 2",
        ),
        (pod(phase="Failed", reason="Evicted", message="node is full"), "ContainerCrashed", "evicted: node is full"),
    ],
)
def test_what_keeps_a_pod_is_said_with_object_and_next_step(body: dict[str, Any], reason: str, part: str) -> None:
    trouble = pod_trouble(body)
    assert trouble is not None
    assert trouble.reason == reason
    assert part in trouble.message
    assert trouble.message.startswith("Pod p")


@pytest.mark.parametrize(
    "body",
    [
        pod(main=[waiting("ContainerCreating")]),
        pod(phase="Running", main=[{"name": "main", "ready": True, "state": {"running": {}}, "lastState": ended(2)}]),
        pod(phase="Succeeded", main=[{"name": "main", "state": ended(0)}]),
        pod(),
    ],
)
def test_a_pod_that_is_only_young_or_well_is_no_trouble(body: dict[str, Any]) -> None:
    assert pod_trouble(body) is None


def test_the_workloads_own_word_that_it_is_permanent_is_kept() -> None:
    failing = {"name": "fetch", "state": ended(65, SAID)}
    found = pod_trouble(pod(init=[failing]))
    assert found is not None
    assert found.is_permanent


def test_the_latest_failure_is_the_last_failure() -> None:
    early, late = ended(1, "early"), ended(2, "late")
    late["terminated"]["finishedAt"] = "2026-01-02T00:00:00Z"
    failure = pod_failure(pod(main=[{"name": "main", "lastState": early, "state": late}]))
    assert failure is not None
    assert (failure.exit_code, failure.time) == (2, "2026-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("FailedCreate", "pods is forbidden: exceeded quota: compute", "QuotaExceeded"),
        ("FailedCreate", 'violates PodSecurity "restricted:latest"', "PodSecurityViolation"),
        ("FailedMount", 'configmap "ca" not found', "MountFailed"),
    ],
)
def test_events_explain_what_the_child_does_not(reason: str, message: str, expected: str) -> None:
    older = {"type": "Warning", "reason": "FailedMount", "message": "older", "lastTimestamp": "2026-01-01T00:00:00Z"}
    newer = {"type": "Warning", "reason": reason, "message": message, "lastTimestamp": "2026-01-02T00:00:00Z"}
    found = event_trouble("Job j", [older, newer, {"type": "Normal", "reason": "Created", "message": ""}])
    assert found is not None
    assert (found.reason, found.object) == (expected, "Job j")
    assert message in found.message


def test_only_a_scheduled_pod_without_any_container_is_stuck_creating() -> None:
    assert is_stuck_creating(pod(main=[waiting("ContainerCreating")]))
    assert not is_stuck_creating(pod(phase="Running", main=[waiting("ContainerCreating")]))
    assert not is_stuck_creating(pod(main=[waiting("PodInitializing")], init=[{"name": "fetch", "state": {"running": {}}}]))

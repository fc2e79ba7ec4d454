"""The status document of an InferenceService.

Pure. `model` and `knowledge` say what answers now, `resolved` what was asked for; they differ while something rolls out or switches.
"""

from datetime import datetime
from typing import Any

from llmos_operator.names import MODEL_ANNOTATION, Json, selector_labels
from llmos_operator.reconcile.service_state import ServiceObserved
from llmos_operator.status import Condition, Reason, Verdict, merge_conditions, pod_failure, summary
from llmos_operator.status.conditions import find_condition
from llmos_operator.status.reasons import reason_or
from llmos_operator.status.rollout import is_settled, newest_pods

__all__ = ["build_status"]


def build_status(observed: ServiceObserved, verdict: Verdict, now: datetime) -> Json:
    """Return the whole status."""
    subject, before = observed.subject, observed.subject.status
    snapshots, knowledge = _snapshots(observed)
    deployment = observed.deployment
    counts = deployment.get("status", {}) if deployment else {}
    failure = _latest_failure(observed)
    conditions = [*summary(verdict), *([snapshots] if snapshots else [])]
    status: dict[str, Any] = {
        "observedGeneration": subject.generation,
        "conditions": merge_conditions(conditions, subject.conditions, generation=subject.generation, now=now),
        "replicas": counts.get("replicas", 0),
        "readyReplicas": counts.get("readyReplicas", 0),
        "selector": ",".join(f"{name}={value}" for name, value in selector_labels(subject.key).items()),
        "url": f"http://{subject.key.name}.{subject.key.namespace}.svc:8080",
        "model": _model(observed) or before.get("model"),
        "knowledge": knowledge,
        "resolved": before.get("resolved") if observed.problem else [item.to_json() for item in observed.resolved],
        "selection": observed.chosen.document if observed.chosen else None,
        "lastFailure": None if verdict.reason is Reason.Serving else failure or before.get("lastFailure"),
    }
    return {name: value for name, value in status.items() if value is not None}


def _model(observed: ServiceObserved) -> Json | None:
    """Return the model all replicas serve; None while there is none or two."""
    deployment = observed.deployment
    if deployment is None or not is_settled(deployment) or deployment["spec"].get("replicas", 1) == 0 or observed.problem:
        return None
    digest = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(MODEL_ANNOTATION)
    resolved = observed.resolved[0].source
    if resolved is None or digest != resolved.digest:
        return None
    return {"name": observed.spec.model.name, "digest": digest, "precision": observed.precision}


def _snapshots(observed: ServiceObserved) -> tuple[Condition | None, Any]:
    """Return SnapshotActive and `status.knowledge`.

    Reports live in memory: after a restart nothing is known, and what status says of these very digests stands until a pod says otherwise.
    """
    before = observed.subject.status
    current = find_condition(observed.subject.conditions, "SnapshotActive")
    if observed.problem:
        kept = (
            Condition("SnapshotActive", current["status"], reason_or(current["reason"], Reason.Switching), current["message"])
            if current
            else None
        )
        return kept, before.get("knowledge")
    wanted = observed.wanted_digests()
    listed = [{"name": name, "digest": digest} for name, digest in wanted.items()]
    if not wanted:
        return Condition("SnapshotActive", "True", Reason.Active, "no knowledge base is asked for"), listed or None
    says_active = bool(current and current["status"] == "True") and before.get("knowledge") == listed
    ready, others, unknown = observed.ready_pods(), observed.pods_without(observed.wanted_views()), observed.unreported_pods()
    if not others and (says_active or (ready and not unknown)):
        return Condition("SnapshotActive", "True", Reason.Active, "every ready pod answers with the snapshots of status.knowledge"), listed
    if not before.get("knowledge"):
        message = "no pod has reported its snapshots yet"
        return Condition("SnapshotActive", "Unknown", Reason.Initializing, message), None
    done = len(ready) - len(others) - len(unknown)
    message = f"{done} of {len(ready)} ready pods have switched to {', '.join(wanted)}"
    return Condition("SnapshotActive", "False", Reason.Switching, message), before.get("knowledge")


def _latest_failure(observed: ServiceObserved) -> Json | None:
    failures = [failure for pod in newest_pods(list(observed.pods)) if (failure := pod_failure(pod))]
    latest = max(failures, key=lambda failure: failure.time, default=None)
    return latest.to_json() if latest else None

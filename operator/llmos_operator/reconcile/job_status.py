"""The status document of a Model, KnowledgeBase or TrainingJob.

Pure. Everything in it comes from the outcome of this pass or, where this pass learned nothing new, from the status before.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from llmos_operator.api import KnowledgeBaseSpec
from llmos_operator.names import REQUESTED_AT_ANNOTATION, Json
from llmos_operator.reconcile.history import remember_previous, remember_version
from llmos_operator.reconcile.job_state import JobObserved, attempt_of
from llmos_operator.reconcile.refresh import next_time
from llmos_operator.status import Condition, Failure, Reason, Verdict, merge_conditions, summary
from llmos_operator.status.conditions import format_time
from llmos_operator.status.versions import VERSION_FIELD

__all__ = ["NOTHING_NEW", "JobNews", "build_status"]


@dataclass(frozen=True, slots=True)
class JobNews:
    """What a pass learned besides its verdict."""

    job: Json | None = None
    version: Json | None = None
    failure: Failure | None = None
    is_running: bool = False


NOTHING_NEW: Final = JobNews()


def build_status(observed: JobObserved, verdict: Verdict, news: JobNews, now: datetime) -> Json:
    """Return the whole status."""
    subject, before = observed.subject, observed.subject.status
    known = observed.problem is None and observed.is_resolved
    same = known and before.get("inputsHash") == observed.inputs_hash
    status: dict[str, Any] = {
        "observedGeneration": subject.generation,
        "conditions": merge_conditions(_conditions(observed, verdict), subject.conditions, generation=subject.generation, now=now),
        "inputsHash": observed.inputs_hash if known else before.get("inputsHash"),
        "job": _job(news.job) if news.job else before.get("job") if same or not known else None,
        "progress": (observed.progress or before.get("progress")) if news.is_running else None,
        VERSION_FIELD[subject.key.kind]: news.version or observed.version,
        "lastFailure": None if verdict.is_ready else news.failure.to_json() if news.failure else before.get("lastFailure"),
    }
    if observed.spec.references():
        status["resolved"] = [item.to_json() for item in observed.resolved] if known else before.get("resolved")
    if subject.key.kind == "Model":
        status["versions"] = remember_version(before.get("versions") or [], news.version or observed.version, observed.task, now)
        status["plan"] = observed.plan or (before.get("plan") if same or not known else None)
    if isinstance(observed.spec, KnowledgeBaseSpec):
        snapshot = news.version or observed.version
        status["previous"] = remember_previous(before.get("previous"), before.get("snapshot"), snapshot, now)
        schedule = observed.spec.schedule
        status["nextRefreshTime"] = format_time(next_time(schedule, now)) if schedule else None
    if observed.chosen:
        status["selection"] = observed.chosen.document
    if subject.key.kind == "TrainingJob":
        status |= _times(news.job, before if same else {})
    return {name: value for name, value in status.items() if value is not None}


def _conditions(observed: JobObserved, verdict: Verdict) -> list[Condition]:
    if observed.is_stale and not verdict.is_ready:
        return _stale(observed, verdict)
    if observed.subject.key.kind != "TrainingJob":
        return summary(verdict)
    # The conventions' pair for something that ends; Ready mirrors Succeeded for tools that know only Ready.
    if verdict.reason is Reason.ArtifactMissing:
        # The run did succeed; what it made is gone.
        succeeded = Condition("Succeeded", "True", Reason.Trained, "the run is over")
        return [*summary(verdict), succeeded, Condition("Failed", "False", Reason.Trained, "the run is over")]
    succeeded, *rest = summary(verdict, type_name="Succeeded")
    failed = "True" if verdict.is_stalled else "False" if verdict.is_known else "Unknown"
    mirrored = Condition("Ready", succeeded.status, succeeded.reason, succeeded.message)
    return [mirrored, succeeded, Condition("Failed", failed, verdict.reason, verdict.message), *rest]


def _stale(observed: JobObserved, verdict: Verdict) -> list[Condition]:
    """Say that what serves is of an earlier refresh: it is as good as it was, so that is no reason to be unready."""
    assert isinstance(observed.spec, KnowledgeBaseSpec)
    version = observed.version or {}
    ready = Condition("Ready", "True", Reason.Built, f"snapshot {version.get('digest')} is in the registry")
    earlier = f"of refresh {version['refresh']}" if version.get("refresh") else "of before the first refresh"
    message = f"the snapshot is {earlier}, and {observed.spec.refresh} is due: {verdict.message}"
    _, *rest = summary(verdict)
    return [ready, *rest, Condition("Stale", "True", verdict.reason, message)]


def _job(job: Json) -> Json:
    metadata = job["metadata"]
    requested_at = metadata.get("annotations", {}).get(REQUESTED_AT_ANNOTATION)
    return {"name": metadata["name"], "attempt": attempt_of(job), **({"requestedAt": requested_at} if requested_at else {})}


def _times(job: Json | None, before: Json) -> Json:
    status = job.get("status", {}) if job else {}
    return {name: status.get(name) or before.get(name) for name in ("startTime", "completionTime")}

"""Deciding about a Model, KnowledgeBase or TrainingJob: adopt, create, wait, retry, give up.

Pure: `decide(observed, now, installation) -> Plan`. The order of the questions is the policy:

    a reference does not resolve           say which; touch nothing
    status has the version asked for       ready
    the registry has it                    adopt it
    no Job                                 create attempt 0, or the next
    a Job runs                             say how it goes, or what keeps it
    a Job failed                           by a mistake of the user: stalled; otherwise the next attempt, later and later
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from llmos.errors import EXIT_PERMANENT
from llmos_operator.api import TrainingJobSpec
from llmos_operator.desired import Installation, JobInputs, build_job
from llmos_operator.desired.job import has_old_image, job_changes
from llmos_operator.names import Json, ObjectKey
from llmos_operator.reconcile.job_state import (
    JobObserved,
    attempt_of,
    failed_at,
    finished_as,
    latest_failure,
    pods_of,
    wants_new_attempt,
)
from llmos_operator.reconcile.job_status import NOTHING_NEW, JobNews, build_status
from llmos_operator.reconcile.plan import Action, Create, Delete, Patch, Plan
from llmos_operator.reconcile.registry import Answer
from llmos_operator.status import Failure, Reason, Trouble, Verdict, pod_trouble
from llmos_operator.status.conditions import find_condition, format_time, status_patch
from llmos_operator.status.versions import version_status

__all__ = ["decide"]

REGISTRY_RETRY_S = 30.0
PENDING_LOOK_S = 10.0
"""A Job without a pod, or a pod without containers, for longer than this is asked about."""
SLOW_RETRY = timedelta(minutes=10)
SLOWEST_RETRY = timedelta(hours=6)
DONE = {"Model": Reason.Imported, "KnowledgeBase": Reason.Built, "TrainingJob": Reason.Trained}
_AGAIN = "change the spec, or annotate llmos.dev/requested-at with a new value to try again"


@dataclass(frozen=True, slots=True)
class _Outcome:
    verdict: Verdict
    actions: tuple[Action, ...] = ()
    news: JobNews = NOTHING_NEW


def decide(observed: JobObserved, now: datetime, installation: Installation) -> Plan:
    """Return what to do about this object."""
    outcome = _judge(observed, now, installation)
    status = build_status(observed, outcome.verdict, outcome.news, now)
    changed = bool(status_patch(observed.subject.status, status))
    return Plan(outcome.actions, status if changed else None, outcome.verdict.retry_s)


def _judge(observed: JobObserved, now: datetime, installation: Installation) -> _Outcome:
    if observed.problem:
        return _Outcome(observed.problem)
    if observed.has_current_version():
        return _ready(observed, observed.version)
    lookup = observed.lookup
    if lookup.answer is Answer.Found and lookup.version:
        return _ready(observed, version_status(observed.subject.key.kind, lookup.version))
    if lookup.answer is Answer.Broken:
        message = f"{lookup.message}; restore it in the registry, or {_AGAIN}"
        return _Outcome(Verdict(Reason.ChainBroken, message, is_stalled=True))
    if lookup.answer is Answer.Unavailable:
        message = f"{lookup.message}; this goes on by itself when the registry answers"
        return _Outcome(Verdict(Reason.RegistryUnavailable, message, is_progressing=True, retry_s=REGISTRY_RETRY_S))
    if observed.pinned:
        message = f"the registry has no version {observed.pinned} of {observed.subject.key}; name one it has in spec.snapshot.pinned"
        return _Outcome(Verdict(Reason.DigestNotFound, message, is_stalled=True))
    return _about_job(observed, now, installation)


def _ready(observed: JobObserved, version: Json | None) -> _Outcome:
    """The version is there; earlier Jobs are not needed, the one that made it keeps its logs."""
    kind = observed.subject.key.kind
    digest = version["digest"] if version else ""
    job = None if observed.pinned else observed.current_job()
    actions = tuple(_delete(other) for other in observed.jobs if job is None or other is not job)
    noun = "snapshot" if kind == "KnowledgeBase" else "version"
    message = f"{noun} {digest} is in the registry" + (" (pinned)" if observed.pinned else "")
    changes = _live_changes(observed, job)
    return _Outcome(Verdict(DONE[kind], message, is_ready=True), (*changes, *actions), JobNews(job=job, version=version))


def _about_job(observed: JobObserved, now: datetime, installation: Installation) -> _Outcome:
    job = observed.current_job()
    if job is None:
        return _without_job(observed, installation)
    finished = finished_as(job)
    superseded = _superseded(observed, job)
    if finished is None:
        return _running(observed, job, superseded, installation)
    if finished["type"] == "Complete":
        text = f"Job {job['metadata']['name']} is done, but the registry has no version for its inputs"
        return _failed(observed, job, finished, superseded, now, installation, Failure(Reason.JobFailed, f"Job {_name(job)}", text, 0, ""))
    return _failed(observed, job, finished, superseded, now, installation, latest_failure(observed, job))


def _without_job(observed: JobObserved, installation: Installation) -> _Outcome:
    """Create the next attempt; but a run that has failed for good stays failed when its Job's time to live is over."""
    subject = observed.subject
    failed = find_condition(subject.conditions, "Failed")
    asked = bool(subject.requested_at) and subject.requested_at != (subject.status.get("job") or {}).get("requestedAt", "")
    same = subject.status.get("inputsHash") == observed.inputs_hash
    if isinstance(observed.spec, TrainingJobSpec) and same and failed and failed["status"] == "True" and not asked:
        return _Outcome(Verdict(Reason(failed["reason"]), failed["message"], is_stalled=True))
    return _create(observed, (), installation)


def _create(observed: JobObserved, superseded: tuple[Action, ...], installation: Installation) -> _Outcome:
    subject = observed.subject
    repository = installation.settings.artifacts.root.child(subject.key.namespace, subject.key.kind.lower(), subject.key.name)
    inputs = JobInputs(
        owner=subject.key,
        uid=subject.uid,
        generation=subject.generation,
        spec=observed.spec,
        inputs_hash=observed.inputs_hash,
        parents={item.reference.role: item.source for item in observed.resolved if item.source},
        repository=str(repository),
        attempt=observed.next_attempt(),
        requested_at=subject.requested_at,
        labels=subject.labels,
    )
    job = build_job(inputs, installation)
    # The new one first: should we die in between, an attempt too many is cleaned up later, a missing one would only be noticed then.
    return _Outcome(_waiting(observed, job), (Create(job), *superseded), JobNews(job=job))


def _waiting(observed: JobObserved, job: Json) -> Verdict:
    """A Job without a pod; Unknown until the first pod of this object was seen."""
    ready = find_condition(observed.subject.conditions, "Ready")
    first = ready is None or (ready["status"] == "Unknown" and attempt_of(job) == 0)
    reason = Reason.Initializing if first else Reason.JobPending
    message = f"Job {_name(job)} waits for its pod"
    return Verdict(reason, message, is_known=not first, is_progressing=True, retry_s=PENDING_LOOK_S)


def _running(observed: JobObserved, job: Json, superseded: tuple[Action, ...], installation: Installation) -> _Outcome:
    pods = pods_of(observed, job)
    works = any(pod.get("phase") == "Running" and not pod_trouble(pod) for pod in pods)
    # A pod in trouble with an image that the installation has since replaced would stay in trouble: the image may be what is wrong.
    outdated = any(pod_trouble(pod) for pod in pods[:1]) and has_old_image(job, observed.subject.key.kind, installation)
    if not works and (outdated or wants_new_attempt(observed, job)):
        return _create(observed, (_delete(job), *superseded), installation)
    failure = latest_failure(observed, job)
    actions = (*_live_changes(observed, job), *superseded)
    verdict = _running_verdict(observed, job, pods)
    return _Outcome(verdict, actions, JobNews(job=job, failure=failure, is_running=works))


def _running_verdict(observed: JobObserved, job: Json, pods: list[Json]) -> Verdict:
    name = f"Job {_name(job)}"
    if _suspended(observed, job):
        return Verdict(Reason.Suspended, f"{name} is suspended; set spec.suspend to false to go on, unless a queue holds it")
    newest = pods[0] if pods else None
    trouble: Trouble | None = pod_trouble(newest) if newest else None
    if trouble or observed.told:
        found = trouble or observed.told
        assert found is not None
        return Verdict(found.reason, found.message, is_progressing=True, retry_s=REGISTRY_RETRY_S)
    if newest and newest.get("phase") in ("Running", "Succeeded"):
        return Verdict(Reason.JobRunning, f"{name} is running", is_progressing=True)
    if newest is None:
        return _waiting(observed, job)
    return Verdict(Reason.JobPending, f"Pod {newest['metadata']['name']} is starting", is_progressing=True, retry_s=PENDING_LOOK_S)


def _failed(
    observed: JobObserved,
    job: Json,
    finished: Json,
    superseded: tuple[Action, ...],
    now: datetime,
    installation: Installation,
    failure: Failure | None,
) -> _Outcome:
    if wants_new_attempt(observed, job):
        return _create(observed, (_delete(job), *superseded), installation)
    failure = failure or _remembered(observed, job, finished)
    news = JobNews(job=job, failure=failure)
    text = f"{failure.object}: {failure.message}".rstrip(".")
    # The exit code decides, not the reason: the same source can be wrong, or just out of reach.
    if failure.exit_code == EXIT_PERMANENT or failure.reason is Reason.DeadlineExceeded:
        return _Outcome(Verdict(failure.reason, f"{text}; {_AGAIN}", is_stalled=True), superseded, news)
    ended = failed_at(finished) or now
    due = ended + min(SLOW_RETRY * 2 ** min(attempt_of(job), 10), SLOWEST_RETRY)
    if due <= now or has_old_image(job, observed.subject.key.kind, installation):
        return _create(observed, (_delete(job), *superseded), installation)
    message = f"{text}; tried again at {format_time(due)}, or now if you annotate llmos.dev/requested-at with a new value"
    retry_s = (due - now).total_seconds()
    return _Outcome(Verdict(failure.reason, message, is_progressing=True, retry_s=retry_s), superseded, news)


def _remembered(observed: JobObserved, job: Json, finished: Json) -> Failure:
    """The pods are gone: what status remembers of this Job, else what the Job says itself."""
    known = observed.subject.status.get("lastFailure")
    name = _name(job)
    if finished.get("reason") == "DeadlineExceeded":
        text = "it ran longer than spec.activeDeadlineSeconds"
        return Failure(Reason.DeadlineExceeded, f"Job {name}", text, 0, finished.get("lastTransitionTime", ""))
    if known and (observed.subject.status.get("job") or {}).get("name") == name:
        return Failure(Reason(known["reason"]), known["object"], known["message"], known["exitCode"], known["time"])
    code = EXIT_PERMANENT if finished.get("reason") == "PodFailurePolicy" else 1
    return Failure(Reason.JobFailed, f"Job {name}", finished.get("message", "it failed"), code, finished.get("lastTransitionTime", ""))


def _live_changes(observed: JobObserved, job: Json | None) -> tuple[Action, ...]:
    if job is None or not isinstance(observed.spec, TrainingJobSpec):
        return ()
    changes = job_changes(job, observed.spec)
    if finished_as(job):
        # A finished Job can neither be suspended nor run out of time; only how long it is kept still matters.
        changes = {name: value for name, value in changes.items() if name == "ttlSecondsAfterFinished"}
    return (Patch(ObjectKey.of(job), {"spec": changes}),) if changes else ()


def _suspended(observed: JobObserved, job: Json) -> bool:
    wanted = observed.spec.suspend if isinstance(observed.spec, TrainingJobSpec) else False
    return wanted or bool(job["spec"].get("suspend"))


def _superseded(observed: JobObserved, job: Json) -> tuple[Action, ...]:
    return tuple(_delete(other) for other in observed.jobs if other is not job and other["metadata"]["name"] != _name(job))


def _delete(job: Json) -> Delete:
    return Delete(ObjectKey.of(job), job["metadata"].get("uid", ""))


def _name(job: Json) -> str:
    return str(job["metadata"]["name"])

"""Deciding about a Model, KnowledgeBase or TrainingJob: adopt, create, wait, retry, give up.

Pure: `decide(observed, now, installation) -> Plan`. The order of the questions is the policy:

    a reference does not resolve           what is done stays done; else say which, and touch nothing
    status has the version asked for       ready, unless the registry turns out to have lost it
    the registry has it                    adopt it
    no Job                                 create attempt 0, or the next
    a Job runs                             say how it goes, or what keeps it
    a Job failed                           by a mistake of the user: stalled; otherwise the next attempt, later and later
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from llmos.artifacts import Version
from llmos.errors import EXIT_PERMANENT
from llmos_operator.api import KnowledgeBaseSpec, TrainingJobSpec
from llmos_operator.desired import Installation, JobInputs, build_job
from llmos_operator.desired.job import has_old_image, job_changes
from llmos_operator.names import QUEUE_LABEL, Json, ObjectKey
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
from llmos_operator.reconcile.rechecks import LOST_S
from llmos_operator.reconcile.refresh import next_time
from llmos_operator.reconcile.registry import Answer
from llmos_operator.status import Failure, Reason, Trouble, Verdict, pod_trouble
from llmos_operator.status.conditions import find_condition, format_time, parse_time, status_patch
from llmos_operator.status.reasons import reason_or
from llmos_operator.status.versions import version_status

__all__ = ["decide"]

REGISTRY_RETRY_S = 30.0
UNSIGNED_LOOK_S = 60.0
PENDING_LOOK_S = 10.0
"""A Job without a pod, or a pod without containers, for longer than this is asked about."""
SLOW_RETRY = timedelta(minutes=10)
SLOWEST_RETRY = timedelta(hours=6)
DONE = {"Model": Reason.Imported, "KnowledgeBase": Reason.Built, "TrainingJob": Reason.Trained}
_PIN_FIELD = {"Model": "spec.version.pinned", "KnowledgeBase": "spec.snapshot.pinned"}
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
    return Plan(outcome.actions, status if changed else None, _look_again_s(observed, outcome.verdict, now))


def _look_again_s(observed: JobObserved, verdict: Verdict, now: datetime) -> float | None:
    """Return when to look again by itself: what the verdict asks for, or when the schedule has its next time."""
    schedule = observed.spec.schedule if isinstance(observed.spec, KnowledgeBaseSpec) else None
    if schedule is None:
        return verdict.retry_s
    due_s = (next_time(schedule, now) - now).total_seconds()
    return due_s if verdict.retry_s is None else min(due_s, verdict.retry_s)


def _judge(observed: JobObserved, now: datetime, installation: Installation) -> _Outcome:
    if observed.problem:
        return _Outcome(_kept(observed, observed.problem) or observed.problem)
    lookup = observed.lookup
    if observed.has_current_version():
        if lookup.answer in (Answer.NotAsked, Answer.Unavailable) and _is_ready(observed):
            return _ready(observed, observed.version)
        if lookup.answer is Answer.Absent and not observed.pinned:
            return _lost(observed, now, installation)
    if lookup.answer is Answer.Found and lookup.version:
        if problem := _pinned_task_problem(observed, lookup.version):
            return _Outcome(problem)
        return _ready(observed, version_status(observed.subject.key.kind, lookup.version))
    if lookup.answer is Answer.Broken:
        message = f"{lookup.message}; restore it in the registry, or {_AGAIN}"
        return _Outcome(Verdict(Reason.ChainBroken, message, is_stalled=True))
    if lookup.answer is Answer.Unsigned:
        message = f"{lookup.message}; this goes on by itself when it is signed"
        return _Outcome(Verdict(reason_or(lookup.reason, Reason.SignatureMissing), message, is_progressing=True, retry_s=UNSIGNED_LOOK_S))
    if lookup.answer is Answer.Unavailable:
        message = f"{lookup.message}; this goes on by itself when the registry answers"
        return _Outcome(Verdict(Reason.RegistryUnavailable, message, is_progressing=True, retry_s=REGISTRY_RETRY_S))
    if observed.pinned:
        field = _PIN_FIELD[observed.subject.key.kind]
        message = f"the registry has no version {observed.pinned} of {observed.subject.key}; name one it has in {field}"
        return _Outcome(Verdict(Reason.DigestNotFound, message, is_stalled=True))
    return _about_job(observed, now, installation)


def _pinned_task_problem(observed: JobObserved, version: Version) -> Verdict | None:
    """An earlier version may be of another task; what refers to this Model goes by its spec."""
    task = version.provenance.spec.get("task")
    if not observed.pinned or task == (observed.task or None):
        return None
    message = f"spec.version.pinned is for {task}, and spec.task is {observed.task}; make them the same"
    return Verdict(Reason.TaskMismatch, message, is_stalled=True)


def _is_ready(observed: JobObserved) -> bool:
    ready = find_condition(observed.subject.conditions, "Ready")
    return ready is not None and ready["status"] == "True"


def _kept(observed: JobObserved, problem: Verdict) -> Verdict | None:
    """Return what stays true although a reference is gone: a run that is over, and a Model whose one-shot training was cleaned away."""
    kind, version = observed.subject.key.kind, observed.version
    ready = find_condition(observed.subject.conditions, "Ready")
    if version is None or ready is None or ready["status"] != "True":
        return None
    # A TrainingJob's spec cannot change; a Model's can, and then its old version is not what is asked for.
    is_current = kind == "TrainingJob" or ready.get("observedGeneration") == observed.subject.generation
    if not is_current or (kind != "TrainingJob" and problem.reason is not Reason.DependencyNotFound):
        return None
    message = f"version {version['digest']} is in the registry, and needs nothing more; {problem.message.partition(';')[0]}"
    return Verdict(DONE[kind], message, is_ready=True)


def _lost(observed: JobObserved, now: datetime, installation: Installation) -> _Outcome:
    """The registry has lost what it had: that is said, and what serves goes on serving; made again only if somebody asks."""
    if observed.subject.is_asked_again:
        return _about_job(observed, now, installation)
    digest = observed.version["digest"] if observed.version else ""
    message = f"the registry has lost {digest}: {observed.lookup.message or 'its manifest is gone'}; pods that run go on; "
    message += "restore it there, or annotate llmos.dev/requested-at with a new value to make it again"
    return _Outcome(Verdict(Reason.ArtifactMissing, message, is_stalled=True, retry_s=LOST_S))


def _ready(observed: JobObserved, version: Json | None) -> _Outcome:
    """The version is there; earlier Jobs are not needed, the one that made it keeps its logs."""
    kind = observed.subject.key.kind
    digest = version["digest"] if version else ""
    job = None if observed.pinned else observed.current_job()
    actions = tuple(_delete(other) for other in observed.jobs if job is None or other is not job)
    noun = "snapshot" if kind == "KnowledgeBase" else "version"
    message = f"{noun} {digest} is in the registry" + (" (pinned)" if observed.pinned else "")
    if version and version.get("precision"):
        message += f"; {version['precision']} is served where a service names none: {version.get('precisionReason', '')}"
    if refused := (version or {}).get("refused"):
        message += "; refused, and so not in it: " + ", ".join(f"{item['precision']} ({item['reason']})" for item in refused)
    changes = _live_changes(observed, job)
    return _Outcome(Verdict(DONE[kind], message, is_ready=True), (*changes, *actions), JobNews(job=job, version=version))


def _about_job(observed: JobObserved, now: datetime, installation: Installation) -> _Outcome:
    job = observed.current_job()
    if job is None:
        return _without_job(observed, now, installation)
    finished = finished_as(job)
    superseded = _superseded(observed, job)
    if finished is None:
        return _running(observed, job, superseded, installation)
    if finished["type"] == "Complete":
        text = f"Job {job['metadata']['name']} is done, but the registry has no version for its inputs"
        return _failed(
            observed, job, finished, superseded, now, installation, Failure(Reason.JobFailed, f"Job {_name(job)}", text, 0, _when(finished))
        )
    return _failed(observed, job, finished, superseded, now, installation, latest_failure(observed, job))


def _without_job(observed: JobObserved, now: datetime, installation: Installation) -> _Outcome:
    """Create the next attempt; but what a Job has come to stands when its time to live is over."""
    subject = observed.subject
    if subject.is_asked_again or subject.status.get("inputsHash") != observed.inputs_hash:
        return _create(observed, (), installation)
    failed = find_condition(subject.conditions, "Failed")
    if isinstance(observed.spec, TrainingJobSpec) and failed and failed["status"] == "True":
        return _Outcome(Verdict(reason_or(failed["reason"], Reason.JobFailed), failed["message"], is_stalled=True))
    last, ready = subject.status.get("lastFailure"), find_condition(subject.conditions, "Ready")
    ended = parse_time(last.get("time")) if last else None
    if last and ended and ready and ready.get("observedGeneration") == subject.generation and observed.next_attempt() > 0:
        # Its time to live was shorter than the wait: that must not turn the slow retry into a fast one.
        due = _due(ended, observed.next_attempt() - 1)
        if due > now:
            text = f"{last['object']}: {last['message']}".rstrip(".")
            return _Outcome(_retried_at(reason_or(last["reason"], Reason.JobFailed), text, due, now))
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
    failure = _past_deadline(job, finished) or failure or _remembered(observed, job, finished)
    news = JobNews(job=job, failure=failure)
    text = f"{failure.object}: {failure.message}".rstrip(".")
    # The exit code decides, not the reason: the same source can be wrong, or just out of reach.
    if failure.exit_code == EXIT_PERMANENT or failure.reason is Reason.DeadlineExceeded:
        return _Outcome(Verdict(failure.reason, f"{text}; {_AGAIN}", is_stalled=True), superseded, news)
    ended = failed_at(finished) or now
    due = _due(ended, attempt_of(job))
    if due <= now or has_old_image(job, observed.subject.key.kind, installation):
        return _create(observed, (_delete(job), *superseded), installation)
    return _Outcome(_retried_at(failure.reason, text, due, now), superseded, news)


def _due(ended: datetime, attempt: int) -> datetime:
    """Return when to try again: later and later."""
    return ended + min(SLOW_RETRY * (1 << min(attempt, 10)), SLOWEST_RETRY)


def _retried_at(reason: Reason, text: str, due: datetime, now: datetime) -> Verdict:
    message = f"{text}; tried again at {format_time(due)}, or now if you annotate llmos.dev/requested-at with a new value"
    return Verdict(reason, message, is_progressing=True, retry_s=(due - now).total_seconds())


def _past_deadline(job: Json, finished: Json) -> Failure | None:
    """A run that took too long, whatever its pods suffered from before."""
    if finished.get("reason") != "DeadlineExceeded":
        return None
    return Failure(Reason.DeadlineExceeded, f"Job {_name(job)}", "it ran longer than spec.activeDeadlineSeconds", 0, _when(finished))


def _when(finished: Json) -> str:
    return str(finished.get("lastTransitionTime", ""))


def _remembered(observed: JobObserved, job: Json, finished: Json) -> Failure:
    """The pods are gone: what status remembers of this Job, else what the Job says itself."""
    known = observed.subject.status.get("lastFailure")
    name = _name(job)
    if known and (observed.subject.status.get("job") or {}).get("name") == name:
        reason = reason_or(known["reason"], Reason.JobFailed)
        return Failure(reason, known["object"], known["message"], known.get("exitCode", 0), known.get("time", ""))
    code = EXIT_PERMANENT if finished.get("reason") == "PodFailurePolicy" else 1
    return Failure(Reason.JobFailed, f"Job {name}", finished.get("message", "it failed"), code, _when(finished))


def _live_changes(observed: JobObserved, job: Json | None) -> tuple[Action, ...]:
    if job is None or not isinstance(observed.spec, TrainingJobSpec):
        return ()
    changes = job_changes(job, observed.spec)
    if finished_as(job):
        # A finished Job can neither be suspended nor run out of time; only how long it is kept still matters.
        changes = {name: value for name, value in changes.items() if name == "ttlSecondsAfterFinished"}
    return (Patch(ObjectKey.of(job), {"spec": changes}),) if changes else ()


def _suspended(observed: JobObserved, job: Json) -> bool:
    """With a queue label the queue decides, and only the Job itself tells."""
    is_queued = QUEUE_LABEL in job["metadata"].get("labels", {})
    wanted = isinstance(observed.spec, TrainingJobSpec) and observed.spec.suspend and not is_queued
    return wanted or bool(job["spec"].get("suspend"))


def _superseded(observed: JobObserved, job: Json) -> tuple[Action, ...]:
    return tuple(_delete(other) for other in observed.jobs if other is not job and other["metadata"]["name"] != _name(job))


def _delete(job: Json) -> Delete:
    return Delete(ObjectKey.of(job), job["metadata"].get("uid", ""))


def _name(job: Json) -> str:
    return str(job["metadata"]["name"])

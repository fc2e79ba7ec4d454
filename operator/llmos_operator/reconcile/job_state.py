"""What is known about the Job of a Model, KnowledgeBase or TrainingJob, and the questions asked of it.

Pure. Must not: decide what to do; `job_decide` does.
"""

from dataclasses import dataclass
from datetime import datetime

from llmos.artifacts import inputs_hash
from llmos_operator.api import KnowledgeBaseSpec, ModelSpec, TrainingJobSpec
from llmos_operator.desired.job import workload_digest
from llmos_operator.names import (
    ATTEMPT_LABEL,
    GENERATION_ANNOTATION,
    INPUTS_HASH_ANNOTATION,
    REQUESTED_AT_ANNOTATION,
    WORKLOAD_ANNOTATION,
    Json,
)
from llmos_operator.reconcile.choose import Chosen
from llmos_operator.reconcile.refresh import hash_of_refresh
from llmos_operator.reconcile.registry import NOT_ASKED, Lookup
from llmos_operator.reconcile.resolve import Resolved
from llmos_operator.reconcile.subject import Subject
from llmos_operator.status import Failure, Reason, Trouble, Verdict, pod_failure
from llmos_operator.status.conditions import parse_time
from llmos_operator.status.versions import VERSION_FIELD

__all__ = ["JobObserved", "attempt_of", "failed_at", "finished_as", "latest_failure", "needs_lookup", "pods_of", "wants_new_attempt"]

JobSpec = ModelSpec | KnowledgeBaseSpec | TrainingJobSpec


@dataclass(frozen=True, slots=True)
class JobObserved:
    """Everything a decision about a job-backed kind may depend on."""

    subject: Subject
    spec: JobSpec
    resolved: tuple[Resolved, ...] = ()
    jobs: tuple[Json, ...] = ()
    pods: tuple[Json, ...] = ()
    lookup: Lookup = NOT_ASKED
    told: Trouble | None = None
    """What Events say about a Job without pods or a pod that is stuck."""

    chosen: Chosen | None = None
    """What a TrainingJob's selector stands for, where there is one; `spec.base` then has the chosen name and digest."""

    progress: Json | None = None
    """The latest report, while a Job runs."""

    plan: Json | None = None
    """What its pod says it will take."""

    @property
    def problem(self) -> Verdict | None:
        """The first reference that does not resolve, or does not fit; an earlier version that is pinned needs none of them."""
        if self.pinned:
            return None
        return next((item.problem for item in self.resolved if item.problem), None) or self._task_problem()

    def _task_problem(self) -> Verdict | None:
        if not isinstance(self.spec, ModelSpec):
            return None
        for item in self.resolved:
            if item.task and item.task != self.spec.task:
                message = f"spec.task is {self.spec.task}, and TrainingJob {item.reference.name} trains for {item.task}; make them the same"
                return Verdict(Reason.TaskMismatch, message, is_stalled=True)
        return None

    @property
    def inputs_hash(self) -> str:
        """The hash of what is asked; only where every reference resolves."""
        parents = {item.reference.role: item.source.digest for item in self.resolved if item.source}
        return inputs_hash(kind=self.subject.key.kind, spec=self.spec.hashed(), parents=parents)

    @property
    def version(self) -> Json | None:
        """The version in status, of whatever inputs."""
        found: Json | None = self.subject.status.get(VERSION_FIELD[self.subject.key.kind])
        return found

    @property
    def pinned(self) -> str | None:
        """The digest a Model or KnowledgeBase is pinned to."""
        return self.spec.pinned

    @property
    def task(self) -> str:
        """What it is for; a KnowledgeBase is for none."""
        return "" if isinstance(self.spec, KnowledgeBaseSpec) else self.spec.task

    @property
    def is_resolved(self) -> bool:
        """Whether every reference stands for a version, so that there is an inputs hash."""
        return all(item.source for item in self.resolved)

    def has_current_version(self) -> bool:
        """Say whether status already has the version that is asked for."""
        if not self.version or not self.version.get("digest"):
            return False
        return self.version["digest"] == self.pinned if self.pinned else self.version.get("inputsHash") == self.inputs_hash

    @property
    def is_stale(self) -> bool:
        """Whether status has a snapshot of this very spec, only of an earlier refresh: it serves on, whatever becomes of the next."""
        if not isinstance(self.spec, KnowledgeBaseSpec) or self.pinned or not self.version or not self.spec.refresh:
            return False
        before = self.version.get("inputsHash")
        return before != self.inputs_hash and before == hash_of_refresh(self.spec, self.version.get("refresh"))

    def is_at_rest_with_version(self) -> bool:
        """Say whether status has what is asked for, and no Job is making it again."""
        if self.problem or not self.has_current_version():
            return False
        job = None if self.pinned else self.current_job()
        return job is None or finished_as(job) is not None

    def current_job(self) -> Json | None:
        """Return the latest attempt for these inputs that is not being deleted."""
        mine = [job for job in self.jobs if _hash_of(job) == self.inputs_hash and not job["metadata"].get("deletionTimestamp")]
        return max(mine, key=attempt_of, default=None)

    def next_attempt(self) -> int:
        """Return a number no attempt for these inputs has had."""
        used = [attempt_of(job) for job in self.jobs if _hash_of(job) == self.inputs_hash]
        if self.subject.status.get("inputsHash") == self.inputs_hash and "attempt" in (known := self.subject.status.get("job") or {}):
            used.append(known["attempt"])
        return max(used, default=-1) + 1


def needs_lookup(observed: JobObserved) -> bool:
    """Say whether the registry has to be asked: never while a Job runs, never when status has the answer."""
    if observed.problem or observed.has_current_version():
        return False
    job = observed.current_job()
    return bool(observed.pinned) or job is None or finished_as(job) is not None


def _hash_of(job: Json) -> str:
    return str(job["metadata"].get("annotations", {}).get(INPUTS_HASH_ANNOTATION, ""))


def attempt_of(job: Json) -> int:
    """Return the attempt in a Job's label."""
    return int(job["metadata"].get("labels", {}).get(ATTEMPT_LABEL, 0))


def finished_as(job: Json) -> Json | None:
    """Return the Complete or Failed condition of a finished Job."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            found: Json = condition
            return found
    return None


def failed_at(condition: Json) -> datetime | None:
    """Return when a Job finished."""
    return parse_time(condition.get("lastTransitionTime"))


def pods_of(observed: JobObserved, job: Json) -> list[Json]:
    """Return the pods this Job controls, newest first."""
    uid = job["metadata"]["uid"]
    mine = [pod for pod in observed.pods if any(owner["uid"] == uid for owner in pod["metadata"]["ownerReferences"])]
    return sorted(mine, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]), reverse=True)


def latest_failure(observed: JobObserved, job: Json) -> Failure | None:
    """Return how the latest failed container of this Job ended."""
    failures = [failure for pod in pods_of(observed, job) if (failure := pod_failure(pod))]
    return max(failures, key=lambda failure: failure.time, default=None)


def wants_new_attempt(observed: JobObserved, job: Json) -> bool:
    """Say whether somebody asked for another attempt since this Job was made: the annotation, another `workload`, more time."""
    annotations = job["metadata"].get("annotations", {})
    if observed.subject.requested_at and observed.subject.requested_at != annotations.get(REQUESTED_AT_ANNOTATION, ""):
        return True
    if _has_other_deadline(observed, job):
        return True
    changed = annotations.get(GENERATION_ANNOTATION) != str(observed.subject.generation)
    return bool(changed and annotations.get(WORKLOAD_ANNOTATION) != workload_digest(observed.spec))


def _has_other_deadline(observed: JobObserved, job: Json) -> bool:
    """Say whether a Job ran out of a time that is not the spec's any more."""
    finished = finished_as(job)
    if not isinstance(observed.spec, TrainingJobSpec) or finished is None or finished.get("reason") != "DeadlineExceeded":
        return False
    return bool(job["spec"].get("activeDeadlineSeconds") != observed.spec.active_deadline_seconds)

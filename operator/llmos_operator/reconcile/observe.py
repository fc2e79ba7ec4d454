"""Gathering what a decision may depend on: memory first; the registry and Events only where the rest does not say.

Owns: the order of the questions. Must not: decide.
"""

import json
from collections.abc import Callable

from llmos_operator.api import InferenceServiceSpec, Spec
from llmos_operator.cluster import Cache
from llmos_operator.names import CHILD_KINDS, CONFIG_ANNOTATION, MODEL_ANNOTATION, Json, ObjectKey
from llmos_operator.reconcile.job_state import JobObserved, JobSpec, finished_as, needs_lookup, pods_of
from llmos_operator.reconcile.registry import RegistryReader
from llmos_operator.reconcile.resolve import Resolved, resolve
from llmos_operator.reconcile.service_state import ServiceObserved
from llmos_operator.reconcile.subject import Subject
from llmos_operator.reconcile.troubleshoot import Troubleshooter
from llmos_operator.report.store import ReportStore
from llmos_operator.status.rollout import is_settled

__all__ = ["Observer"]


class Observer:
    """Observes one object at a time."""

    def __init__(self, cache: Cache, registry: RegistryReader, reports: ReportStore, troubleshooter: Troubleshooter) -> None:
        self._cache = cache
        self._registry = registry
        self._reports = reports
        self._troubleshooter = troubleshooter

    async def job_backed(self, subject: Subject, spec: JobSpec) -> JobObserved:
        """Observe a Model, KnowledgeBase or TrainingJob."""
        jobs = tuple(self._cache.owned(subject.key, uid=subject.uid, kind="Job"))
        pods = tuple(self._cache.owned(subject.key, uid=subject.uid, kind="Pod"))
        resolved = await self._resolve(subject, spec, lambda role: subject.resolved_digest(role) or _digest_in_jobs(jobs, role))
        progress = self._reports.progress(subject.key, subject.uid)
        observed = JobObserved(subject, spec, resolved, jobs, pods, progress=progress)
        if needs_lookup(observed):
            key = subject.key
            pinned = observed.pinned
            lookup = await (self._registry.get(key, pinned) if pinned else self._registry.find(key, observed.inputs_hash))
            return JobObserved(subject, spec, resolved, jobs, pods, lookup, progress=progress)
        if observed.problem or observed.has_current_version():
            return observed
        job = observed.current_job()
        if job is None or finished_as(job):
            return observed
        told = await self._troubleshooter.about_job(job, pods_of(observed, job))
        return JobObserved(subject, spec, resolved, jobs, pods, told=told, progress=progress)

    async def service(self, subject: Subject, spec: InferenceServiceSpec, *, tolerated: dict[ObjectKey, str]) -> ServiceObserved:
        """Observe an InferenceService."""
        owned = [body for kind in CHILD_KINDS for body in self._cache.owned(subject.key, uid=subject.uid, kind=kind)]
        children = {ObjectKey.of(body): body for body in owned}
        pods = tuple(self._cache.owned(subject.key, uid=subject.uid, kind="Pod"))
        deployment = children.get(ObjectKey("Deployment", subject.key.namespace, subject.key.name))

        def previous(role: str) -> str | None:
            return subject.resolved_digest(role) or _digest_in_children(children, role)

        resolved = await self._resolve(subject, spec, previous)
        stuck = deployment is not None and not is_settled(deployment)
        told = await self._troubleshooter.about_pods(list(pods)) if stuck else None
        reports = self._reports.active(subject.key, subject.uid)
        return ServiceObserved(subject, spec, resolved, children, pods, reports, told, tolerated=tolerated)

    async def _resolve(self, subject: Subject, spec: Spec, previous: Callable[[str], str | None]) -> tuple[Resolved, ...]:
        return tuple(
            [
                await resolve(item, subject.key.namespace, previous=previous(item.role), cache=self._cache, registry=self._registry)
                for item in spec.references()
            ]
        )


def _digest_in_jobs(jobs: tuple[Json, ...], role: str) -> str | None:
    """Return what a live Job was given for this role: it knows what a wiped status has forgotten."""
    for job in reversed(jobs):
        config = job["spec"]["template"]["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION, "{}")
        if parent := json.loads(config).get("parents", {}).get(role):
            return str(parent["digest"])
    return None


def _digest_in_children(children: dict[ObjectKey, Json], role: str) -> str | None:
    """Return what the live children were built for, for the same reason."""
    for key, body in children.items():
        if role == "model" and key.kind == "Deployment":
            found = body["spec"]["template"]["metadata"].get("annotations", {}).get(MODEL_ANNOTATION)
            return str(found) if found else None
        if role.startswith("knowledge/") and key.kind == "ConfigMap":
            active = json.loads(body.get("data", {}).get("active.yaml", "{}")).get("knowledge", [])
            return next((str(item["digest"]) for item in active if item["name"] == role.partition("/")[2]), None)
    return None

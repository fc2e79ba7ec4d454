"""Gathering what a decision may depend on: memory first; the registry and Events only where the rest does not say.

Owns: the order of the questions. Must not: decide.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from llmos_operator.api import InferenceServiceSpec, Reference, Spec, TrainingJobSpec
from llmos_operator.cluster import Cache
from llmos_operator.desired import Tolerated
from llmos_operator.desired.inference_service import ACTIVE_KEY
from llmos_operator.names import CHILD_KINDS, CONFIG_ANNOTATION, Json, ObjectKey
from llmos_operator.reconcile.candidates import candidate_of
from llmos_operator.reconcile.choose import Chosen, Ground, choose
from llmos_operator.reconcile.job_state import JobObserved, JobSpec, finished_as, needs_lookup, pods_of
from llmos_operator.reconcile.rechecks import Rechecks
from llmos_operator.reconcile.registry import Lookup, RegistryReader
from llmos_operator.reconcile.resolve import Resolved, resolve
from llmos_operator.reconcile.service_state import ServiceObserved
from llmos_operator.reconcile.subject import Subject
from llmos_operator.reconcile.troubleshoot import Troubleshooter
from llmos_operator.report.store import ReportStore
from llmos_operator.status.rollout import is_settled, newest_pods

__all__ = ["Observer"]


class Observer:
    """Observes one object at a time."""

    def __init__(
        self, cache: Cache, registry: RegistryReader, reports: ReportStore, troubleshooter: Troubleshooter, rechecks: Rechecks
    ) -> None:
        self._cache = cache
        self._registry = registry
        self._reports = reports
        self._troubleshooter = troubleshooter
        self._rechecks = rechecks

    async def job_backed(self, subject: Subject, spec: JobSpec) -> JobObserved:
        """Observe a Model, KnowledgeBase or TrainingJob."""
        jobs = tuple(self._cache.owned(subject.key, uid=subject.uid, kind="Job"))
        pods = tuple(self._cache.owned(subject.key, uid=subject.uid, kind="Pod"))

        def previous(reference: Reference) -> str | None:
            return subject.resolved_digest(reference) or _digest_in_jobs(jobs, reference.role, self._repository(subject, reference))

        chosen = None
        if isinstance(spec, TrainingJobSpec) and spec.base.selector:
            chosen = choose(spec.base.selector, self._ground(subject, _base_in_jobs(jobs)), is_once=True)
            spec = spec.model_copy(update={"base": spec.base.bound(chosen.name, chosen.digest)})
        resolved = await self._resolve(subject, spec, previous, chosen)
        observed = JobObserved(subject, spec, resolved, jobs, pods, chosen=chosen)
        observed = self._with_reports(observed)
        if needs_lookup(observed) or (observed.is_at_rest_with_version() and self._rechecks.is_due(subject)):
            lookup = await self._look_up(observed)
            self._rechecks.note(subject)
            return replace(observed, lookup=lookup)
        if observed.problem or observed.has_current_version():
            return observed
        job = observed.current_job()
        if job is None or finished_as(job):
            return observed
        return replace(observed, told=await self._troubleshooter.about_job(job, pods_of(observed, job)))

    def _with_reports(self, observed: JobObserved) -> JobObserved:
        job = None if observed.problem else observed.current_job()
        if job is None:
            return observed
        key, uid = observed.subject.key, observed.subject.uid
        pods = {pod["metadata"]["name"] for pod in pods_of(observed, job)}
        return replace(observed, progress=self._reports.progress(key, uid, pods=pods), plan=self._reports.plan(key, uid, pods=pods))

    async def _look_up(self, observed: JobObserved) -> Lookup:
        key = observed.subject.key
        return await (self._registry.get_anew(key, observed.pinned) if observed.pinned else self._registry.find(key, observed.inputs_hash))

    async def service(self, subject: Subject, spec: InferenceServiceSpec, *, tolerated: dict[ObjectKey, Tolerated]) -> ServiceObserved:
        """Observe an InferenceService."""
        owned = [body for kind in CHILD_KINDS for body in self._cache.owned(subject.key, uid=subject.uid, kind=kind)]
        children = {ObjectKey.of(body): body for body in owned}
        pods = tuple(self._cache.owned(subject.key, uid=subject.uid, kind="Pod"))
        deployment = children.get(ObjectKey("Deployment", subject.key.namespace, subject.key.name))

        def previous(reference: Reference) -> str | None:
            return subject.resolved_digest(reference) or _digest_in_children(children, reference)

        chosen = None
        if spec.model.selector:
            chosen = choose(
                spec.model.selector, self._ground(subject, _model_in_children(children), spec.precision), precision=spec.precision
            )
            spec = spec.model_copy(update={"model": spec.model.bound(chosen.name, chosen.digest)})
        resolved = await self._resolve(subject, spec, previous, chosen)
        stuck = deployment is not None and not is_settled(deployment)
        told = await self._troubleshooter.about_pods(newest_pods(list(pods))) if stuck else None
        reports = self._reports.active(subject.key, subject.uid)
        return ServiceObserved(subject, spec, resolved, children, pods, reports, told, tolerated=tolerated, chosen=chosen)

    def _ground(self, subject: Subject, live: tuple[str, str] | None, precision: str | None = "") -> Ground:
        namespace = subject.key.namespace
        return Ground(
            before=subject.status.get("selection"),
            live=live,
            candidates=lambda in_use: (candidate_of(body, precision, incumbent=in_use) for body in self._cache.models(namespace)),
            exists=lambda name: self._cache.get(ObjectKey("Model", namespace, name)) is not None,
        )

    def _repository(self, subject: Subject, reference: Reference) -> str:
        return str(self._registry.repository(ObjectKey(reference.kind, subject.key.namespace, reference.name)))

    async def _resolve(
        self, subject: Subject, spec: Spec, previous: Callable[[Reference], str | None], chosen: Chosen | None
    ) -> tuple[Resolved, ...]:
        found = []
        for item in spec.references():
            if chosen and chosen.problem and not item.name:
                found.append(Resolved(item, problem=chosen.problem))
            else:
                namespace = subject.key.namespace
                found.append(await resolve(item, namespace, previous=previous(item), cache=self._cache, registry=self._registry))
        return tuple(found)


def _digest_in_jobs(jobs: tuple[Json, ...], role: str, repository: str) -> str | None:
    """Return what a live Job was given for this role: it knows what a wiped status has forgotten."""
    for job in reversed(jobs):
        parent = _config_of(job).get("parents", {}).get(role)
        if parent and parent["repository"] == repository:
            return str(parent["digest"])
    return None


def _digest_in_children(children: dict[ObjectKey, Json], reference: Reference) -> str | None:
    """Return what the live children were built for, for the same reason."""
    for key, body in children.items():
        if reference.role == "model" and key.kind == "Deployment":
            model = _config_of(body).get("model", {})
            return str(model["digest"]) if model.get("name") == reference.name else None
        if reference.role.startswith("knowledge/") and key.kind == "ConfigMap":
            active = json.loads(body.get("data", {}).get(ACTIVE_KEY, "{}")).get("knowledge", [])
            return next((str(item["digest"]) for item in active if item["name"] == reference.name), None)
    return None


def _base_in_jobs(jobs: tuple[Json, ...]) -> tuple[str, str] | None:
    """Return name and digest of the base a live Job was given."""
    for job in reversed(jobs):
        if base := _config_of(job).get("parents", {}).get("base"):
            return str(base["repository"]).rpartition("/")[2], str(base["digest"])
    return None


def _model_in_children(children: dict[ObjectKey, Json]) -> tuple[str, str] | None:
    """Return name and digest of the model the live Deployment was made for."""
    deployment = next((body for key, body in children.items() if key.kind == "Deployment"), None)
    model = _config_of(deployment).get("model") if deployment else None
    return (str(model["name"]), str(model["digest"])) if model else None


def _config_of(child: Json) -> Json:
    """Return the configuration that travels in a pod template's annotation."""
    text = child["spec"]["template"]["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION, "{}")
    config: Json = json.loads(text)
    return config

"""One pass for one key: observe, decide, execute; and what an error means for the object's status.

Owns: choosing the decision by kind, the turn-taking of rollouts, mapping errors to conditions. Must not: hold policy; `*_decide` does.
"""

import contextlib
import logging
from dataclasses import dataclass, replace
from typing import Final

from llmos.errors import ConfigError, LlmosError
from llmos_operator.api import InferenceServiceSpec, KnowledgeBaseSpec, ModelSpec, TrainingJobSpec, parse_spec
from llmos_operator.clock import Clock
from llmos_operator.cluster import Cache, ClusterClient, ClusterError, ClusterRefused, ObjectExists
from llmos_operator.desired import Installation
from llmos_operator.names import Json, ObjectKey
from llmos_operator.reconcile import job_decide, service_decide
from llmos_operator.reconcile.execute import Executor
from llmos_operator.reconcile.job_state import finished_as
from llmos_operator.reconcile.observe import Observer
from llmos_operator.reconcile.plan import Apply, Plan
from llmos_operator.reconcile.rechecks import Rechecks
from llmos_operator.reconcile.refresh import bind_refresh
from llmos_operator.reconcile.registry import RegistryReader, VersionStore
from llmos_operator.reconcile.rollouts import RolloutTurns
from llmos_operator.reconcile.subject import Subject
from llmos_operator.reconcile.troubleshoot import Troubleshooter
from llmos_operator.report.store import ReportStore
from llmos_operator.status import Condition, Reason, Verdict, merge_conditions, summary
from llmos_operator.status.conditions import find_condition
from llmos_operator.status.reasons import reason_or
from llmos_operator.workqueue import FORGET

__all__ = ["Ports", "Reconciler"]

logger = logging.getLogger(__name__)
REFUSED_RETRY_S: Final = 60.0
_PASSING: Final = (Reason.ApiUnavailable, Reason.OperatorError)


@dataclass(frozen=True, slots=True)
class Ports:
    """What a reconciler needs of the world."""

    client: ClusterClient
    store: VersionStore
    clock: Clock


class Reconciler:
    """Reconciles the four kinds."""

    def __init__(self, cache: Cache, reports: ReportStore, installation: Installation, ports: Ports) -> None:
        self._cache = cache
        self._reports = reports
        self._installation = installation
        self._clock = ports.clock
        self._executor = Executor(ports.client, cache, ports.clock)
        registry = RegistryReader(ports.store, installation.settings.artifacts.root, cache)
        self._rechecks = Rechecks(ports.clock)
        self._observer = Observer(cache, registry, reports, Troubleshooter(ports.client, ports.clock), self._rechecks)
        self._turns = RolloutTurns(cache, installation.settings.queue.rolling_services, ports.clock)

    async def __call__(self, key: ObjectKey) -> float | None:
        """Run one pass.

        Returns: seconds until the next look, None for the resync, FORGET if the object is gone.

        Raises: ClusterError and others for the queue's backoff.
        """
        body = self._cache.get(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            # Owner references clean up; there is nothing of ours outside the cluster.
            self._reports.forget(key)
            self._rechecks.forget(key)
            return FORGET
        subject = Subject.of(body)
        try:
            plan = await self._plan(subject, body)
            await self._executor.execute(plan, subject)
        except (ConfigError, ClusterRefused, ObjectExists) as error:
            if isinstance(error, ClusterRefused) and "is being terminated" in error.message:
                return FORGET
            await self._write_refusal(self._fresh(subject), error)
            return REFUSED_RETRY_S
        except Exception as error:
            await self._say_what_fails(self._fresh(subject), error)
            raise
        return plan.requeue_s

    def use(self, installation: Installation) -> None:
        """Work with another installation from the next pass on: the report endpoint's CA was renewed."""
        self._installation = installation

    async def _plan(self, subject: Subject, body: Json) -> Plan:
        spec = parse_spec(subject.key.kind, body["spec"])
        if isinstance(spec, InferenceServiceSpec):
            observed = await self._observer.service(subject, spec, tolerated=self._executor.tolerated)
            # No await between asking for a turn and taking it, or all workers would take the last one.
            observed = replace(observed, may_roll=self._turns.may_roll(subject.key))
            plan = service_decide.decide(observed, self._clock.now(), self._installation)
            if any(isinstance(action, Apply) and action.takes_turn for action in plan.actions):
                self._turns.take(subject.key)
            return plan
        if isinstance(spec, KnowledgeBaseSpec):
            jobs = self._cache.owned(subject.key, uid=subject.uid, kind="Job")
            spec = bind_refresh(spec, self._clock.now(), tuple(job for job in jobs if finished_as(job) is None))
        assert isinstance(spec, ModelSpec | KnowledgeBaseSpec | TrainingJobSpec)
        return job_decide.decide(await self._observer.job_backed(subject, spec), self._clock.now(), self._installation)

    def _fresh(self, subject: Subject) -> Subject:
        body = self._cache.get(subject.key)
        return Subject.of(body) if body else subject

    async def _say_what_fails(self, subject: Subject, error: Exception) -> None:
        """Tell of a failing pass where status says nothing about this generation yet; what it does say stands through a passing failure."""
        ready = find_condition(subject.conditions, "Ready")
        if ready is not None and ready.get("observedGeneration") == subject.generation and ready["reason"] not in _PASSING:
            return
        reason = Reason.ApiUnavailable if isinstance(error, ClusterError) else Reason.OperatorError
        what = error.message if isinstance(error, LlmosError) else f"{type(error).__name__}; the operator's log has the details"
        verdict = Verdict(reason, f"{what}; it is tried again by itself", is_known=False, is_progressing=True)
        with contextlib.suppress(ClusterError):
            await self._write_verdict(subject, verdict)

    async def _write_refusal(self, subject: Subject, error: ConfigError | ClusterRefused | ObjectExists) -> None:
        """Say in the conditions what the API server, or our own parser, refused."""
        await self._write_verdict(subject, _refusal(subject, error))

    async def _write_verdict(self, subject: Subject, verdict: Verdict) -> None:
        """Write the summary alone; all else in the status stays."""
        conditions = list(summary(verdict))
        for kept in ("Succeeded", "Failed", "SnapshotActive"):
            if before := find_condition(subject.conditions, kept):
                conditions.append(Condition(kept, before["status"], reason_or(before["reason"], verdict.reason), before["message"]))
        merged = merge_conditions(conditions, subject.conditions, generation=subject.generation, now=self._clock.now())
        status = {**subject.status, "observedGeneration": subject.generation, "conditions": merged}
        await self._executor.write_status(subject, status)


def _refusal(subject: Subject, error: ConfigError | ClusterRefused | ObjectExists) -> Verdict:
    if isinstance(error, ObjectExists):
        message = f"{error.key} exists and does not belong to {subject.key}; rename or delete one of them"
        return Verdict(Reason.NameConflict, message, is_stalled=True)
    reason = reason_or(error.reason, Reason.InvalidSpec)
    # Quota and Pod Security may be changed by somebody else at any time: those are waited for.
    waits = reason in (Reason.QuotaExceeded, Reason.PodSecurityViolation, Reason.Forbidden)
    return Verdict(reason, error.message, is_stalled=not waits, is_progressing=waits)

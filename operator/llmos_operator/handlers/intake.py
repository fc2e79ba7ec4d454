"""From a watch event to the queue: remember the object, then add the keys it concerns.

Owns: which custom resources an event concerns (itself, its owner, those that refer to it). Must not: call the API or reconcile.
kopf fills its indexes before it calls the first event handler; `remember` is called from an index, so the memory is complete before the
first key is added.
"""

from collections.abc import Callable
from typing import Any

from llmos_operator.clock import Clock
from llmos_operator.cluster import Cache
from llmos_operator.metrics import Metrics
from llmos_operator.names import CUSTOM_KINDS, INSTALLATION_LABEL, Json, ObjectKey
from llmos_operator.report.store import ReportStore

__all__ = ["Intake"]


class Intake:
    """What handlers call."""

    def __init__(
        self,
        cache: Cache,
        reports: ReportStore,
        metrics: Metrics,
        clock: Clock,
        *,
        installation_id: str,
        enqueue: Callable[[ObjectKey], None],
    ) -> None:
        self._cache = cache
        self._reports = reports
        self._metrics = metrics
        self._clock = clock
        self._enqueue = enqueue
        self._installation = installation_id.replace("/", ".")
        self.has_listed = False
        """Whether the first event was handled, and so the first listing is complete."""

    def remember(self, body: Any) -> None:
        """Take an object into memory, and let go of the rest; one that was given to another installation leaves it."""
        whole = dict(body)
        if self._is_foreign(whole):
            self._cache.discard(ObjectKey.of(whole))
        else:
            self._cache.upsert(whole)
        _empty(whole)

    def happened(self, event: Any) -> None:
        """An object changed or went: add whom it concerns."""
        body: Json = event["object"]
        self.has_listed = True
        self._metrics.last_event.labels(body["kind"]).set(self._clock.now().timestamp())
        key = ObjectKey.of(body)
        if self._is_foreign(body):
            return
        owner = self._cache.owner(key)
        if event["type"] == "DELETED":
            self._cache.remove(body)
            if owner and key.kind == "Pod":
                self._reports.forget_pod(owner, key.name)
        for concerned in self._concerned(key, owner):
            self._enqueue(concerned)

    def _is_foreign(self, body: Any) -> bool:
        """Two installations may share a cluster: a canary beside production, the tests beside somebody's own."""
        return (
            body.get("kind") in CUSTOM_KINDS
            and body["metadata"].get("labels", {}).get(INSTALLATION_LABEL, self._installation) != self._installation
        )

    def _concerned(self, key: ObjectKey, owner: ObjectKey | None) -> tuple[ObjectKey, ...]:
        if key.kind in CUSTOM_KINDS:
            return (key, *self._cache.referrers(key))
        return (owner,) if owner else ()


def _empty(body: Json) -> None:
    """Empty, in place, what nobody needs any more.

    At the start kopf holds every object whole until all are listed; with a thousand services that would be most of our memory. Identity and
    labels stay: kopf and the event handlers read those.
    """
    for name, part in body.items():
        if name != "metadata" and isinstance(part, dict):
            part.clear()
    for name in ("managedFields", "annotations"):
        body["metadata"].pop(name, None)

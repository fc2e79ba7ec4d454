"""Asking for Events, on demand: only about a child that is stuck and whose own status does not say why.

Owns: when to ask, how much, how often. Must not: watch Events; a busy cluster has thousands.
"""

from datetime import datetime, timedelta

from llmos_operator.clock import Clock
from llmos_operator.cluster import ClusterClient, ClusterError
from llmos_operator.names import Json
from llmos_operator.status import Trouble
from llmos_operator.status.conditions import parse_time
from llmos_operator.status.troubles import event_trouble, is_stuck_creating

__all__ = ["Troubleshooter"]

PATIENCE = timedelta(seconds=9)
"""A young child is only slow. Slightly less than the wait after which it is looked at again."""
_EVENTS = 20
_KEPT = timedelta(seconds=25)
_REMEMBERED = 1000


class Troubleshooter:
    """Finds out why a child is stuck."""

    def __init__(self, client: ClusterClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[datetime, Trouble | None]] = {}

    async def about_job(self, job: Json, pods: list[Json]) -> Trouble | None:
        """Return why a running Job has no pod, or why its newest pod's containers are not created."""
        if pods:
            return await self.about_pods(pods[:1])
        if job["spec"].get("suspend") or not self._is_old(job):
            return None
        return await self._ask(job, f"Job {job['metadata']['name']}")

    async def about_pods(self, pods: list[Json]) -> Trouble | None:
        """Return why the first stuck pod's containers are not created."""
        for pod in pods:
            if is_stuck_creating(pod) and self._is_old(pod):
                return await self._ask(pod, f"Pod {pod['metadata']['name']}")
        return None

    def _is_old(self, body: Json) -> bool:
        created = parse_time(body["metadata"].get("creationTimestamp"))
        return created is not None and self._clock.now() - created > PATIENCE

    async def _ask(self, body: Json, where: str) -> Trouble | None:
        uid, now = body["metadata"]["uid"], self._clock.now()
        if (known := self._known.get(uid)) and now - known[0] < _KEPT:
            return known[1]
        try:
            events = await self._client.list_events(body["metadata"]["namespace"], uid, limit=_EVENTS)
        except ClusterError:
            # Not knowing why is no reason to stop: the condition then says only that it waits.
            return known[1] if known else None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        found = event_trouble(where, events)
        self._known[uid] = (now, found)
        return found

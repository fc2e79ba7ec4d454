"""Carrying out a Plan: actions in order, then one status write. Dumb on purpose.

Owns: remembering answers in the cache (read your own writes), adopting what turns out to be ours already. Must not: decide.
"""

import logging

from llmos_operator.clock import Clock
from llmos_operator.cluster import Cache, ClusterClient, ClusterError, ClusterUnavailable, ObjectExists
from llmos_operator.desired import Tolerated, differences
from llmos_operator.names import Json, ObjectKey
from llmos_operator.reconcile.plan import Action, Apply, Create, Delete, Patch, Plan
from llmos_operator.reconcile.subject import Subject
from llmos_operator.status.conditions import status_patch
from llmos_operator.status.events import Announcement, announcement, build_event

__all__ = ["Executor"]

logger = logging.getLogger(__name__)


class Executor:
    """Does what a plan says."""

    def __init__(self, client: ClusterClient, cache: Cache, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._cache = cache
        self.tolerated: dict[ObjectKey, Tolerated] = {}
        """Child → what somebody's admission changes after every apply; see ServiceObserved.tolerated."""

    async def execute(self, plan: Plan, subject: Subject) -> None:
        """Carry it out.

        Raises: ClusterError; what was done before it stays done, and the next pass sees it.
        """
        for action in plan.actions:
            await self._do(action, subject)
        if plan.status is not None:
            await self.write_status(subject, plan.status)

    async def write_status(self, subject: Subject, status: Json) -> None:
        """Write what changed of the status, if anything did."""
        patch = status_patch(subject.status, status)
        if not patch:
            return
        # The version makes sure that an object created anew under this name does not get the old one's status; the API server looks at
        # no other precondition here, not even the uid.
        body = {"metadata": {"resourceVersion": subject.resource_version}, "status": patch}
        answer = await self._client.patch_status(subject.key, body)
        if answer is None:
            self._cache.discard(subject.key)
            return
        self._cache.upsert(answer)
        if said := announcement(subject.status, status):
            await self._announce(subject, said)
        if lost := differences(status, answer.get("status", {})):
            logger.error("%s: the API server dropped status%s; are the CRDs of this version?", subject.key, next(iter(lost)))

    async def _announce(self, subject: Subject, said: Announcement) -> None:
        """Post an Event; not being able to is no reason to fail."""
        try:
            await self._client.create(build_event(subject.key, subject.uid, said, self._clock.now()))
        except ObjectExists:
            logger.debug("%s: this was announced before", subject.key)
        except ClusterError as error:
            logger.warning("%s: cannot post an Event: %s", subject.key, error)

    async def _do(self, action: Action, subject: Subject) -> None:
        match action:
            case Create(body):
                await self._create(body, subject)
            case Apply(body, why):
                logger.info("%s: applying %s, because %s differs", subject.key, ObjectKey.of(body), why)
                await self._apply(body)
            case Patch(key, body):
                answer = await self._client.patch(key, body)
                if answer is None:
                    self._cache.discard(key)
                else:
                    self._cache.upsert(answer)
            case Delete(key, uid):
                await self._client.delete(key, uid=uid)
                self._cache.discard(key)

    async def _create(self, body: Json, subject: Subject) -> None:
        key = ObjectKey.of(body)
        try:
            self._cache.upsert(await self._client.create(body))
        except ObjectExists:
            live = await self._client.get(key)
            owners = live["metadata"].get("ownerReferences", []) if live else []
            if live is None or _is_of_an_earlier(subject.key, subject.uid, owners):
                raise ClusterUnavailable(
                    f"it was made for an earlier {subject.key}, and is still being removed", reason="ApiUnavailable", key=key, status=409
                ) from None
            if not any(owner.get("uid") == subject.uid for owner in owners):
                raise
            # Ours: the watch had not said so yet, or somebody took its labels away. A Job is taken as it is, anything else is repaired.
            self._cache.upsert(live)
            if key.kind != "Job":
                await self._apply(body)

    async def _apply(self, body: Json) -> None:
        key = ObjectKey.of(body)
        answer = await self._client.apply(body)
        self._cache.upsert(answer)
        wanted = {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}
        self.tolerated.pop(key, None)
        if others := differences(wanted, answer):
            logger.warning("%s: something changes %s after every apply; it is left as it is", key, ", ".join(others))
            self.tolerated[key] = others


def _is_of_an_earlier(owner: ObjectKey, uid: str, owners: list[Json]) -> bool:
    """Say whether an object belongs to one of the same kind and name that was deleted: garbage collection has not come to it yet."""
    return any(item.get("kind") == owner.kind and item.get("name") == owner.name and item.get("uid") != uid for item in owners)

"""Finding out, now and then, what was deleted while no watch was looking.

A watch that was cut off for too long lists anew, and a listing says what is, not what is gone: kopf then reports no deletion, and without
this an object that went in the gap would stay in memory for ever. Metadata only, page by page. Must not: add to the memory; watches do.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from llmos_operator.cluster.cache import Cache
from llmos_operator.cluster.port import ClusterClient, ClusterError
from llmos_operator.names import CHILD_KINDS, CUSTOM_KINDS, MANAGED_BY, ObjectKey

__all__ = ["Audit"]

logger = logging.getLogger(__name__)


class Audit:
    """Compares the memory with the cluster."""

    def __init__(
        self, client: ClusterClient, cache: Cache, *, namespaces: Sequence[str], enqueue: Callable[[ObjectKey], None], rng: random.Random
    ) -> None:
        self._client = client
        self._cache = cache
        self._namespaces = tuple(namespaces) or ("",)
        self._enqueue = enqueue
        self._rng = rng

    async def run(self, *, every_s: float) -> None:
        """Do so for ever; one kind at a time, spread over the interval."""
        kinds = (*CUSTOM_KINDS, *CHILD_KINDS, "Pod")
        while True:
            for kind in kinds:
                await asyncio.sleep(every_s / len(kinds) * self._rng.uniform(0.8, 1.2))
                try:
                    await self.check(kind)
                except ClusterError as error:
                    logger.warning("cannot compare the memory with the cluster: %s", error)

    async def check(self, kind: str) -> None:
        """Compare one kind and enqueue whom a loss concerns."""
        before = self._cache.identities(kind)
        labels = {} if kind in CUSTOM_KINDS else MANAGED_BY
        found: dict[ObjectKey, str] = {}
        for namespace in self._namespaces:
            found |= await self._client.list_identities(kind, namespace, labels=labels)
        for key in self._cache.forget_missing(before, found):
            logger.info("%s: something of it was deleted while no watch was looking", key)
            self._enqueue(key)

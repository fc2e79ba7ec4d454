"""Liveness and readiness: is the event loop turning and the queue working, and is the memory of the cluster filled.

Must not: fail because the cluster or the registry is down; restarting the operator would mend neither.
"""

from collections.abc import Callable

from aiohttp import web

from llmos_operator.clock import Clock

__all__ = ["STUCK_S", "Probes"]

STUCK_S = 180.0
"""A pass that runs for longer is a hang: no call takes this long (all have time-outs). So is work that waits so long for a free worker."""


class Probes:
    """`/healthz` and `/readyz`."""

    def __init__(self, clock: Clock, *, is_ready: Callable[[], bool], stuck_since: Callable[[], float | None]) -> None:
        """Make them.

        Args:
            clock: time.
            is_ready: whether the cluster was listed.
            stuck_since: see `WorkQueue.stuck_since`.
        """
        self._clock = clock
        self._is_ready = is_ready
        self._stuck_since = stuck_since

    def is_healthy(self) -> bool:
        """Answering at all shows that the loop turns; besides, work must move."""
        since = self._stuck_since()
        return since is None or self._clock.monotonic() - since < STUCK_S

    def application(self) -> web.Application:
        """Return the server."""

        async def healthz(_: web.Request) -> web.Response:
            return _answer(self.is_healthy(), "ok", "a pass has been running, or work waiting, for longer than any call may take")

        async def readyz(_: web.Request) -> web.Response:
            return _answer(self._is_ready(), "ok", "the first listing of the cluster is not finished")

        application = web.Application()
        application.router.add_get("/healthz", healthz)
        application.router.add_get("/readyz", readyz)
        return application


def _answer(good: bool, yes: str, no: str) -> web.Response:
    return web.Response(text=yes if good else no, status=200 if good else 503)

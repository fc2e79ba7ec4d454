"""Liveness and readiness: is the event loop turning and the queue working, and is the memory of the cluster filled.

Must not: fail because the cluster or the registry is down; restarting the operator would mend neither.
"""

from collections.abc import Callable

from aiohttp import web

from llmos_operator.clock import Clock

__all__ = ["STUCK_S", "Probes"]

STUCK_S = 180.0
"""A pass that keeps a worker for longer, with others waiting, is a hang: no call takes this long (all have time-outs)."""


class Probes:
    """`/healthz` and `/readyz`."""

    def __init__(
        self, clock: Clock, *, is_ready: Callable[[], bool], is_idle: Callable[[], bool], last_finished: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._is_ready = is_ready
        self._is_idle = is_idle
        self._last_finished = last_finished

    def is_healthy(self) -> bool:
        """Answering at all shows that the loop turns; besides, work that waits must move."""
        return self._is_idle() or self._clock.monotonic() - self._last_finished() < STUCK_S

    def application(self) -> web.Application:
        """Return the server."""

        async def healthz(_: web.Request) -> web.Response:
            return _answer(self.is_healthy(), "ok", "no pass has finished for a long time although work is waiting")

        async def readyz(_: web.Request) -> web.Response:
            return _answer(self._is_ready(), "ok", "the first listing of the cluster is not finished")

        application = web.Application()
        application.router.add_get("/healthz", healthz)
        application.router.add_get("/readyz", readyz)
        return application


def _answer(good: bool, yes: str, no: str) -> web.Response:
    return web.Response(text=yes if good else no, status=200 if good else 503)

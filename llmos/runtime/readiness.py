"""Whether this pod may be asked: a golden request went through the whole path for the snapshots and the model that are active now.

Readiness is decided in the background and only looked up by the probe, so that probes cost nothing and cannot pile up. When Triton stops
answering, the pod stops being ready within seconds; when it is back, the golden request must pass again first.
Must not: influence liveness; restarting this container would not mend Triton.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from llmos.errors import LlmosError, TransientError
from llmos.runtime.model_server import ModelServer
from llmos.runtime.pipeline import ActiveSnapshot, Pipeline, SnapshotKey

__all__ = ["Readiness"]

_INTERVAL_S: Final = 2.0
_REPEAT_S: Final = 60.0
_GOLDEN_WITHOUT_KNOWLEDGE: Final = "ready"

_log = logging.getLogger(__name__)


class Readiness:
    """Knows whether requests can be answered, and why not."""

    def __init__(self, pipeline: Pipeline, server: ModelServer, *, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._pipeline = pipeline
        self._server = server
        self._timeout_s = timeout_s
        self._clock = clock
        self._verified: frozenset[SnapshotKey] | None = None
        self._verified_at = 0.0
        self.reason = "no snapshots have been verified yet"
        self.is_draining = False

    @property
    def is_ready(self) -> bool:
        """Say whether traffic may come."""
        return self._verified is not None and not self.is_draining

    async def verify(self, knowledge: Sequence[ActiveSnapshot]) -> None:
        """Send the golden request and check what comes back; LlmosError says what failed."""
        text = ". ".join(item.golden_text for item in knowledge) or _GOLDEN_WITHOUT_KNOWLEDGE
        answer = await self._pipeline.answer(text, knowledge, timeout_s=self._timeout_s, request_id="golden")
        linked = {item.knowledge for item in answer.mentions}
        for item in knowledge:
            if item.name not in linked:
                raise TransientError(f"the golden request found no entity of {item.name}", reason="InvalidSource")
        if not answer.labels and not answer.embedding:
            raise TransientError("the golden request got neither a label nor an embedding", reason="InvalidSource")

    def mark(self, knowledge: Sequence[ActiveSnapshot]) -> None:
        """Record that these snapshots passed `verify`, and are the ones that answer."""
        self._verified, self._verified_at, self.reason = _digests(knowledge), self._clock(), ""

    async def check(self, knowledge: Sequence[ActiveSnapshot] | None) -> None:
        """Bring `is_ready` up to date for the active set."""
        if knowledge is None:
            self._verified = None
            return
        try:
            if not await self._server.is_ready():
                raise TransientError("Triton does not answer, or has not loaded the model", reason="ContainerCrashed")
            if self._verified != _digests(knowledge) or self._clock() - self._verified_at > _REPEAT_S:
                await self.verify(knowledge)
                self.mark(knowledge)
        except LlmosError as error:
            if self.reason != error.message:
                _log.warning("not ready: %s", error.message)
            self._verified, self.reason = None, error.message

    async def follow(self, current: Callable[[], Sequence[ActiveSnapshot] | None], interval_s: float = _INTERVAL_S) -> None:
        """Keep checking until cancelled."""
        while True:
            await self.check(current())
            await asyncio.sleep(interval_s)


def _digests(knowledge: Sequence[ActiveSnapshot]) -> frozenset[SnapshotKey]:
    return frozenset(item.key for item in knowledge)

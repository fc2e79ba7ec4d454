"""Turn-taking of rollouts that the installation causes (an upgrade to another image): a few services at a time, not a thousand.

Owns: who rolls now. Must not: hold back a change the user made; `service_decide` sees to that.
"""

from llmos_operator.clock import Clock
from llmos_operator.cluster import Cache
from llmos_operator.names import ObjectKey
from llmos_operator.status.rollout import is_settled

__all__ = ["RolloutTurns"]

GRANT_S = 15.0
"""A turn counts as taken for so long even before the Deployment says that it rolls."""
LONGEST_S = 600.0
"""A service that has not settled by then keeps nobody else waiting; the Deployment's own progress deadline is as long."""


class RolloutTurns:
    """Counts who rolls."""

    def __init__(self, cache: Cache, limit: int, clock: Clock) -> None:
        self._cache = cache
        self._limit = limit
        self._clock = clock
        self._granted: dict[ObjectKey, float] = {}

    def may_roll(self, key: ObjectKey) -> bool:
        """Say whether this service may start to roll now.

        Asked on every pass, so it must be cheap: only services that were granted a turn are looked at.
        """
        now = self._clock.monotonic()
        for other, since in list(self._granted.items()):
            if now - since > LONGEST_S or (now - since > GRANT_S and self._is_settled(other)):
                del self._granted[other]
        return key in self._granted or len(self._granted) < self._limit

    def take(self, key: ObjectKey) -> None:
        """Note that this service rolls."""
        self._granted[key] = self._clock.monotonic()

    def _is_settled(self, key: ObjectKey) -> bool:
        deployment = self._cache.get(ObjectKey("Deployment", key.namespace, key.name))
        return deployment is None or is_settled(deployment)

"""When to ask the registry again for a version that status already names: what was adopted may be lost later.

Owns: the cadence, and what was last found lost. Must not: ask, or decide what a loss means.
"""

from llmos.artifacts import digest_bytes
from llmos_operator.clock import Clock
from llmos_operator.names import ObjectKey
from llmos_operator.reconcile.subject import Subject
from llmos_operator.status.conditions import find_condition

__all__ = ["EVERY_S", "LOST_S", "Rechecks"]

EVERY_S = 3600.0
"""A loss is noticed within about this time; an object's turn within it depends on its name, so that they spread."""
LOST_S = 60.0
"""How often to look whether something lost has been restored."""


class Rechecks:
    """Remembers when each object's version was last seen in the registry."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[ObjectKey, tuple[str, float]] = {}
        """Object → the retry annotation that was honoured, and when to look again."""

    def is_due(self, subject: Subject) -> bool:
        """Say whether the registry should be asked in this pass: it is time, somebody asks, or it is not ready although it could be."""
        key, now = subject.key, self._clock.monotonic()
        ready = find_condition(subject.conditions, "Ready")
        if ready is None or ready["status"] != "True":
            return True
        honoured, due = self._due.setdefault(key, ("", now + EVERY_S * _share(key)))
        return now >= due or (subject.is_asked_again and subject.requested_at != honoured)

    def note(self, subject: Subject) -> None:
        """Note that the registry was asked."""
        self._due[subject.key] = (subject.requested_at, self._clock.monotonic() + EVERY_S)

    def forget(self, key: ObjectKey) -> None:
        """Forget an object that is gone."""
        self._due.pop(key, None)


def _share(key: ObjectKey) -> float:
    """Return a number between 0 and 1 that belongs to this object."""
    return int(digest_bytes(str(key).encode()).removeprefix("sha256:")[:8], 16) / 0x1_0000_0000

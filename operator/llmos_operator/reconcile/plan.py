"""What a pass wants done: a value, compared with `==` in tests, executed in order.

Must not: do anything.
"""

from dataclasses import dataclass

from llmos_operator.names import Json, ObjectKey

__all__ = ["Action", "Apply", "Create", "Delete", "Patch", "Plan"]


@dataclass(frozen=True, slots=True)
class Create:
    """Make an object that does not exist; never touch somebody else's of that name."""

    body: Json


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply the whole body, because it differs."""

    body: Json
    why: str
    """The first field that differs."""

    takes_turn: bool = False
    """It starts a rollout that only the installation causes; a few of those run at a time."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge-patch an object."""

    key: ObjectKey
    body: Json


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this very object."""

    key: ObjectKey
    uid: str


Action = Create | Apply | Patch | Delete


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order, then one status write."""

    actions: tuple[Action, ...] = ()
    status: Json | None = None
    """The whole status as it should be; None if it is so already."""

    requeue_s: float | None = None

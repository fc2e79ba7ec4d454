"""Conditions and the status patch: the Kubernetes conventions, in one place.

Pure. Owns: `lastTransitionTime` changes only with `status`; `Reconciling` and `Stalled` exist only while True; a status is written only if
something in it changed. Must not: know the kinds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llmos_operator.names import Json
from llmos_operator.status.reasons import Reason
from llmos_operator.status.verdict import Verdict

__all__ = ["Condition", "find_condition", "format_time", "merge_conditions", "parse_time", "status_patch", "summary"]

_MESSAGE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition without its time."""

    type: str
    status: str
    reason: Reason
    message: str


def summary(verdict: Verdict, *, type_name: str = "Ready") -> list[Condition]:
    """Return Ready (or another summary) with Reconciling and Stalled where they hold."""
    status = "True" if verdict.is_ready else "False" if verdict.is_known else "Unknown"
    found = [Condition(type_name, status, verdict.reason, verdict.message)]
    if verdict.is_progressing:
        found.append(Condition("Reconciling", "True", verdict.reason, verdict.message))
    if verdict.is_stalled:
        found.append(Condition("Stalled", "True", verdict.reason, verdict.message))
    return found


def merge_conditions(wanted: Iterable[Condition], current: list[Json], *, generation: int, now: datetime) -> list[Json]:
    """Return the new list: each wanted condition, with the time its status last changed."""
    merged = []
    for condition in wanted:
        before = find_condition(current, condition.type)
        flipped = before is None or before.get("status") != condition.status
        merged.append(
            {
                "type": condition.type,
                "status": condition.status,
                "observedGeneration": generation,
                "lastTransitionTime": format_time(now) if before is None or flipped else before["lastTransitionTime"],
                "reason": str(condition.reason),
                "message": condition.message[:_MESSAGE_CHARACTERS],
            }
        )
    return merged


def find_condition(conditions: list[Json], type_name: str) -> Json | None:
    """Return the condition of this type."""
    return next((item for item in conditions if item.get("type") == type_name), None)


def status_patch(current: Json, wanted: Json) -> Json:
    """Return the merge patch from one status to the other; empty if they are equal."""
    patch: dict[str, Any] = {name: None for name in current if name not in wanted}
    for name, value in wanted.items():
        before = current.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := status_patch(before, value):
                patch[name] = inner
        elif before != value:
            patch[name] = value
    return patch


def format_time(when: datetime) -> str:
    """Return RFC 3339 in whole seconds, as the API server does."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> datetime | None:
    """Return the time, or None."""
    return datetime.fromisoformat(text) if text else None

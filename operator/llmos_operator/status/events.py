"""The few Events the operator posts: a version was made, or only a person can help now.

Pure. Must not: announce what a condition says anyway while it changes (pending, running, rolling out): a thousand services would drown
everybody else's Events.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from llmos.artifacts import canonical_json, digest_bytes
from llmos_operator.names import API_VERSION, MANAGER, Json, ObjectKey
from llmos_operator.status.conditions import find_condition, format_time
from llmos_operator.status.reasons import Reason

__all__ = ["Announcement", "announcement", "build_event"]

_MESSAGE_CHARACTERS: Final = 1000
_MADE: Final = (Reason.Imported, Reason.Built, Reason.Trained)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an Event says."""

    type: str
    reason: str
    message: str


def announcement(before: Json, after: Json) -> Announcement | None:
    """Return what is worth an Event in the step from one status to the next."""
    old, new = (find_condition(status.get("conditions") or [], "Stalled") for status in (before, after))
    if new and (old is None or old["reason"] != new["reason"]):
        return Announcement("Warning", new["reason"], new["message"])
    old, new = (find_condition(status.get("conditions") or [], "Ready") for status in (before, after))
    if new and new["status"] == "True" and new["reason"] in _MADE and (old is None or old["status"] != "True"):
        return Announcement("Normal", new["reason"], new["message"])
    return None


def build_event(about: ObjectKey, uid: str, said: Announcement, now: datetime) -> Json:
    """Return the Event; its name is made of what it says, so that the same thing is said once."""
    mark = digest_bytes(canonical_json([uid, said.reason, said.message])).removeprefix("sha256:")[:16]
    regarding = {"apiVersion": API_VERSION, "kind": about.kind, "namespace": about.namespace, "name": about.name, "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": about.namespace, "name": f"{about.name}.{mark}"},
        "involvedObject": regarding,
        "type": said.type,
        "reason": said.reason,
        "message": said.message[:_MESSAGE_CHARACTERS],
        "source": {"component": MANAGER},
        "firstTimestamp": format_time(now),
        "lastTimestamp": format_time(now),
        "count": 1,
    }

"""The latest report of each object and pod, in memory: a lost report loses nothing that matters.

Must not: be persisted, or be used for a gate or a digest.
"""

from collections.abc import Collection
from dataclasses import dataclass

from llmos_operator.names import Json, ObjectKey

__all__ = ["ReportStore"]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a Job's pod said last."""

    pod: str
    progress: Json
    plan: Json | None


class ReportStore:
    """What pods said last, by the object they work for (and its uid)."""

    def __init__(self) -> None:
        self._progress: dict[tuple[ObjectKey, str], _Told] = {}
        self._active: dict[tuple[ObjectKey, str], dict[str, Json]] = {}

    def put_progress(self, key: ObjectKey, uid: str, pod: str, progress: Json, plan: Json | None = None) -> None:
        """Remember a Job's progress and what it plans to take, as this pod of it says."""
        self._progress[(key, uid)] = _Told(pod, progress, plan)

    def put_active(self, key: ObjectKey, uid: str, pod: str, active: Json) -> bool:
        """Remember what an inference pod serves; returns whether that is news (a sidecar repeats itself)."""
        pods = self._active.setdefault((key, uid), {})
        is_news = pods.get(pod) != active
        pods[pod] = active
        return is_news

    def progress(self, key: ObjectKey, uid: str, *, pods: Collection[str]) -> Json | None:
        """Return the latest progress if one of these pods has said it: an earlier attempt's is no progress of the next."""
        told = self._progress.get((key, uid))
        return told.progress if told and told.pod in pods else None

    def plan(self, key: ObjectKey, uid: str, *, pods: Collection[str]) -> Json | None:
        """Return the plan of the same report."""
        told = self._progress.get((key, uid))
        return told.plan if told and told.pod in pods else None

    def active(self, key: ObjectKey, uid: str) -> dict[str, Json]:
        """Return pod name → what it serves."""
        return self._active.get((key, uid), {})

    def forget_pod(self, owner: ObjectKey, pod: str) -> None:
        """Drop what a pod said that is gone."""
        for (key, _), pods in self._active.items():
            if key == owner:
                pods.pop(pod, None)
        for entry in [entry for entry, told in self._progress.items() if entry[0] == owner and told.pod == pod]:
            del self._progress[entry]

    def forget(self, key: ObjectKey) -> None:
        """Drop all about an object that is gone."""
        for table in (self._progress, self._active):
            for entry in [entry for entry in table if entry[0] == key]:
                del table[entry]

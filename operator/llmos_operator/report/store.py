"""The latest report of each object and pod, in memory: a lost report loses nothing that matters.

Must not: be persisted, or be used for a gate or a digest.
"""

from llmos_operator.names import Json, ObjectKey

__all__ = ["ReportStore"]


class ReportStore:
    """What pods said last, by the object they work for (and its uid)."""

    def __init__(self) -> None:
        self._progress: dict[tuple[ObjectKey, str], Json] = {}
        self._active: dict[tuple[ObjectKey, str], dict[str, Json]] = {}

    def put_progress(self, key: ObjectKey, uid: str, progress: Json) -> None:
        """Remember a Job's progress."""
        self._progress[(key, uid)] = progress

    def put_active(self, key: ObjectKey, uid: str, pod: str, active: Json) -> bool:
        """Remember what an inference pod serves; returns whether that is news (a sidecar repeats itself)."""
        pods = self._active.setdefault((key, uid), {})
        is_news = pods.get(pod) != active
        pods[pod] = active
        return is_news

    def progress(self, key: ObjectKey, uid: str) -> Json | None:
        """Return the latest progress."""
        return self._progress.get((key, uid))

    def active(self, key: ObjectKey, uid: str) -> dict[str, Json]:
        """Return pod name → what it serves."""
        return self._active.get((key, uid), {})

    def forget_pod(self, owner: ObjectKey, pod: str) -> None:
        """Drop what a pod said that is gone."""
        for (key, _), pods in self._active.items():
            if key == owner:
                pods.pop(pod, None)

    def forget(self, key: ObjectKey) -> None:
        """Drop all about an object that is gone, or whose Job has ended."""
        for table in (self._progress, self._active):
            for entry in [entry for entry in table if entry[0] == key]:
                del table[entry]

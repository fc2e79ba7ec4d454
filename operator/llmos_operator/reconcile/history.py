"""What an object has had before: what one can go back to without looking into the registry.

Pure. It is a memory, not a record: the registry has every version (`llmos versions`), and a status that was wiped begins anew.
"""

from datetime import datetime
from typing import Final

from llmos_operator.names import Json
from llmos_operator.reconcile.candidates import candidate_of
from llmos_operator.reconcile.choose import headline_metric
from llmos_operator.status.conditions import format_time

__all__ = ["MOST_VERSIONS", "remember_previous", "remember_version"]

MOST_VERSIONS: Final = 10


def remember_version(before: list[Json], version: Json | None, task: str, now: datetime) -> list[Json] | None:
    """Return the list with this version first; None while there was none at all.

    A version that is first already stays as it stands, time and all, so that a pass without news writes nothing.
    """
    if not version or not version.get("digest"):
        return before or None
    digest = version["digest"]
    if before and before[0]["digest"] == digest:
        return before
    entry = {"digest": digest, "time": format_time(now), **_headline(version, task)}
    return [entry, *(item for item in before if item["digest"] != digest)][:MOST_VERSIONS]


def _headline(version: Json, task: str) -> Json:
    # By what it was judged, where somebody said so; the Job's measurements begin with a small letter.
    judged = str((version.get("evaluation") or {}).get("metric") or headline_metric(task))
    metric = judged[:1].lower() + judged[1:]
    body: Json = {"metadata": {"name": ""}, "spec": {"task": task}, "status": {"version": version}}
    found = candidate_of(body, None).metrics.get(metric)
    return {"metric": metric, "value": str(found)} if found is not None else {}


def remember_previous(before: Json | None, served: Json | None, serves: Json | None, now: datetime) -> Json | None:
    """Return what a KnowledgeBase served before the snapshot it serves now; as it stands, unless that has just changed."""
    if not served or not serves or not served.get("digest") or served["digest"] == serves.get("digest"):
        return before
    kept = {name: served[name] for name in ("digest", "contentDigest", "refresh") if served.get(name)}
    return {**kept, "replacedTime": format_time(now)}

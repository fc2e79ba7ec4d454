"""When a KnowledgeBase asks its sources anew, and what that is called in its inputs.

Sources that may move (a branch, a tag, a bucket) are looked up by the build, which alone has their logins. So that one spec can be built
again, its inputs hold a text of their own, `refresh`: what the user wrote, and the last time of `spec.schedule` that has come. Another text
is another inputs hash, and so another build; the same text is never built twice, whoever forgets what. Pure. Must not: decide what a build
that fails means.
"""

import json
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from llmos.artifacts import inputs_hash
from llmos.errors import ConfigError
from llmos_operator.api import KnowledgeBaseSpec
from llmos_operator.names import CONFIG_ANNOTATION, INPUTS_HASH_ANNOTATION, Json
from llmos_operator.status.conditions import format_time

__all__ = ["bind_refresh", "hash_of_refresh", "next_time"]


def bind_refresh(spec: KnowledgeBaseSpec, now: datetime, jobs: tuple[Json, ...]) -> KnowledgeBaseSpec:
    """Return the spec with the refresh that is due.

    Args:
        spec: as the user wrote it.
        now: in UTC.
        jobs: the live, unfinished ones: what such a Job builds stays due until it has ended, or a schedule faster than a build would
            end every build.

    Raises: ConfigError (InvalidSpec) for a schedule that is none.
    """
    if spec.schedule is None:
        return spec
    last = _last_time(spec.schedule, now)
    due = _called(spec.refresh, last)
    for job in jobs:
        under_way = _refresh_of(job)
        # The user's own text may have changed meanwhile: then it is another build that is asked for.
        if under_way.rpartition(" ")[0] == (spec.refresh or "") and _is_for(job, spec, under_way):
            due = under_way
    return spec.model_copy(update={"refresh": due})


def next_time(schedule: str, now: datetime) -> datetime:
    """Return the next time a schedule names; raises ConfigError (InvalidSpec) for one that is none."""
    return _times(schedule, now, reverse=False)


def hash_of_refresh(spec: KnowledgeBaseSpec, refresh: str | None) -> str:
    """Return the inputs hash the spec has with another refresh."""
    hashed = spec.model_copy(update={"refresh": refresh}).hashed()
    return inputs_hash(kind="KnowledgeBase", spec=hashed, parents={})


def _last_time(schedule: str, now: datetime) -> datetime:
    # From a minute later, because the library wants a time before; what is still to come is passed over.
    found = _times(schedule, now + timedelta(minutes=1), reverse=True)
    return found if found <= now else _times(schedule, found, reverse=True)


def _times(schedule: str, start: datetime, *, reverse: bool) -> datetime:
    try:
        found = next(CronSim(schedule, start.astimezone(UTC), reverse=reverse))
    except (CronSimError, StopIteration) as error:
        raise ConfigError(
            f"spec.schedule {schedule!r:.80} names no time ({error or 'none in fifty years'}); write minute, hour, day, month and weekday",
            reason="InvalidSpec",
        ) from error
    return found


def _called(text: str | None, time: datetime | None) -> str:
    return " ".join(filter(None, [text, format_time(time) if time else None]))


def _refresh_of(job: Json) -> str:
    text = job["spec"]["template"]["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION, "{}")
    return str(json.loads(text).get("spec", {}).get("refresh", ""))


def _is_for(job: Json, spec: KnowledgeBaseSpec, refresh: str) -> bool:
    return bool(job["metadata"].get("annotations", {}).get(INPUTS_HASH_ANNOTATION) == hash_of_refresh(spec, refresh))

"""Deciding what goes: mark and sweep over versions, with a grace period for what is found unused.

Pure. The policy:

    a version is used          if an object or a child names it, or its inputs hash, and so are all versions it was made from
    a payload stays            if a used version names it
    a payload goes             if none does, a sweep noted that before, and the grace period has passed since
    a repository is left alone unless it is this installation's, and only its; while a Job works for it; and where something cannot be read
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from llmos.artifacts import Repository, Version
from llmos.retention.contents import RepositoryContents
from llmos.retention.marks import Marks

__all__ = ["Fate", "PayloadFate", "RepositoryPlan", "SweepPlan", "plan_sweep"]


class Fate(StrEnum):
    """What becomes of a payload."""

    Kept = "Kept"
    """It is used."""

    Noted = "Noted"
    """It is unused, and this sweep is the first to see that: the grace period begins."""

    Waiting = "Waiting"
    """It is unused, and the grace period is not over."""

    Pruned = "Pruned"
    """It goes: a tombstone takes its place."""


@dataclass(frozen=True, slots=True)
class PayloadFate:
    """One payload of a repository."""

    digest: str
    fate: Fate
    what: str
    """Its role in the version that names it, such as `onnx Float32`; or that no version does."""

    size_bytes: int = 0
    since: datetime | None = None
    """When it was first found unused."""

    is_named: bool = True
    """Whether a version names it; what nothing names needs no tombstone."""

    has_note: bool = False


@dataclass(frozen=True, slots=True)
class RepositoryPlan:
    """What becomes of a repository."""

    repository: Repository
    payloads: tuple[PayloadFate, ...] = ()
    left_alone: str = ""
    """Why nothing here is touched."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep would do."""

    repositories: tuple[RepositoryPlan, ...]
    num_versions: int
    num_used: int

    def of(self, fate: Fate) -> list[PayloadFate]:
        """Return all payloads with this fate."""
        return [item for each in self.repositories for item in each.payloads if item.fate is fate]


def plan_sweep(
    contents: Iterable[RepositoryContents],
    marks: Marks,
    *,
    root: Repository,
    now: datetime,
    grace: timedelta,
    namespaces: Sequence[str] = (),
) -> SweepPlan:
    """Return what becomes of every payload.

    Args:
        contents: all repositories that could be read, other installations' too: their versions may be parents of ours.
        marks: what the cluster uses.
        root: the repository that all are below.
        grace: how long a payload must have been unused.
        namespaces: those whose objects were looked at; empty: all.
    """
    every = sorted(contents, key=lambda each: str(each.repository))
    versions = {version.digest: version for each in every for version in each.versions}
    used = _used(versions, marks)
    plans = []
    for each in every:
        name = str(each.repository).removeprefix(f"{root}/")
        reason = _left_alone(each, marks, name)
        if namespaces and name.partition("/")[0] not in namespaces:
            reason = "the installation does not work in its namespace, so nobody knows what is used there"
        payloads = () if reason else tuple(_fates(each, used, marks, now, grace))
        plans.append(RepositoryPlan(each.repository, payloads, reason))
    return SweepPlan(tuple(plans), len(versions), len(used & versions.keys()))


def _used(versions: Mapping[str, Version], marks: Marks) -> set[str]:
    """Return the digests of all versions that are named, and of all they were made from."""
    todo = [digest for digest, version in versions.items() if {digest, version.provenance.inputs_hash} & marks.digests]
    used: set[str] = set()
    while todo:
        digest = todo.pop()
        if digest not in used:
            used.add(digest)
            todo += versions[digest].provenance.parents.values() if digest in versions else ()
    return used


def _left_alone(each: RepositoryContents, marks: Marks, name: str) -> str:
    if each.is_shared:
        return "another installation has made things here, too"
    if not each.is_owned and name not in marks.repositories:
        return "it does not carry this installation's mark, and there is no object of its name"
    if name in marks.busy:
        return "a Job works for it"
    return f"something there cannot be read: {each.damage}" if each.damage else ""


_UNNAMED: Final = {True: "evaluation report", False: "no version names it"}


def _fates(each: RepositoryContents, used: set[str], marks: Marks, now: datetime, grace: timedelta) -> Iterable[PayloadFate]:
    named = {item.digest: item for version in each.versions for item in version.provenance.payloads}
    reports = {version.report_digest for version in each.versions}
    needed = {
        digest
        for version in each.versions
        if version.digest in used
        for digest in (version.report_digest, *(item.digest for item in version.provenance.payloads))
    }
    for digest in sorted(each.payloads):
        payload = named.get(digest)
        what = " ".join([payload.role, *filter(None, [payload.attributes.get("precision")])]) if payload else _UNNAMED[digest in reports]
        since = each.idle_since.get(digest)
        if digest in needed or digest in marks.digests:
            fate, since_shown = Fate.Kept, None
        elif grace <= timedelta(0) or (since is not None and since + grace <= now):
            fate, since_shown = Fate.Pruned, since
        else:
            fate, since_shown = (Fate.Waiting if since else Fate.Noted), since
        size = payload.size_bytes if payload else 0
        yield PayloadFate(digest, fate, what, size, since_shown, is_named=payload is not None, has_note=since is not None)

"""Reading all that is there, and carrying out what was planned.

A tombstone is written before its payload goes: whoever dies in between leaves a chain that holds. Storage is freed later, by the registry's
own garbage collection. Must not: decide anything.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from llmos.artifacts import LinkState, Registry, Repository
from llmos.retention.contents import IDLE_ARTIFACT, RepositoryContents, format_time, idle_tag, read_contents
from llmos.retention.marks import Marks
from llmos.retention.plan import Fate, SweepPlan

__all__ = ["carry_out", "survey"]

_SCHEMA_VERSION: Final = 1


def survey(
    registry: Registry, root: Repository, marks: Marks, *, installation: str, tell: Callable[[str], None] = lambda _text: None
) -> tuple[list[RepositoryContents], bool]:
    """Read all repositories of the root.

    Returns: their contents; and whether that is all: without a catalog only repositories of existing objects are known.
    """
    listed = registry.list_repositories(root)
    known = {str(root.child(*name.split("/"))): root.child(*name.split("/")) for name in marks.repositories}
    every = {**known, **{str(item): item for item in listed or ()}}
    contents = []
    for number, (_, repository) in enumerate(sorted(every.items()), start=1):
        tell(f"{number}/{len(every)} {repository.path}")
        contents.append(read_contents(registry, repository, installation=installation))
    return contents, listed is not None


def carry_out(registry: Registry, plan: SweepPlan, *, now: datetime) -> None:
    """Do what the plan says.

    Raises: ConfigError if the registry refuses to delete; TransientError if it does not answer. What is done then stays done.
    """
    for each in plan.repositories:
        for item in each.payloads:
            if item.fate is Fate.Noted:
                note = {"schemaVersion": _SCHEMA_VERSION, "digest": item.digest, "since": format_time(now)}
                registry.push_document(each.repository, idle_tag(item.digest), IDLE_ARTIFACT, note)
            elif item.fate is Fate.Pruned:
                if item.is_named:
                    unused = f" since {format_time(item.since)}" if item.since else ""
                    registry.push_tombstone(each.repository, item.digest, LinkState.Pruned, f"unused{unused}; swept {format_time(now)}")
                registry.delete_manifest(each.repository, item.digest)
            # Its time counts anew, should it be unused again.
            if item.has_note and item.fate in (Fate.Pruned, Fate.Kept):
                registry.delete_tag(each.repository, idle_tag(item.digest))

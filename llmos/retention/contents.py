"""What a repository holds: its versions, its payloads, whose it is, and since when what has been unused. Must not: change anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from llmos.artifacts import Registry, Repository, Version, owner_tag
from llmos.errors import PermanentError

__all__ = ["IDLE_ARTIFACT", "RepositoryContents", "format_time", "idle_tag", "read_contents"]

IDLE_ARTIFACT: Final = "application/vnd.llmos.idle.v1"
"""A note of ours: since when a payload has been unused. The registry itself has no times."""

_VERSION, _PAYLOAD, _IDLE, _OWNER = "in-", "p-", "idle-", "by-"
_EARLIER = "was-"


def idle_tag(digest: str) -> str:
    """Return the tag of the note about a payload."""
    return f"{_IDLE}{digest.removeprefix('sha256:')}"


def format_time(when: datetime) -> str:
    """Return RFC 3339 in whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class RepositoryContents:
    """One repository."""

    repository: Repository
    versions: tuple[Version, ...] = ()
    payloads: frozenset[str] = frozenset()
    """Digests of the payloads whose manifests are there."""

    idle_since: Mapping[str, datetime] = field(default_factory=dict)
    """Payload → when a sweep first found it unused."""

    is_owned: bool = False
    """It carries this installation's mark."""

    is_shared: bool = False
    """It carries another's."""

    damage: str = ""
    """What cannot be read there; then nobody knows what its payloads are for."""


def read_contents(registry: Registry, repository: Repository, *, installation: str) -> RepositoryContents:
    """Read a repository: tags, versions and notes, never payload.

    Raises: TransientError if the registry does not answer.
    """
    tags = registry.list_tags(repository)
    owners = {tag for tag in tags if tag.startswith(_OWNER)}
    ours = owner_tag(installation)
    versions: list[Version] = []
    idle: dict[str, datetime] = {}
    damage = ""
    for tag in tags:
        try:
            if tag.startswith(_VERSION):
                found = registry.find_version(repository, f"sha256:{tag.removeprefix(_VERSION)}")
                versions += [found] if found else []
            elif tag.startswith(_EARLIER):
                versions.append(registry.get_version(repository, f"sha256:{tag.removeprefix(_EARLIER)}"))
            elif tag.startswith(_IDLE):
                note = registry.read_document(repository, tag, IDLE_ARTIFACT) or {}
                idle[f"sha256:{tag.removeprefix(_IDLE)}"] = datetime.fromisoformat(str(note["since"]))
        except (PermanentError, KeyError, ValueError) as error:
            damage = damage or f"{tag}: {error}"
    return RepositoryContents(
        repository,
        tuple(versions),
        frozenset(f"sha256:{tag.removeprefix(_PAYLOAD)}" for tag in tags if tag.startswith(_PAYLOAD)),
        idle,
        is_owned=ours in owners,
        is_shared=bool(owners - {ours}),
        damage=damage,
    )

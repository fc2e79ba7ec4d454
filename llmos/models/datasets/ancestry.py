"""Everything that a model's ancestors were trained on: along the chain, from a TrainingJob to its base, to the TrainingJob that made that.

A version names its parents by digest only, so they are looked for among the namespace's repositories, those of deleted objects too. What
cannot be found is said, and is no error: the chain itself is `llmos verify`'s to judge. Must not: compare texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llmos.artifacts import Registry, Repository, Version
from llmos.workload import ParentRef

__all__ = ["Ancestry", "find_ancestry"]

_MOST: Final = 64
"""Versions of one chain; nobody trains that often, and a chain that names itself must end."""

_NEXT: Final = (("base", "model"), ("trainingJob", "trainingjob"))
"""Role of the parent that weights come from, and the folder that its kind's repositories are in."""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What was found, the nearest first."""

    trainings: tuple[ParentRef, ...]
    """Versions of TrainingJobs that carry what they learned from."""

    num_unknown: int
    """Ancestors that cannot be looked into: not found, or made by an earlier LLMOS. What is beyond one that was not found is uncounted."""


def find_ancestry(registry: Registry, training: ParentRef) -> Ancestry:
    """Walk from a TrainingJob's version to the first ancestor that was not made here.

    Raises: as `Registry.get_version` for the TrainingJob itself; TransientError if the registry does not answer.
    """
    trainings: list[ParentRef] = []
    num_unknown = 0
    here: ParentRef | None = training
    version = registry.get_version(training.repository, training.digest)
    for _ in range(_MOST):
        assert here is not None
        if version.provenance.kind == "TrainingJob":
            has_items = version.provenance.payload("training") is not None
            trainings += [here] if has_items else []
            num_unknown += not has_items
        wanted = _parent_of(version)
        if wanted is None:
            break
        found = _locate(registry, training.repository, *wanted)
        if found is None:
            num_unknown += 1
            break
        here, version = found
    return Ancestry(tuple(trainings), num_unknown)


def _parent_of(version: Version) -> tuple[str, str] | None:
    """Return folder and digest of the version that weights come from; None where they come from outside."""
    parents = version.provenance.parents
    return next(((folder, parents[role]) for role, folder in _NEXT if role in parents), None)


def _locate(registry: Registry, beside: Repository, folder: str, digest: str) -> tuple[ParentRef, Version] | None:
    for repository in _siblings(registry, beside, folder):
        loaded = registry.load_version(repository, digest)
        if isinstance(loaded, Version):
            return ParentRef(repository=repository, digest=digest), loaded
    return None


def _siblings(registry: Registry, beside: Repository, folder: str) -> Iterator[Repository]:
    """Yield the repositories of a kind in the namespace of another repository: `…/namespace/kind/name`."""
    namespace = beside.path.rpartition("/")[0].rpartition("/")[0]
    if namespace:
        yield from registry.list_repositories(Repository(beside.host, f"{namespace}/{folder}")) or ()

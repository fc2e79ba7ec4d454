"""Where the versions of a chain are: a version names its parents by digest only, and this finds the repository each of them is in.

Names come from what objects of the namespace were resolved to; where such an object is gone, from its siblings of that kind and from the
registry's catalog. Must not: judge what is found; `llmos.artifacts` does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llmos.artifacts import Link, Loaded, Registry, Repository, kind_of_role
from llmos.local.kubectl import Document

__all__ = ["Lineage", "version_digest"]

_KINDS = ("Model", "TrainingJob", "KnowledgeBase")
_VERSION_FIELD = {"KnowledgeBase": "snapshot"}


def version_digest(document: Document) -> str | None:
    """Return the digest of the version an object has, or None."""
    status = document.get("status") or {}
    found = status.get(_VERSION_FIELD.get(document["kind"], "version")) or {}
    digest: str | None = found.get("digest")
    return digest


@dataclass(slots=True)
class Lineage:
    """The objects of one namespace, and the registry their artifacts are in."""

    registry: Registry
    root: Repository
    """The repository of the installation."""
    namespace: str
    objects: Sequence[Document]
    found_in: dict[str, Repository] = field(default_factory=dict)
    """Version digest → the repository it was found in."""
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)
    _catalog: list[Repository] | None = None

    def load(self, link: Link) -> Loaded:
        """Load a parent from wherever it is: what `trace_chain` asks for."""
        kind, preferred = kind_of_role(link.role), self._resolved_name(link)
        # A role of a later LLMOS may be played by any kind.
        found = (self.find(each, link.digest, preferred=preferred) for each in ([kind] if kind else _KINDS))
        return next((loaded for loaded in found if loaded is not None), None)

    def find(self, kind: str, digest: str, *, preferred: str | None) -> Loaded:
        """Find a version of a kind, in the repository of this name first."""
        for repository in self._candidates(kind, preferred):
            loaded = self.registry.load_version(repository, digest)
            if loaded is not None:
                self.found_in[digest] = repository
                self._names[digest] = (kind, repository.path.rpartition("/")[2])
                return loaded
        return None

    def _candidates(self, kind: str, preferred: str | None) -> Iterator[Repository]:
        names = [preferred] if preferred else []
        names += sorted(item["metadata"]["name"] for item in self.objects if item["kind"] == kind and item["metadata"]["name"] != preferred)
        below = self.root.child(self.namespace, kind.lower())
        yield from (below.child(name) for name in names)
        # Last, for it is long: objects that were deleted have left their repositories there.
        if self._catalog is None:
            self._catalog = self.registry.list_repositories(self.root) or []
        yield from (
            item for item in self._catalog if item.path.startswith(f"{below.path}/") and item.path[len(below.path) + 1 :] not in names
        )

    def _resolved_name(self, link: Link) -> str | None:
        """Return what the child's own object says this role was resolved to."""
        kind, name = self._names.get(link.child.digest, ("", ""))
        document = next((item for item in self.objects if (item["kind"], item["metadata"]["name"]) == (kind, name)), None)
        resolved = (document or {}).get("status", {}).get("resolved", [])
        return next((str(item["name"]) for item in resolved if item["role"] == link.role), None)

"""Walking the chain of digests from a version to its roots, and naming the first link that does not hold.

Must not: know where parents are kept; a loader does. Written once as a generator, so that sync and async loaders share it.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Final

from llmos.artifacts.canonical import inputs_hash
from llmos.artifacts.documents import LinkState, Version

__all__ = ["BrokenLink", "Link", "Loaded", "verify_chain", "verify_chain_async"]

_KIND_OF_ROLE: Final = {"trainingJob": "TrainingJob", "base": "Model", "knowledge": "KnowledgeBase"}

Loaded = Version | LinkState | None
"""What a loader answers: the version; Pruned or Forgotten where a tombstone stands; None where nothing is."""


@dataclass(frozen=True, slots=True)
class Link:
    """A parent to load."""

    path: str
    """Roles from the version that is verified, for example `trainingJob/base`."""

    role: str
    digest: str
    child: Version
    """The version that names this parent."""


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """The first link that does not hold."""

    path: str
    digest: str
    state: LinkState
    problem: str

    @property
    def message(self) -> str:
        """One sentence for a condition."""
        return f"the chain is broken at {self.path} ({self.digest}): {self.problem}"


def verify_chain(version: Version, load: Callable[[Link], Loaded]) -> BrokenLink | None:
    """Walk all parents, nearest first, and return the first broken link, or None if the chain holds."""
    walk = _walk(version)
    try:
        link = next(walk)
        while True:
            link = walk.send(load(link))
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def verify_chain_async(version: Version, load: Callable[[Link], Awaitable[Loaded]]) -> BrokenLink | None:
    """Do the same with an async loader."""
    walk = _walk(version)
    try:
        link = next(walk)
        while True:
            link = walk.send(await load(link))
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def _walk(version: Version) -> Generator[Link, Loaded, BrokenLink | None]:
    if problem := _own_problem(version):
        return BrokenLink("itself", version.digest, LinkState.Mismatch, problem)
    todo: deque[tuple[str, Version]] = deque([("", version)])
    seen: set[str] = {version.digest}
    while todo:
        prefix, child = todo.popleft()
        for role, digest in sorted(child.provenance.parents.items()):
            if digest in seen:
                continue
            seen.add(digest)
            link = Link(f"{prefix}{role}", role, digest, child)
            loaded = yield link
            if (broken := _judge(link, loaded)) is not None:
                return broken
            if isinstance(loaded, Version):
                todo.append((f"{link.path}/", loaded))
    return None


def _judge(link: Link, loaded: Loaded) -> BrokenLink | None:
    """Return what is broken about a loaded parent, or None."""
    if loaded is None or loaded is LinkState.Missing:
        return BrokenLink(link.path, link.digest, LinkState.Missing, "it is in no registry, and no tombstone says why")
    if isinstance(loaded, LinkState):
        problem = "what is there is not what the digest says" if loaded is LinkState.Mismatch else ""
        return BrokenLink(link.path, link.digest, loaded, problem) if loaded.is_broken else None
    problem = _own_problem(loaded)
    if loaded.digest != link.digest:
        problem = f"what was found is {loaded.digest}"
    expected = _KIND_OF_ROLE.get(link.role.split("/")[0])
    if expected is not None and loaded.provenance.kind != expected:
        problem = f"a parent in this role must be a {expected}, and it is a {loaded.provenance.kind}"
    return BrokenLink(link.path, link.digest, LinkState.Mismatch, problem) if problem else None


def _own_problem(version: Version) -> str:
    provenance = version.provenance
    computed = inputs_hash(kind=provenance.kind, spec=provenance.spec, parents=provenance.parents)
    return "" if computed == provenance.inputs_hash else f"it says inputs hash {provenance.inputs_hash}, and its inputs have {computed}"

"""Walking the chain of digests from a version to its roots, and naming the first link that does not hold.

Must not: know where parents are kept; a loader does. Written once as a generator, so that sync and async loaders share it.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Final

from llmos.artifacts.canonical import inputs_hash
from llmos.artifacts.documents import LinkState, Version

__all__ = ["BrokenLink", "Damaged", "Link", "Loaded", "TracedLink", "kind_of_role", "trace_chain", "verify_chain", "verify_chain_async"]

_KIND_OF_ROLE: Final = {"trainingJob": "TrainingJob", "base": "Model", "knowledge": "KnowledgeBase"}


@dataclass(frozen=True, slots=True)
class Damaged:
    """What a loader answers where something is there and cannot be believed."""

    problem: str


Loaded = Version | Damaged | LinkState | None
"""What a loader answers: the version; what is wrong with it; Pruned or Forgotten where a tombstone stands; None where nothing is."""


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


@dataclass(frozen=True, slots=True)
class TracedLink:
    """One version of a chain, as it was found."""

    path: str
    """Roles from the version that is verified; empty for that version itself."""

    digest: str
    state: LinkState
    problem: str = ""
    version: Version | None = None
    """What was found, where that is what the digest says."""

    is_repeated: bool = False
    """It stands elsewhere in the chain already, with its own parents."""

    @property
    def broken(self) -> BrokenLink | None:
        """The link as a broken one, if it is."""
        return BrokenLink(self.path or "itself", self.digest, self.state, self.problem) if self.state.is_broken else None


def kind_of_role(role: str) -> str | None:
    """Return the kind a parent in this role must have: `knowledge/hpo` → `KnowledgeBase`; None for a role nobody knows."""
    return _KIND_OF_ROLE.get(role.split("/")[0])


def verify_chain(version: Version, load: Callable[[Link], Loaded]) -> BrokenLink | None:
    """Walk all parents, nearest first, and return the first broken link, or None if the chain holds."""
    return _run(_walk(version, to_the_end=False), load)[-1].broken


async def verify_chain_async(version: Version, load: Callable[[Link], Awaitable[Loaded]]) -> BrokenLink | None:
    """Do the same with an async loader."""
    walk = _walk(version, to_the_end=False)
    try:
        link = next(walk)
        while True:
            link = walk.send(await load(link))
    except StopIteration as done:
        traced: list[TracedLink] = done.value
        return traced[-1].broken


def trace_chain(version: Version, load: Callable[[Link], Loaded]) -> list[TracedLink]:
    """Walk all parents, nearest first, to the end whatever is broken; the version itself comes first."""
    return _run(_walk(version, to_the_end=True), load)


def _run(walk: Generator[Link, Loaded, list[TracedLink]], load: Callable[[Link], Loaded]) -> list[TracedLink]:
    try:
        link = next(walk)
        while True:
            link = walk.send(load(link))
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def _walk(version: Version, *, to_the_end: bool) -> Generator[Link, Loaded, list[TracedLink]]:
    """Load each digest once, judge it in every role it has; stop after the first broken link unless asked to go on."""
    problem = _own_problem(version)
    traced = [TracedLink("", version.digest, LinkState.Mismatch if problem else LinkState.Present, problem, version)]
    todo: deque[tuple[str, Version]] = deque([("", version)])
    known: dict[str, Loaded] = {version.digest: version}
    while todo and (to_the_end or traced[-1].broken is None):
        prefix, child = todo.popleft()
        for role, digest in sorted(child.provenance.parents.items()):
            link = Link(f"{prefix}{role}", role, digest, child)
            is_repeated = digest in known
            if not is_repeated:
                known[digest] = yield link
            loaded = known[digest]
            traced.append(_judge(link, loaded, is_repeated=is_repeated))
            if traced[-1].broken and not to_the_end:
                return traced
            if isinstance(loaded, Version) and traced[-1].version and not is_repeated:
                todo.append((f"{link.path}/", loaded))
    return traced


def _judge(link: Link, loaded: Loaded, *, is_repeated: bool) -> TracedLink:
    """Say how a loaded parent is."""

    def found(state: LinkState, problem: str = "", version: Version | None = None) -> TracedLink:
        return TracedLink(link.path, link.digest, state, problem, version, is_repeated)

    if loaded is None or loaded is LinkState.Missing:
        return found(LinkState.Missing, "it is in no registry, and no tombstone says why")
    if isinstance(loaded, Damaged):
        return found(LinkState.Mismatch, loaded.problem)
    if isinstance(loaded, LinkState):
        return found(loaded, "what is there is not what the digest says" if loaded is LinkState.Mismatch else "")
    problem = _own_problem(loaded)
    if loaded.digest != link.digest:
        problem = f"what was found is {loaded.digest}"
    expected = kind_of_role(link.role)
    if expected is not None and loaded.provenance.kind != expected:
        problem = f"a parent in this role must be a {expected}, and it is a {loaded.provenance.kind}"
    return found(LinkState.Mismatch, problem) if problem else found(LinkState.Present, version=loaded)


def _own_problem(version: Version) -> str:
    provenance = version.provenance
    computed = inputs_hash(kind=provenance.kind, spec=provenance.spec, parents=provenance.parents)
    return "" if computed == provenance.inputs_hash else f"it says inputs hash {provenance.inputs_hash}, and its inputs have {computed}"

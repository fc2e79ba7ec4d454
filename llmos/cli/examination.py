"""Looking at everything an object's version stands on: every version of its chain and every payload of those, with its state.

Must not: know how it is shown. The first broken link, nearest to the object first, is the verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass

from llmos.artifacts import BrokenLink, Damaged, LinkState, PayloadReport, Registry, TracedLink, Version, is_digest, trace_chain
from llmos.cli.lineage import Lineage, version_digest
from llmos.cli.targets import Target
from llmos.errors import ConfigError, DependencyNotReady
from llmos.local.kubectl import Document

__all__ = ["ExaminedLink", "Root", "examine", "find_roots", "first_broken", "payload_name"]


@dataclass(frozen=True, slots=True)
class Root:
    """A version to verify: what it is called, and the object it is of."""

    role: str
    target: Target
    digest: str


@dataclass(frozen=True, slots=True)
class ExaminedLink:
    """One version of a chain with its payloads."""

    link: TracedLink
    repository: str
    payloads: tuple[PayloadReport, ...] = ()

    @property
    def broken(self) -> BrokenLink | None:
        """The version itself or the first of its payloads, if broken."""
        if self.link.broken:
            return self.link.broken
        bad = next((item for item in self.payloads if item.state.is_broken), None)
        if bad is None:
            return None
        where = self.link.path or "itself"
        return BrokenLink(f"{where}, payload {payload_name(bad)}", bad.payload.digest, bad.state, bad.problem)


def find_roots(document: Document, digest: str = "") -> list[Root]:
    """Return the versions an object stands on: its own, or those a service was resolved to.

    Raises: DependencyNotReady if it has none yet; ConfigError for a digest that is none, or of a service.
    """
    kind, name = document["kind"], document["metadata"]["name"]
    if digest and (not is_digest(digest) or kind == "InferenceService"):
        remedy = "verify the Model itself" if is_digest(digest) else "it must be sha256: and 64 lower-case hex digits"
        raise ConfigError(f"--digest {digest} is no version of {kind} {name}; {remedy}", reason="InvalidArgument")
    if kind == "InferenceService":
        resolved = (document.get("status") or {}).get("resolved", [])
        roots = [Root(item["role"], Target(item["kind"], item["name"]), item["digest"]) for item in resolved]
    else:
        found = digest or version_digest(document)
        roots = [Root("", Target(kind, name), found)] if found else []
    if not roots:
        conditions = (document.get("status") or {}).get("conditions", [])
        why = next(
            (f"{item['reason']}: {item['message']}" for item in conditions if item["type"] == "Ready"), "the operator has not seen it"
        )
        raise DependencyNotReady(f"{kind} {name} has no version to verify yet ({why})", reason="DependencyNotReady")
    return roots


def examine(registry: Registry, lineage: Lineage, root: Root, *, deep: bool, tell: Callable[[str], None]) -> list[ExaminedLink]:
    """Trace a chain and look at the payloads of every version in it."""
    found = lineage.find(root.target.kind, root.digest, preferred=root.target.name)
    if not isinstance(found, Version):
        return [ExaminedLink(_unread_root(root, found), str(lineage.found_in.get(root.digest, "")))]
    done = 0

    def count(read: int) -> None:
        nonlocal done
        done += read
        tell(f"{done / 1e6:,.0f} MB read")

    examined = []
    for link in trace_chain(found, lineage.load):
        repository = lineage.found_in.get(link.digest)
        payloads: list[PayloadReport] = []
        if link.version and repository and not link.is_repeated:
            for payload in link.version.provenance.payloads:
                payloads.append(registry.examine_payload(repository, payload, deep=deep, on_bytes=count))
        examined.append(ExaminedLink(link, str(repository or ""), tuple(payloads)))
    return examined


def _unread_root(root: Root, found: Damaged | LinkState | None) -> TracedLink:
    if isinstance(found, Damaged):
        return TracedLink("", root.digest, LinkState.Mismatch, found.problem)
    state = found or LinkState.Missing
    return TracedLink("", root.digest, state, "it is in no registry, and no tombstone says why" if state is LinkState.Missing else "")


def first_broken(links: list[ExaminedLink]) -> BrokenLink | None:
    """Return the first broken link, nearest to the object first."""
    return next((item.broken for item in links if item.broken), None)


def payload_name(report: PayloadReport) -> str:
    """Return what people call a payload: `onnx Float32`."""
    return " ".join([report.payload.role, *([precision] if (precision := report.payload.attributes.get("precision")) else [])])

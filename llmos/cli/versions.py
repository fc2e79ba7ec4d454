"""`llmos versions KIND/NAME`: every version of an object that the registry has, and what each was worth."""

from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from llmos.artifacts import LinkState, PayloadReport, Registry, Repository, Version
from llmos.cli import options
from llmos.cli.installation import Overrides, open_store_of
from llmos.cli.lineage import version_digest
from llmos.cli.targets import TargetArgument, get_object, parse_target
from llmos.errors import PermanentError
from llmos.local.cluster import existing
from llmos.local.kubectl import Document

__all__ = ["FoundVersion", "find_versions", "versions"]

_TAG = "in-"
_HEADLINES = ("accuracy", "macroF1", "f1", "entities")


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """A version in the registry."""

    tag: str
    version: Version | None
    """None: what stands under the tag cannot be believed."""

    problem: str = ""
    payloads: tuple[PayloadReport, ...] = ()

    @property
    def state(self) -> str:
        """The worst state of its payloads."""
        if self.version is None:
            return str(LinkState.Mismatch)
        order = [LinkState.Mismatch, LinkState.Missing, LinkState.Forgotten, LinkState.Pruned, LinkState.Present]
        return str(min((item.state for item in self.payloads), key=order.index, default=LinkState.Present))


def versions(
    target: TargetArgument,
    namespace: options.Namespace = "",
    registry: options.RegistryPath = "",
    plain_http: options.PlainHttp = None,
    ca_file: options.CaFile = None,
    credentials_file: options.CredentialsFile = None,
) -> None:
    """List all versions of an object that the registry has, the present one marked."""
    kubectl = existing().kubectl(namespace or None)
    wanted = parse_target(target, "Model", "KnowledgeBase", "TrainingJob", purpose="listed")
    document = get_object(kubectl, wanted)
    overrides, where = Overrides(registry, plain_http, ca_file, credentials_file), document["metadata"]["namespace"]
    with open_store_of(kubectl, document, overrides) as store:
        found = find_versions(store.registry, store.root.child(where, wanted.kind.lower(), wanted.name))
    console = options.result_console()
    console.print(_table(document, found))
    for item in found:
        if item.problem:
            console.print(f"[red]{escape(f'{item.tag}: {item.problem}')}[/red]", soft_wrap=True, highlight=False)


def find_versions(registry: Registry, repository: Repository) -> list[FoundVersion]:
    """Return all versions of a repository with the state of their payloads; raises TransientError if the registry does not answer."""
    found = []
    for tag in registry.list_tags(repository):
        if not tag.startswith(_TAG):
            continue
        try:
            version = registry.find_version(repository, f"sha256:{tag.removeprefix(_TAG)}")
        except PermanentError as error:
            found.append(FoundVersion(tag, None, error.message))
            continue
        if version is not None:
            payloads = tuple(registry.examine_payload(repository, payload) for payload in version.provenance.payloads)
            found.append(FoundVersion(tag, version, payloads=payloads))
    return found


def _table(document: Document, found: list[FoundVersion]) -> Table:
    status, spec = document.get("status") or {}, document["spec"]
    times = {item["digest"]: item["time"] for item in status.get("versions") or []}
    pinned = (spec.get("version") or spec.get("snapshot") or {}).get("pinned")
    now = version_digest(document)
    table = Table("version", "since", "measured", "size", "payloads", "", box=None)
    # The latest first; what status does not remember has no time, and comes last.
    for item in sorted(found, key=lambda item: times.get(item.version.digest, "") if item.version else "", reverse=True):
        if item.version is None:
            table.add_row(f"[red]{item.tag}[/red]", "", "", "", item.state)
            continue
        digest = item.version.digest
        marks = [word for word, holds in (("present", digest == now), ("pinned", digest == pinned)) if holds]
        size = sum(report.payload.size_bytes for report in item.payloads)
        measured = _headline(item.version.measurements)
        table.add_row(digest, times.get(digest, ""), measured, f"{size / 1e6:,.1f} MB", item.state, ", ".join(marks))
    return table


def _headline(measurements: Any) -> str:
    name = next((name for name in _HEADLINES if name in measurements), None)
    return f"{name} {measurements[name]}" if name else ""

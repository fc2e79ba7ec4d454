"""`llmos kb …`: what people ask about snapshots of knowledge bases."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from llmos.cli import options
from llmos.cli.installation import Overrides, open_store_of
from llmos.cli.lineage import version_digest
from llmos.cli.targets import get_object, parse_target
from llmos.errors import DependencyNotReady, NotFoundError
from llmos.knowledge.difference import compare_snapshots, summarise_difference
from llmos.local.cluster import existing

__all__ = ["app", "diff"]

app = typer.Typer(help="Snapshots of knowledge bases.", no_args_is_help=True)

_SNAPSHOT = "A snapshot's folder, kbase/NAME for the one it has now, or kbase/NAME@DIGEST for an earlier version."


@dataclass(frozen=True, slots=True)
class _Access:
    namespace: str
    overrides: Overrides


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help=_SNAPSHOT)],
    new: Annotated[str, typer.Argument(metavar="B", help="The same, of the later one.")],
    summary: Annotated[bool, typer.Option("--summary", help="Only how many changes of each kind, and a few of each.")] = False,
    namespace: options.Namespace = "",
    registry: options.RegistryPath = "",
    plain_http: options.PlainHttp = None,
    ca_file: options.CaFile = None,
    credentials_file: options.CredentialsFile = None,
) -> None:
    """Show what B says that A does not (+), and what A says that B does not (-)."""
    access = _Access(namespace, Overrides(registry, plain_http, ca_file, credentials_file))
    with _folder_of(old, access) as before, _folder_of(new, access) as after:
        if summary:
            found = summarise_difference(before, after)
            for kind in dict.fromkeys([*found.added, *found.removed]):
                typer.echo(f"{kind}: {found.added.get(kind, 0):,} added, {found.removed.get(kind, 0):,} removed")
            for change in found.samples:
                typer.echo(str(change))
        else:
            for change in compare_snapshots(before, after):
                typer.echo(str(change))


@contextmanager
def _folder_of(text: str, access: _Access) -> Iterator[Path]:
    """Find a snapshot's folder here, or fetch it for as long as it is needed."""
    if Path(text).is_dir():
        yield Path(text)
        return
    name, _, digest = text.partition("@")
    kubectl = existing().kubectl(access.namespace or None)
    wanted = parse_target(name, "KnowledgeBase", purpose="compared; or a folder")
    document = get_object(kubectl, wanted)
    digest = digest or version_digest(document) or ""
    if not digest:
        raise DependencyNotReady(f"{wanted} has no snapshot yet; see its conditions", reason="DependencyNotReady")
    where = document["metadata"]["namespace"]
    with (
        tempfile.TemporaryDirectory(prefix="llmos-") as scratch,
        open_store_of(kubectl, document, access.overrides) as store,
    ):
        repository = store.root.child(where, "knowledgebase", wanted.name)
        payload = store.registry.get_version(repository, digest).provenance.payload("snapshot")
        if payload is None:
            raise NotFoundError(f"version {digest} of {wanted} holds no snapshot", reason="NotFound")
        yield store.registry.fetch_payload(repository, payload.digest, Path(scratch) / "snapshot")

"""`llmos verify KIND/NAME`: walk the chain of an object's version, show how every link is, and name the first that is broken."""

from typing import Annotated

import typer
from rich.markup import escape

from llmos.artifacts import BrokenLink, Registry
from llmos.cli import options
from llmos.cli.chain_view import render_chain
from llmos.cli.examination import Root, examine, find_roots, first_broken
from llmos.cli.installation import Overrides, open_store_of
from llmos.cli.lineage import Lineage
from llmos.cli.targets import KINDS, Target, get_object, parse_target
from llmos.local.cluster import existing
from llmos.local.progress import step

__all__ = ["EXIT_BROKEN", "verify"]

EXIT_BROKEN = 1


def verify(
    target: Annotated[str, typer.Argument(metavar="KIND/NAME", help="For example model/minilm, infsvc/phenotype, tjob/organ-system.")],
    namespace: options.Namespace = "",
    digest: Annotated[str, typer.Option(help="An earlier version of it, instead of the one it has now.")] = "",
    deep: Annotated[bool, typer.Option("--deep", help="Read and hash every byte, not only ask whether it is there.")] = False,
    registry: options.RegistryPath = "",
    plain_http: options.PlainHttp = None,
    ca_file: options.CaFile = None,
    credentials_file: options.CredentialsFile = None,
) -> None:
    """Walk the chain from an object's version to its roots; exit with 1 if a link is broken, or a signature asked for is not there."""
    console = options.result_console()
    kubectl = existing().kubectl(namespace or None)
    wanted = parse_target(target, *KINDS, purpose="verified")
    document = get_object(kubectl, wanted)
    roots = find_roots(document, digest)
    where = document["metadata"]["namespace"]
    broken: BrokenLink | None = None
    unsigned = ""
    overrides = Overrides(registry, plain_http, ca_file, credentials_file)
    with open_store_of(kubectl, document, overrides) as store:
        objects = kubectl.list(",".join(Target(kind, "").resource for kind in KINDS), namespace=where)
        lineage = Lineage(store.registry, store.root, where, objects)
        for root in roots:
            with step(f"verifying {root.target}") as tell:
                links = examine(store.registry, lineage, root, deep=deep, tell=tell)
            console.print(render_chain(root, links))
            broken = broken or first_broken(links)
            unsigned = unsigned or _signature_problem(store.registry, lineage, root)
    if broken:
        console.print(f"[bold red]{escape(broken.message)}[/bold red]", soft_wrap=True, highlight=False)
    if unsigned:
        console.print(f"[bold red]{escape(unsigned)}[/bold red]", soft_wrap=True, highlight=False)
    if broken or unsigned:
        raise typer.Exit(EXIT_BROKEN)


def _signature_problem(registry: Registry, lineage: Lineage, root: Root) -> str:
    """Say why a version does not count as signed, where the installation asks for signatures."""
    repository = lineage.found_in.get(root.digest)
    problem = registry.signature_problem(repository, root.digest) if repository else None
    return problem.message if problem else ""

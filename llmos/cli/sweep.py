"""`llmos sweep`: what of the registry nobody uses any more, and, if asked, its removal."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llmos.cli import options
from llmos.cli.installation import Overrides, choose_installation, list_configurations, open_store
from llmos.cli.targets import KINDS, Target
from llmos.errors import ConfigError, DependencyNotReady
from llmos.local.cluster import existing
from llmos.local.kubectl import Document, Kubectl
from llmos.local.progress import step
from llmos.retention import Fate, SweepPlan, carry_out, mark, plan_sweep, survey

__all__ = ["list_documents", "render_plan", "sweep"]

_CHILDREN = "jobs.batch,deployments.apps,configmaps"
_MANAGED_BY = "app.kubernetes.io/managed-by=llmos-operator"


def sweep(
    delete: Annotated[bool, typer.Option("--delete", help="Do it. Without this, only what would be done is shown.")] = False,
    grace_days: Annotated[
        int, typer.Option(min=0, help="How long a payload must have been unused, counted from the sweep that saw it first.")
    ] = 7,
    keep: Annotated[int, typer.Option(min=0, max=10, help="How many of the versions that a Model remembers count as used.")] = 3,
    installation: Annotated[str, typer.Option(help="namespace/release, where the cluster has more than one.")] = "",
    registry: options.RegistryPath = "",
    plain_http: options.PlainHttp = None,
    ca_file: options.CaFile = None,
    credentials_file: options.CredentialsFile = None,
) -> None:
    """Remove payloads that no object, service, reference or pin uses; their history stays, and every chain still verifies."""
    kubectl = existing().kubectl(None)
    configuration = choose_installation(list_configurations(kubectl), installation)
    identity, namespace = configuration["installationId"], configuration["installationId"].partition("/")[0]
    marks = mark(list_documents(kubectl), installation=identity, keep=keep)
    if marks.unseen:
        raise DependencyNotReady(
            f"{marks.unseen[0]} has no status yet, so nobody knows what it uses; sweep when the operator has looked at it",
            reason="DependencyNotReady",
        )
    if registry and delete:
        raise ConfigError("--registry names a mirror; a sweep deletes only in the operator's own registry", reason="InvalidArgument")
    overrides = Overrides(registry, plain_http, ca_file, credentials_file)
    console, now = options.result_console(), datetime.now(UTC)
    with open_store(kubectl, configuration, namespace, overrides) as store, step("reading the registry") as tell:
        contents, is_all = survey(store.registry, store.root, marks, installation=identity, tell=tell)
        namespaces = configuration.get("watchNamespaces") or ()
        plan = plan_sweep(contents, marks, root=store.root, now=now, grace=timedelta(days=grace_days), namespaces=namespaces)
        if delete:
            carry_out(store.registry, plan, now=now)
    render_plan(console, plan, is_all=is_all, is_done=delete)


def list_documents(kubectl: Kubectl) -> list[Document]:
    """Return all our objects with what operators have made of them; whoever sweeps must be able to read all of it."""
    kinds = ",".join(Target(kind, "").resource for kind in KINDS)
    documents: list[Document] = []
    # All namespaces, also where the installation works in a few: what another of this cluster uses is used, too.
    for query, selector in ((kinds, None), (_CHILDREN, _MANAGED_BY)):
        documents += kubectl.list(query, selector=selector, everywhere=True)
    return documents


def render_plan(console: Console, plan: SweepPlan, *, is_all: bool, is_done: bool) -> None:
    """Print what is or would be done, the untouched repositories last."""
    table = Table("repository", "payload", "", "size", "unused since", "", box=None)
    for each in plan.repositories:
        for item in each.payloads:
            if item.fate is not Fate.Kept:
                since = item.since.strftime("%Y-%m-%d %H:%M") if item.since else "now"
                table.add_row(each.repository.path, item.what, item.digest, f"{item.size_bytes / 1e6:,.1f} MB", since, str(item.fate))
    if table.row_count:
        console.print(table)
    for each in plan.repositories:
        if each.left_alone:
            console.print(
                f"[yellow]left alone:[/yellow] {escape(f'{each.repository.path}: {each.left_alone}')}", soft_wrap=True, highlight=False
            )
    if not is_all:
        console.print("[yellow]the registry shows no catalog: repositories of deleted objects were not looked at[/yellow]", soft_wrap=True)
    pruned, waiting = plan.of(Fate.Pruned), [*plan.of(Fate.Noted), *plan.of(Fate.Waiting)]
    megabytes = sum(item.size_bytes for item in pruned) / 1e6
    console.print(
        f"{plan.num_used} of {plan.num_versions} versions are used; {len(pruned)} payloads (up to {megabytes:,.1f} MB) "
        f"{'were pruned' if is_done else 'would be pruned'}, {len(waiting)} wait for their grace period to end",
        soft_wrap=True,
        highlight=False,
    )
    if pruned and is_done:
        console.print("the registry frees their space when it collects its garbage", soft_wrap=True)
    if not is_done:
        console.print("nothing was changed; --delete does it", soft_wrap=True)

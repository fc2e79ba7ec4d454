"""`llmos up | down | status | kubectl`: what the user types; the work is in llmos.local."""

import json
import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llmos.local.cluster import existing, is_current
from llmos.local.node import bring_down, bring_up, read_status
from llmos.local.progress import say
from llmos.local.settings import REGISTRY, LocalSettings

__all__ = ["PASS_THROUGH", "down", "kubectl", "status", "up"]

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Context settings of a command that hands all its arguments on."""


def up() -> None:
    """Start the local cluster, or what of it does not run."""
    if is_current():
        say("CLUSTER=current: using your cluster, starting nothing")
        return
    settings = LocalSettings.from_environment()
    bring_up(settings)
    say(f"the cluster is up: export KUBECONFIG={settings.kubeconfig}   registry: {REGISTRY}")


def down(
    purge: Annotated[bool, typer.Option("--purge", help="Also delete its state: objects, images, artifacts, volumes, keys.")] = False,
) -> None:
    """Stop the local cluster; its state stays, so that `up` brings everything back."""
    settings = LocalSettings.from_environment()
    bring_down(settings, purge=purge)
    say("the cluster is down" + (" and its state is gone" if purge else f"; its state is in {settings.state}"))


def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show each component; exit with 1 unless all are healthy."""
    settings = LocalSettings.from_environment()
    components = read_status(settings)
    healthy = all(component.problem is None for component in components)
    if as_json:
        document = {
            "healthy": healthy,
            "kubeconfig": str(settings.kubeconfig),
            "registry": REGISTRY,
            "components": [
                {
                    "name": component.name,
                    "pid": component.pid,
                    "healthy": component.problem is None,
                    "problem": component.problem,
                    "address": component.address,
                    "log": str(component.log),
                }
                for component in components
            ],
        }
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
    else:
        table = Table("component", "pid", "health", "address", box=None)
        for component in components:
            problem = component.problem
            health = "[green]healthy[/green]" if problem is None else f"[red]{escape(problem)}[/red]; its log: {component.log}"
            table.add_row(component.name, str(component.pid or "-"), health, component.address)
        Console().print(table)
    raise typer.Exit(0 if healthy else 1)


def kubectl(context: typer.Context) -> None:
    """Run kubectl against the cluster: `llmos kubectl get pods -A`."""
    client = existing().kubectl()
    # From the command line itself: the parser drops the `--` that `kubectl exec` needs.
    arguments = sys.argv[sys.argv.index(str(context.info_name)) + 1 :]
    os.execve(client.program, [*client.argv(), *arguments], dict(client.environment()))  # noqa: S606 - becomes kubectl

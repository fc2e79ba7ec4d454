"""The command itself: cluster, images, chart, example, question, checks, where to look next. Each step's work is in its own module."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from llmos.cli.demo.ask import ask, forwarded, render_answer
from llmos.cli.demo.checks import QUESTION, Check, check_demo
from llmos.cli.demo.install import chart_values, install_chart, prepare_namespace
from llmos.cli.demo.watch import KINDS, wait_until_ready
from llmos.errors import PermanentError
from llmos.local.cluster import ensure
from llmos.local.images import ensure_images
from llmos.local.kubectl import Document, Kubectl
from llmos.local.settings import source_root

__all__ = ["demo", "example_objects"]

SERVICE = "phenotype"
EXAMPLE = (
    ("Model", "minilm"),
    ("KnowledgeBase", "hpo"),
    ("TrainingJob", "organ-system"),
    ("Model", "organ-system"),
    ("InferenceService", SERVICE),
)
"""In the order in which they depend on one another."""


def demo(
    namespace: Annotated[str, typer.Option(help="Where the example goes.")] = "llmos-demo",
    question: Annotated[str, typer.Option(help="What to ask. Another question is shown but not checked.")] = QUESTION,
    timeout: Annotated[int, typer.Option(help="Seconds to wait for the example to become ready.")] = 1800,
    svg: Annotated[Path | None, typer.Option(help="Also draw what is shown into this SVG file.")] = None,
) -> None:
    """Train, export and serve the healthcare example on a real Kubernetes, ask it a question, and check the answer."""
    console = Console(record=svg is not None, width=140 if svg is not None else None)
    began = time.monotonic()
    cluster = ensure()
    with _step(console, "images"):
        images = ensure_images(cluster)
    kubectl = cluster.kubectl(namespace)
    with _step(console, "helm upgrade --install llmos charts/llmos"):
        values = chart_values(images, registry=cluster.registry, plain_http=cluster.plain_http, is_local=cluster.is_local)
        install_chart(cluster.helm(), kubectl, values)
    with _step(console, f"kubectl apply -n {namespace} -f examples/healthcare/"):
        prepare_namespace(kubectl, namespace)
        kubectl.apply(source_root() / "examples" / "healthcare")
    wait_until_ready(lambda: example_objects(kubectl), console=console, timeout_s=timeout)
    with forwarded([*kubectl.argv(), "port-forward", f"service/{SERVICE}", ":8080"], environment=kubectl.environment()) as url:
        answer = ask(url, question)
    console.print(render_answer(question, answer))
    if question == QUESTION:
        _show_checks(console, _verdicts(kubectl, answer))
    _show_next(console, namespace, kubectl, time.monotonic() - began)
    if svg is not None:
        console.save_svg(str(svg), title="llmos demo")


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    console.print(f"[green]✓[/] {escape(title)} [dim]({time.monotonic() - began:.1f} s)[/]", highlight=False)


def example_objects(kubectl: Kubectl) -> list[Document]:
    """The example's objects; others in the namespace are none of the demo's business, whatever state they are in."""
    listed = kubectl.list(",".join(f"{kind.lower()}s.llmos.dev" for kind in KINDS))
    found = {(item["kind"], item["metadata"]["name"]): item for item in listed}
    return [found[key] for key in EXAMPLE if key in found]


def _verdicts(kubectl: Kubectl, answer: dict[str, Any]) -> list[Check]:
    objects = {(item["kind"], item["metadata"]["name"]): item for item in example_objects(kubectl)}
    return check_demo(
        answer=answer,
        training=objects["TrainingJob", "organ-system"],
        model=objects["Model", "organ-system"],
        knowledge=objects["KnowledgeBase", "hpo"],
    )


def _show_checks(console: Console, checks: list[Check]) -> None:
    for check in checks:
        console.print(
            f"[green]✓[/] {check.title} [dim]({escape(check.found)})[/]" if check.ok else f"[red]✗ {check.title}[/]: {escape(check.found)}",
            highlight=False,
            soft_wrap=True,
        )
    failed = [check for check in checks if not check.ok]
    if failed:
        raise PermanentError(
            f"{len(failed)} of {len(checks)} checks failed, the first: {failed[0].title}: {failed[0].found}", reason="CheckFailed"
        )


def _show_next(console: Console, namespace: str, kubectl: Kubectl, elapsed_s: float) -> None:
    console.print(f"\nDone in {elapsed_s:.0f} s. Where to look next:", style="bold")
    program = _own_command()
    for command, why in (
        (f"export KUBECONFIG={kubectl.kubeconfig}", "this cluster, for kubectl, helm and you"),
        (f"{program} kubectl get llmos -n {namespace}", "the five objects"),
        (f"{program} kubectl describe trainingjob organ-system -n {namespace}", "what was measured, and the digests it stands on"),
        (f"{program} kubectl explain inferenceservice.spec", "every field, explained"),
        (f'{program} demo --question "…" --namespace {namespace}', "ask something else"),
        ("make down", "stop the cluster; it keeps its state"),
    ):
        console.print(f"  [cyan]{escape(command)}[/]  [dim]{why}[/]", highlight=False, soft_wrap=True)


def _own_command() -> str:
    """Return what to type for this command: `make` runs it from .venv, which is rarely on the PATH."""
    return "llmos" if shutil.which("llmos") == str(Path(sys.argv[0]).resolve()) else os.path.relpath(sys.argv[0])

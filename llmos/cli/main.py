"""The `llmos` command: puts the sub-commands together and turns our errors into one line and an exit code. Holds no logic of its own."""

import sys

import typer
from rich.markup import escape

from llmos.cli import card, cluster, evaluation, images, knowledge, retry, sweep, verify, versions
from llmos.cli.demo import demo
from llmos.errors import LlmosError
from llmos.local.progress import console

__all__ = ["app", "main"]

app = typer.Typer(
    name="llmos",
    help="LLMOS: language models with what the organisation knows, on Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

# One line a command; add yours here.
app.command("up")(cluster.up)
app.command("down")(cluster.down)
app.command("status")(cluster.status)
app.command("kubectl", context_settings=cluster.PASS_THROUGH)(cluster.kubectl)
app.command("images")(images.images)
app.command("demo")(demo)
app.command("retry")(retry.retry)
app.command("card")(card.card)
app.command("sweep")(sweep.sweep)
app.command("verify")(verify.verify)
app.command("versions")(versions.versions)
app.command("eval")(evaluation.evaluate)
app.add_typer(knowledge.app, name="kb")


def main() -> None:
    """Run a command; a failure of ours is a sentence on stderr, not a traceback."""
    try:
        app()
    except LlmosError as error:
        console.print(f"[bold red]error:[/bold red] {escape(error.message)}", markup=True, soft_wrap=True)
        sys.exit(error.exit_code)

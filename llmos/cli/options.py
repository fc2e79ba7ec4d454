"""What commands about artifacts have in common: their options, and where their results go."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["CaFile", "CredentialsFile", "Namespace", "PlainHttp", "RegistryPath", "result_console"]

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Where it is; the current one if not given.")]
RegistryPath = Annotated[str, typer.Option(help="host/path of the artifacts, instead of what the operator's configuration says.")]
PlainHttp = Annotated[bool | None, typer.Option("--plain-http/--tls", help="How to speak to it.", show_default=False)]
CaFile = Annotated[Path | None, typer.Option(help="PEM of the authority that signed its certificate.")]
CredentialsFile = Annotated[Path | None, typer.Option(help="A docker config.json.")]


def result_console() -> Console:
    """Return the console for a command's result, on stdout."""
    # Without a terminal nothing is known of a width: digests must come out whole.
    return Console() if sys.stdout.isatty() else Console(width=240)

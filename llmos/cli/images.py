"""`llmos images`: build what changed, push it, show what is where."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from llmos.local.cluster import ensure
from llmos.local.images import IMAGES, build_images
from llmos.local.settings import LocalSettings

__all__ = ["images"]


def images(
    names: Annotated[list[str] | None, typer.Argument(help=f"Some of: {', '.join(IMAGES)}; all if none is named.")] = None,
    registry: Annotated[str, typer.Option(help="Push to this registry (host[:port]) instead of the cluster's.")] = "",
    plain_http: Annotated[bool, typer.Option(help="With --registry: it speaks HTTP without TLS.")] = False,
) -> None:
    """Build our images and push them; what is unchanged is left alone."""
    if registry:
        target, is_plain = registry, plain_http
    else:
        cluster = ensure()
        target, is_plain = cluster.registry, cluster.plain_http
    table = Table("image", "tag", "reference", "", box=None)
    for image in build_images(LocalSettings.from_environment(), target, names=names or IMAGES, plain_http=is_plain):
        table.add_row(image.name, image.tag, image.reference, "built" if image.was_built else "unchanged")
    Console(width=160).print(table)

"""Watching what the operator makes, and the pods below it: the owner's key goes on from here."""

from typing import Any

import kopf

from llmos_operator.handlers.intake import Intake
from llmos_operator.names import CHILD_KINDS, MANAGED_BY, RESOURCES, ApiResource

__all__ = ["WATCHED", "register"]

WATCHED = tuple(RESOURCES[kind] for kind in (*CHILD_KINDS, "Pod"))


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Register every watched kind; the same label is asked of the API server (see `main`), so that others' objects are never sent."""
    for resource in WATCHED:
        _register(registry, intake, resource)


def _register(registry: kopf.OperatorRegistry, intake: Intake, resource: ApiResource) -> None:
    where = (resource.group, resource.version, resource.plural)

    @kopf.index(*where, id=resource.plural, labels=MANAGED_BY, registry=registry)
    async def remember(body: Any, **_: Any) -> None:
        intake.remember(body)

    @kopf.on.event(*where, id=f"{resource.plural}-event", labels=MANAGED_BY, registry=registry)
    async def happened(event: Any, **_: Any) -> None:
        intake.happened(event)

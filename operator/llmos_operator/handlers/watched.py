"""What is watched, and kopf's decorators on it: our four kinds, what the operator makes of them, and the pods below that."""

from typing import Any

import kopf

from llmos_operator.handlers.intake import Intake
from llmos_operator.names import CHILD_KINDS, CUSTOM_KINDS, MANAGED_BY, RESOURCES, ApiResource

__all__ = ["WATCHED_BY_LABEL", "register"]

WATCHED_BY_LABEL = tuple(RESOURCES[kind] for kind in (*CHILD_KINDS, "Pod"))
"""Kinds that others have, too; the same label is asked of the API server (see `watching`), so that theirs are never sent."""


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Register, for every watched kind, an index that fills the memory and an event handler that enqueues."""
    for kind in CUSTOM_KINDS:
        _register(registry, intake, RESOURCES[kind], labels=None)
    for resource in WATCHED_BY_LABEL:
        _register(registry, intake, resource, labels=MANAGED_BY)


def _register(registry: kopf.OperatorRegistry, intake: Intake, resource: ApiResource, *, labels: Any) -> None:
    where = (resource.group, resource.version, resource.plural)

    @kopf.index(*where, id=resource.plural, labels=labels, registry=registry)
    async def remember(body: Any, **_: Any) -> None:
        intake.remember(body)

    @kopf.on.event(*where, id=f"{resource.plural}-event", labels=labels, registry=registry)
    async def happened(event: Any, **_: Any) -> None:
        intake.happened(event)

"""Watching `InferenceService`: nothing but its key goes on from here."""

from typing import Any

import kopf

from llmos_operator.handlers.intake import Intake
from llmos_operator.names import GROUP, VERSION

__all__ = ["register"]


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Register the index that fills the memory and the event handler that enqueues."""

    @kopf.index(GROUP, VERSION, "inferenceservices", id="inferenceservices", registry=registry)
    async def remember(body: Any, **_: Any) -> None:
        intake.remember(body)

    @kopf.on.event(GROUP, VERSION, "inferenceservices", id="inferenceservices-event", registry=registry)
    async def happened(event: Any, **_: Any) -> None:
        intake.happened(event)

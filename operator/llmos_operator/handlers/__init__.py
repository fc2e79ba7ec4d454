"""kopf's decorators and nothing else: each handler puts a key into the queue. Importing this package registers nothing; `register` does."""

import kopf

from llmos_operator.handlers import children, inference_service, knowledge_base, model, training_job
from llmos_operator.handlers.intake import Intake

__all__ = ["Intake", "register"]


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Register all handlers."""
    for module in (model, knowledge_base, training_job, inference_service, children):
        module.register(registry, intake)

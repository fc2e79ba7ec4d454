"""kopf's decorators and nothing else: each handler puts a key into the queue. Importing this package registers nothing; `register` does."""

from llmos_operator.handlers.intake import Intake
from llmos_operator.handlers.watched import WATCHED_BY_LABEL, register

__all__ = ["WATCHED_BY_LABEL", "Intake", "register"]

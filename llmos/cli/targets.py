"""`KIND/NAME` as people type it: which object a command is about."""

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from llmos.errors import ConfigError, NotFoundError
from llmos.local.kubectl import Document, Kubectl

__all__ = ["KINDS", "Target", "TargetArgument", "get_object", "parse_target"]

TargetArgument = Annotated[str, typer.Argument(metavar="KIND/NAME", help="For example model/minilm, kbase/hpo, tjob/organ-system.")]
KINDS: Final = {
    "Model": ("model", "models", "mdl"),
    "KnowledgeBase": ("knowledgebase", "knowledgebases", "kbase"),
    "TrainingJob": ("trainingjob", "trainingjobs", "tjob"),
    "InferenceService": ("inferenceservice", "inferenceservices", "infsvc"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One custom resource."""

    kind: str
    name: str

    @property
    def resource(self) -> str:
        """What kubectl calls the kind: `models.llmos.dev`."""
        return f"{KINDS[self.kind][1]}.llmos.dev"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def parse_target(text: str, *kinds: str, purpose: str) -> Target:
    """Parse KIND/NAME, the kind by any of its names.

    Args:
        kinds: those the command takes.
        purpose: what can be done to them, for the message.

    Raises: ConfigError naming the kinds it may be.
    """
    kind, separator, name = text.partition("/")
    full = next((full for full in kinds if kind.lower() in KINDS[full]), None)
    if full is None or not separator or not name:
        choices = ", ".join(KINDS[full][0] for full in kinds)
        raise ConfigError(
            f"{text!r} names nothing that can be {purpose}; give KIND/NAME, the kind one of {choices}", reason="InvalidArgument"
        )
    return Target(full, name)


def get_object(kubectl: Kubectl, target: Target) -> Document:
    """Return an object.

    Raises: NotFoundError if there is none.
    """
    document = kubectl.get(target.resource, target.name)
    if document is None:
        where = f" in namespace {kubectl.namespace}" if kubectl.namespace else ""
        raise NotFoundError(f"{target} does not exist{where}; give its namespace with -n", reason="NotFound")
    return document

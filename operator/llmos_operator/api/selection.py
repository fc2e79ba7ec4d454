"""Which Model a service or a training run stands on, by name or by what it must be able to do; and what a Model's owner says about it.

Must not: choose; `reconcile.selection` does.
"""

from typing import Literal, Self

from pydantic import Field

from llmos.artifacts import canonical_json, digest_bytes
from llmos_operator.api.parts import Part
from llmos_operator.api.references import Reference
from llmos_operator.names import Json

__all__ = ["BaseChoice", "Choice", "ModelCard", "ModelChoice", "ModelSelector"]


class ModelCard(Part):
    """What only a person can say about a model; never part of the inputs hash."""

    languages: tuple[str, ...] = ()
    modality: str | None = None
    license: str | None = None
    description: str | None = None


class ModelSelector(Part):
    """What a Model must be able to do, and which of those that can is the best."""

    task: str
    modality: str | None = None
    language: str | None = None
    labels: tuple[str, ...] = ()
    match_labels: dict[str, str] = Field(default_factory=dict)
    maximum_size_bytes: int | None = None
    maximum_latency_milliseconds: int | None = None
    metric: str | None = None
    minimum: str | None = None
    preference: Literal["Accuracy", "Latency", "Size", "Balanced"] = "Accuracy"
    update: Literal["Automatic", "Manual"] = "Manual"

    def digest(self, precision: str | None) -> str:
        """Return what tells whether another selection was asked for than the one that was made."""
        asked: Json = {name: value for name, value in self.to_json().items() if name != "update"}
        return digest_bytes(canonical_json({"selector": asked, "precision": precision}))


class Choice(Part):
    """A Model by name or by selector: exactly one of them."""

    name: str | None = None
    digest: str | None = None
    selector: ModelSelector | None = None

    def bound(self, name: str, digest: str) -> Self:
        """Return the choice with what was selected in place of a name."""
        return self.model_copy(update={"name": name, "digest": digest})


class ModelChoice(Choice):
    """What a service serves."""

    update: Literal["Automatic", "Manual"] = "Automatic"

    def as_reference(self, role: str) -> Reference:
        """Return it with its role; without a name as long as nothing is selected."""
        return Reference(role, "Model", self.name or "", self.digest, self.update == "Manual")


class BaseChoice(Choice):
    """What a training run begins with; it stays at what it started with: a run is one run."""

    def as_reference(self, role: str) -> Reference:
        """Return it with its role; without a name as long as nothing is selected."""
        return Reference(role, "Model", self.name or "", self.digest, is_manual=True)

"""What every part of a spec is made of: frozen, camelCase outside, an unknown field refused; and references by name.

Must not: know a kind.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from llmos_operator.api.references import Reference
from llmos_operator.names import Json

__all__ = ["Followed", "Named", "Part"]


class Part(BaseModel):
    """A part of a spec."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, protected_namespaces=())

    def to_json(self) -> Json:
        """Return it in camelCase, defaults applied, absent fields absent."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class Named(Part):
    """A reference that stays where it was resolved, unless it names a digest."""

    name: str
    digest: str | None = None


class Followed(Named):
    """A reference that follows new versions, or not."""

    update: Literal["Automatic", "Manual"] = "Automatic"

    def as_reference(self, role: str, kind: str) -> Reference:
        """Return it with its role."""
        return Reference(role, kind, self.name, self.digest, self.update == "Manual")

"""What every parsed spec of a workload is made of: camelCase outside, nothing unknown, nothing changed after parsing.

Must not: know a kind.
"""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["SpecPart"]


class SpecPart(BaseModel):
    """Camel-case in the document, snake-case here; nothing unknown, nothing changed after parsing."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

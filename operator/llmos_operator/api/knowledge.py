"""What a KnowledgeBase is made of: its sources with their files, how names are found, which entities are one, and its rules.

Owns: the shape of these parts, and which of them decide the content. Must not: read a source or check a rule; the build does.
"""

from typing import Annotated, Literal

from pydantic import Field

from llmos_operator.api.formats import SourceFile
from llmos_operator.api.parts import Part
from llmos_operator.api.sources import KnowledgePlace
from llmos_operator.names import Json

__all__ = ["Entities", "KnowledgeRule", "KnowledgeSource", "Linking"]


class KnowledgeSource(KnowledgePlace):
    """Where facts come from, and the files to read."""

    files: tuple[SourceFile, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Which files are read of it."""
        return tuple(file.path for file in self.files)


class SoftLinking(Part):
    """How parts of a text are matched that are no name."""

    mode: Literal["CharacterNgram", "Off"]
    minimum_score_percent: int = 55
    maximum_candidates: int = 3


class Linking(Part):
    """Which names are looked for in text."""

    languages: tuple[str, ...] = ("en",)
    minimum_name_characters: int = 3
    soft: SoftLinking | None = None

    def hashed(self) -> Json:
        """Return what decides the content; soft matching that is off is none."""
        is_off = self.soft is None or self.soft.mode == "Off"
        return self.model_copy(update={"soft": None}).to_json() if is_off else self.to_json()


class MergeRule(Part):
    """One way to tell that two entities are one."""

    attribute: str | None = None
    fact: str | None = None
    name: Literal["Preferred", "Exact"] | None = None
    kinds: tuple[str, ...] | None = None


class Entities(Part):
    """Which identifiers of different sources mean one entity."""

    merge_by: tuple[MergeRule, ...]
    prefer_sources: tuple[str, ...] | None = None


class RuleConfidence(Part):
    """How sure a rule makes its conclusion."""

    times: str | None = None
    limit: str | None = None


class KnowledgeRule(Part):
    """What follows from facts. The build parses and checks it."""

    name: str
    conditions: Annotated[tuple[str, ...], Field(alias="if")]
    unless: tuple[str, ...] | None = None
    then: str
    because: str
    confidence: RuleConfidence | None = None
    unknown: str | None = None

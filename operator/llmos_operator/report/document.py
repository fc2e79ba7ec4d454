"""The body of a report, checked: the one place where something a pod wrote becomes a value.

Must not: let text of unbounded length or an unexpected field through; it ends up in status.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmos_operator.names import Json
from llmos_operator.status.conditions import format_time

__all__ = ["Report", "parse_report"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedObject(_Part):
    """Whom the pod says it works for."""

    kind: str = Field(max_length=63)
    namespace: str = Field(max_length=63)
    name: str = Field(max_length=253)
    uid: str = Field(max_length=63)


class ActiveSnapshot(_Part):
    """A snapshot a pod answers with."""

    name: str = Field(max_length=63)
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    partitions: tuple[Annotated[str, Field(max_length=63)], ...] = Field(default=(), max_length=32)


class Active(_Part):
    """What an inference pod serves."""

    knowledge: tuple[ActiveSnapshot, ...] = Field(default=(), max_length=16)
    model: str = Field(default="", max_length=80)


class ReportedPlan(_Part):
    """What the work will take; as in the CRD."""

    parameters: int = Field(ge=0, lt=1 << 62)
    memoryBytes: int = Field(ge=0, lt=1 << 62)
    scratchBytes: int = Field(ge=0, lt=1 << 62)
    seconds: int = Field(ge=0, lt=1 << 31)
    missing: tuple[Annotated[str, Field(max_length=512)], ...] = Field(default=(), max_length=8)


class Report(_Part):
    """One report: progress, or what is active."""

    object: ReportedObject
    phase: str | None = Field(default=None, pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")
    percent: int | None = Field(default=None, ge=0, le=100)
    message: str = Field(default="", max_length=1024)
    pod: str | None = Field(default=None, max_length=253)
    active: Active | None = None
    plan: ReportedPlan | None = None
    """With progress: repeated in each report, because any of them may be lost."""

    @model_validator(mode="after")
    def _says_something(self) -> "Report":
        if (self.phase is None) == (self.active is None):
            raise ValueError("exactly one of `phase` and `active` must be there")
        if self.plan is not None and self.phase is None:
            raise ValueError("`plan` must come with `phase`")
        return self

    def progress(self, now: datetime) -> Json:
        """Return `status.progress`."""
        fields: dict[str, Any] = {"phase": self.phase, "percent": self.percent, "message": self.message or None, "time": format_time(now)}
        return {name: value for name, value in fields.items() if value is not None}

    def planned(self) -> Json | None:
        """Return `status.plan`, if there is one."""
        return self.plan.model_dump(mode="json", exclude_defaults=True) if self.plan else None


def parse_report(body: bytes) -> Report | str:
    """Return the report, or what is wrong with it."""
    try:
        return Report.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return f"{field or 'the document'}: {first['msg']}"

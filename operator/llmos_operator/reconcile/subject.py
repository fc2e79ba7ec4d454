"""The custom resource a pass is about, without its spec: identity, annotations, last status.

Pure.
"""

from dataclasses import dataclass

from llmos_operator.api import Reference
from llmos_operator.names import REQUESTED_AT_ANNOTATION, Json, ObjectKey

__all__ = ["Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Who it is."""

    key: ObjectKey
    uid: str
    generation: int
    resource_version: str
    """Of the object as it was when this pass began."""

    labels: dict[str, str]
    annotations: dict[str, str]
    status: Json

    @classmethod
    def of(cls, body: Json) -> "Subject":
        """Read it from a (slim) custom resource."""
        metadata = body["metadata"]
        return cls(
            ObjectKey.of(body),
            metadata["uid"],
            metadata.get("generation", 1),
            metadata.get("resourceVersion", ""),
            metadata.get("labels") or {},
            metadata.get("annotations") or {},
            body.get("status") or {},
        )

    @property
    def requested_at(self) -> str:
        """The value of the retry annotation."""
        return self.annotations.get(REQUESTED_AT_ANNOTATION, "")

    @property
    def is_asked_again(self) -> bool:
        """Whether the retry annotation has a value that no Job was started for yet."""
        return bool(self.requested_at) and self.requested_at != (self.status.get("job") or {}).get("requestedAt", "")

    @property
    def conditions(self) -> list[Json]:
        """The conditions as last written."""
        return self.status.get("conditions") or []

    def resolved_digest(self, reference: Reference) -> str | None:
        """Return what this reference was resolved to last; a role that now names another object was not resolved yet."""
        wanted = (reference.role, reference.kind, reference.name)
        for item in self.status.get("resolved") or []:
            if (item.get("role"), item.get("kind"), item.get("name")) == wanted:
                return str(item["digest"])
        return None

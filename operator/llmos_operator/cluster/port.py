"""What the operator asks of a cluster, and how it fails: dicts in, dicts out.

Must not: import a client. Every error carries the object it was about, so that a log line or a condition never has to guess.

    ClusterError                 status, key
    ├── ClusterUnavailable       time-outs, connection errors, 409, 429, 5xx: try again
    ├── ClusterRefused           400, 401, 403, 413, 422: the API server will say the same again until something changes
    └── ObjectExists             create found an object of this name
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from llmos.errors import LlmosError, TransientError
from llmos_operator.names import Json, ObjectKey

__all__ = ["ClusterClient", "ClusterError", "ClusterRefused", "ClusterUnavailable", "ObjectExists", "TokenIdentity", "refusal_reason"]


class ClusterError(LlmosError):
    """A call to the API server failed."""

    def __init__(self, message: str, *, reason: str, key: ObjectKey, status: int = 0) -> None:
        super().__init__(f"{key}: {message}", reason=reason)
        self.key = key
        self.status = status


class ClusterUnavailable(ClusterError, TransientError):
    """Trying again is the remedy."""


class ClusterRefused(ClusterError):
    """The API server will say the same again until somebody changes something."""


class ObjectExists(ClusterError):
    """There is an object of this name already."""


def refusal_reason(status: int, message: str) -> str:
    """Return the condition's reason for what the API server refused."""
    if "exceeded quota" in message:
        return "QuotaExceeded"
    if "violates PodSecurity" in message:
        return "PodSecurityViolation"
    return "Forbidden" if status in (401, 403) else "InvalidSpec"


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """Whose token it is, as the API server says."""

    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str


class ClusterClient(Protocol):
    """The port. All calls raise ClusterError only."""

    async def get(self, key: ObjectKey, /) -> Json | None:
        """Return the object, or None."""

    async def create(self, body: Json, /) -> Json:
        """Create it.

        Raises: ObjectExists if there is one of this name.
        """

    async def apply(self, body: Json, /) -> Json:
        """Apply the whole body with server-side apply and force, as field manager `llmos-operator`."""

    async def patch(self, key: ObjectKey, /, body: Json) -> Json | None:
        """Merge-patch the object; None if it is gone."""

    async def patch_status(self, key: ObjectKey, /, body: Json) -> Json | None:
        """Merge-patch the status subresource; None if the object is gone."""

    async def delete(self, key: ObjectKey, /, *, uid: str) -> None:
        """Delete this very object and what it owns, in the background; it being gone is fine."""

    async def list_identities(self, kind: str, /, namespace: str, *, labels: Mapping[str, str]) -> dict[ObjectKey, str]:
        """Return name → uid of all objects of a kind (in a namespace, or in all if it is empty), metadata only."""

    async def list_events(self, namespace: str, /, uid: str, *, limit: int) -> list[Json]:
        """Return some Events about the object with this uid."""

    async def review_token(self, token: str, /, *, audience: str) -> TokenIdentity | None:
        """Return whose token this is, or None if it is not valid for the audience or not a pod's."""

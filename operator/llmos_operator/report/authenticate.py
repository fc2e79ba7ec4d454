"""Who sends a report: a TokenReview (cached) names the pod, and the pod must be controlled by a current child of the object it speaks for.

Must not: trust anything in the body. A token is kept only as its digest. Whether its pod still works for the object is looked up each time,
so that a pod that is gone is refused at once.
"""

import base64
import hashlib
import json
from dataclasses import dataclass

from llmos_operator.clock import Clock
from llmos_operator.cluster import Cache, ClusterClient, TokenIdentity
from llmos_operator.names import REPORT_AUDIENCE, Json, ObjectKey

__all__ = ["Authenticator", "Sender"]

KEPT_S = 600.0
"""How long a reviewed token is believed at most; it lives ten minutes, and is believed until shortly before its end."""
UNDATED_KEPT_S = 60.0
"""How long one is believed that does not say when it ends."""
EARLY_S = 10.0
REFUSED_KEPT_S = 10.0
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Sender:
    """A pod that was recognised."""

    pod: str
    owner: ObjectKey
    owner_uid: str


class Authenticator:
    """Turns a bearer token into a sender."""

    def __init__(self, client: ClusterClient, cache: Cache, clock: Clock) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._known: dict[bytes, tuple[float, TokenIdentity | None]] = {}

    async def identify(self, token: str) -> TokenIdentity | None:
        """Return whose token it is, or None.

        Raises: ClusterError if the API server does not answer.
        """
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock.monotonic()
        known = self._known.get(digest)
        if known and known[0] > now:
            return known[1]
        identity = await self._client.review_token(token, audience=REPORT_AUDIENCE)
        if len(self._known) >= _REMEMBERED:
            self._known = {key: value for key, value in self._known.items() if value[0] > now}
        if len(self._known) < _REMEMBERED:
            self._known[digest] = (now + (self._lifetime_s(token) if identity else REFUSED_KEPT_S), identity)
        return identity

    def _lifetime_s(self, token: str) -> float:
        """Return how long a token that the API server has found authentic may be believed: until its own end."""
        try:
            claims = token.split(".")[1]
            expires = float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
        except (IndexError, ValueError, KeyError, TypeError):
            return UNDATED_KEPT_S
        return max(0.0, min(KEPT_S, expires - self._clock.now().timestamp() - EARLY_S))

    def recognise(self, identity: TokenIdentity) -> Sender | None:
        """Return the sender if its pod is, right now, controlled by a child of a custom resource of ours."""
        key = ObjectKey("Pod", identity.namespace, identity.pod_name)
        pod, owner = self._cache.get(key), self._cache.owner(key)
        if pod is None or owner is None or pod["metadata"]["uid"] != identity.pod_uid:
            return None
        resource = self._cache.get(owner)
        if resource is None:
            return None
        uid = resource["metadata"]["uid"]
        children = [body for kind in ("Job", "Deployment") for body in self._cache.owned(owner, uid=uid, kind=kind)]
        return Sender(identity.pod_name, owner, uid) if any(_controls(child, pod) for child in children) else None


def _controls(child: Json, pod: Json) -> bool:
    """Say whether a Job controls the pod, or a Deployment does through the ReplicaSet that bears its template's hash."""
    controller = next((item for item in pod["metadata"]["ownerReferences"] if item.get("controller")), None)
    if controller is None:
        return False
    if child["kind"] == "Job":
        return bool(controller["uid"] == child["metadata"]["uid"])
    template_hash = pod["metadata"].get("labels", {}).get("pod-template-hash", "")
    return bool(controller["kind"] == "ReplicaSet" and controller["name"] == f"{child['metadata']['name']}-{template_hash}")

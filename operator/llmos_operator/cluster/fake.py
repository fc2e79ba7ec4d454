"""An in-memory cluster behind the port, for tests: versions, uids, merge patches, ownership of applied fields, failures on request.

Must not: imitate controllers (tests set a Deployment's status themselves) or default fields. It records every request, because "zero
writes" is a promise that is tested by counting.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from llmos_operator.cluster.port import ClusterUnavailable, ObjectExists, TokenIdentity
from llmos_operator.cluster.slim import slim_child
from llmos_operator.names import Json, ObjectKey

__all__ = ["FakeCluster"]


class FakeCluster:
    """A cluster of dicts."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, Json] = {}
        self.requests: list[tuple[str, ObjectKey]] = []
        self.failures: list[tuple[str, str, Exception]] = []
        """(verb, kind, error): raised once each, in this order, by the first matching request."""
        self.events: dict[str, list[Json]] = {}
        self.created_at = "2026-01-01T12:00:00Z"
        """When whatever is created was created."""
        self.tokens: dict[str, TokenIdentity] = {}
        self.watcher: Callable[[str, Json], None] = lambda _type, _body: None
        """Called with ADDED, MODIFIED or DELETED, as a watch would be."""
        self._applied: dict[ObjectKey, Json] = {}
        self._version = 0

    @property
    def writes(self) -> list[tuple[str, ObjectKey]]:
        """The requests that change something."""
        return [request for request in self.requests if request[0] not in ("get", "list")]

    def put(self, body: Json) -> Json:
        """Set an object as somebody else would: no request is recorded; missing uid and version are given."""
        key = ObjectKey.of(body)
        existed = key in self.objects
        stored = copy.deepcopy(body)
        stored["metadata"].setdefault("uid", f"uid-{key.kind}-{key.name}".lower())
        return self._store("MODIFIED" if existed else "ADDED", stored)

    def change(self, key: ObjectKey, **fields: Any) -> Json:
        """Replace top-level fields of an object as a controller or a user would; a new spec is a new generation."""
        body = copy.deepcopy(self.objects[key])
        if fields.get("spec", body.get("spec")) != body.get("spec"):
            body["metadata"]["generation"] = body["metadata"].get("generation", 1) + 1
        return self._store("MODIFIED", {**body, **fields})

    def remove(self, key: ObjectKey) -> None:
        """Delete an object as somebody else would."""
        self.watcher("DELETED", self.objects.pop(key))
        self._applied.pop(key, None)

    async def get(self, key: ObjectKey) -> Json | None:
        """Return the object, or None."""
        self._request("get", key)
        return copy.deepcopy(self.objects.get(key))

    async def create(self, body: Json) -> Json:
        """Create it, or raise ObjectExists."""
        key = ObjectKey.of(body)
        self._request("create", key)
        if key in self.objects:
            raise ObjectExists("there is an object of this name already", reason="NameConflict", key=key, status=409)
        self._version += 1
        stored = copy.deepcopy(body)
        stored["metadata"].update({"uid": f"uid-{self._version}", "generation": 1, "creationTimestamp": self.created_at})
        self._applied[key] = copy.deepcopy(body)
        return self._store("ADDED", stored)

    async def apply(self, body: Json) -> Json:
        """Merge the body in; what was applied before and is not any more goes."""
        key = ObjectKey.of(body)
        self._request("apply", key)
        if key not in self.objects:
            return await self.create(body)
        live = copy.deepcopy(self.objects[key])
        stored = _merged(_without(live, self._applied.get(key, {}), body), body)
        if stored.get("spec") != live.get("spec"):
            stored["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        if _has_other_owner_of_replicas(live) and "replicas" in live["spec"]:
            # No field goes that somebody else holds, too. It is the one field of ours that can have another owner.
            stored["spec"].setdefault("replicas", live["spec"]["replicas"])
        self._applied[key] = copy.deepcopy(body)
        return self._store("MODIFIED", stored)

    async def patch(self, key: ObjectKey, body: Json) -> Json | None:
        """Merge-patch the object."""
        self._request("patch", key)
        live = self.objects.get(key)
        return None if live is None else self._store("MODIFIED", _merge_patched(live, body))

    async def patch_status(self, key: ObjectKey, body: Json) -> Json | None:
        """Merge-patch the status."""
        self._request("patch_status", key)
        live = self.objects.get(key)
        if live is None:
            return None
        # The API server looks at the version alone; all other metadata in a patch of a custom resource's status is dropped.
        if body.get("metadata", {}).get("resourceVersion", live["metadata"]["resourceVersion"]) != live["metadata"]["resourceVersion"]:
            raise ClusterUnavailable("the object has been modified", reason="ApiUnavailable", key=key, status=409)
        return self._store("MODIFIED", _merge_patched(live, {"status": body["status"]}))

    async def delete(self, key: ObjectKey, *, uid: str) -> None:
        """Delete it, if it is this very object."""
        self._request("delete", key)
        live = self.objects.get(key)
        if live and live["metadata"]["uid"] == uid:
            self.remove(key)

    async def list_identities(self, kind: str, namespace: str, *, labels: Mapping[str, str]) -> dict[ObjectKey, str]:
        """Return the uids of what there is."""
        self._request("list", ObjectKey(kind, namespace, ""))
        found = {key: body["metadata"] for key, body in self.objects.items() if key.kind == kind and namespace in ("", key.namespace)}
        return {key: metadata["uid"] for key, metadata in found.items() if labels.items() <= metadata.get("labels", {}).items()}

    async def list_events(self, namespace: str, uid: str, *, limit: int) -> list[Json]:
        """Return the Events a test has set for this uid."""
        self._request("list", ObjectKey("Event", namespace, uid))
        return self.events.get(uid, [])[:limit]

    async def review_token(self, token: str, *, audience: str) -> TokenIdentity | None:
        """Return the identity a test has set for this token."""
        self._request("create", ObjectKey("TokenReview", "", audience))
        return self.tokens.get(token)

    def _request(self, verb: str, key: ObjectKey) -> None:
        self.requests.append((verb, key))
        for index, (wanted, kind, error) in enumerate(self.failures):
            if wanted == verb and kind == key.kind:
                del self.failures[index]
                raise error

    def _store(self, change: str, body: Json) -> Json:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.objects[ObjectKey.of(body)] = body
        self.watcher(change, copy.deepcopy(body))
        return copy.deepcopy(body)


def _has_other_owner_of_replicas(live: Json) -> bool:
    return bool(slim_child(live).get("replicasManagedElsewhere"))


def _merged(live: Any, wanted: Any) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict):
        atomic = ("selector", "matchLabels", "podSelector")
        return {**live, **{name: value if name in atomic else _merged(live.get(name), value) for name, value in wanted.items()}}
    return copy.deepcopy(wanted)


def _without(live: Any, before: Any, wanted: Any) -> Any:
    """Drop from `live` what we applied before and no longer want."""
    if not (isinstance(live, dict) and isinstance(before, dict) and isinstance(wanted, dict)):
        return live
    return {
        name: _without(value, before.get(name), wanted.get(name)) if name in wanted else value
        for name, value in live.items()
        if name in wanted or name not in before
    }


def _merge_patched(live: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(live) if isinstance(live, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge_patched(result.get(name), value)
    return result

"""What the watches said, in memory: custom resources, their children, their pods, and who refers to whom.

Owns: the indexes reconcile reads instead of the API. Must not: do I/O or decide. Answers of our own writes go in too (read your own
writes), and an event older than what is here is dropped: otherwise a reconcile between a write and its event would write twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from llmos_operator.api import references_of
from llmos_operator.cluster.slim import pack, slim_child, slim_custom_resource, slim_pod, unpack
from llmos_operator.names import API_VERSION, CUSTOM_KINDS, Json, ObjectKey, kind_label

__all__ = ["Cache", "owner_of"]

_DELETED_REMEMBERED = 1024


def owner_of(body: Json) -> ObjectKey | None:
    """Return the custom resource that owns this child or pod, or None if it is not one of ours."""
    metadata = body["metadata"]
    for reference in metadata.get("ownerReferences", []):
        if reference.get("controller") and reference.get("apiVersion") == API_VERSION and reference.get("kind") in CUSTOM_KINDS:
            return ObjectKey(reference["kind"], metadata["namespace"], reference["name"])
    if body["kind"] == "Pod":
        for kind in CUSTOM_KINDS:
            if name := metadata.get("labels", {}).get(kind_label(kind)):
                return ObjectKey(kind, metadata["namespace"], name)
    return None


class Cache:
    """The operator's memory of the cluster."""

    def __init__(self) -> None:
        self._objects: dict[ObjectKey, bytes] = {}
        self._versions: dict[ObjectKey, tuple[str, int]] = {}
        self._owned: dict[ObjectKey, dict[ObjectKey, None]] = defaultdict(dict)
        self._owner: dict[ObjectKey, ObjectKey] = {}
        self._referrers: dict[ObjectKey, dict[ObjectKey, None]] = defaultdict(dict)
        self._references: dict[ObjectKey, tuple[ObjectKey, ...]] = {}
        self._models: dict[str, dict[ObjectKey, None]] = defaultdict(dict)
        """Namespace → its Models: what a selector looks through."""
        self._deleted: dict[str, int] = {}
        """Uid → resource version at which an object was deleted, of the latest ones: an answer that comes late must not bring it back."""

    def upsert(self, body: Json) -> None:
        """Take an object as an event or an answer brought it, unless something newer is here."""
        key = ObjectKey.of(body)
        identity = _identity(body)
        known = self._versions.get(key)
        if known and known[0] == identity[0] and known[1] >= identity[1]:
            return
        if self._deleted.get(identity[0], -1) >= identity[1]:
            return
        if key.kind in CUSTOM_KINDS:
            slim = slim_custom_resource(body)
            self._link(key, slim)
            if key.kind == "Model":
                self._models[key.namespace][key] = None
        else:
            owner = owner_of(body)
            if owner is None:
                return
            slim = slim_pod(body) if key.kind == "Pod" else slim_child(body)
            self._owner[key] = owner
            self._owned[owner][key] = None
        self._objects[key] = pack(slim)
        self._versions[key] = identity

    def remove(self, body: Json) -> None:
        """Drop an object that was deleted, unless another of its name has come since."""
        key = ObjectKey.of(body)
        uid, version = _identity(body)
        self._deleted[uid] = version
        if len(self._deleted) > _DELETED_REMEMBERED:
            del self._deleted[next(iter(self._deleted))]
        known = self._versions.get(key)
        if known is not None and known[0] == uid:
            self.discard(key)

    def discard(self, key: ObjectKey) -> None:
        """Drop whatever is known under this key."""
        self._objects.pop(key, None)
        self._versions.pop(key, None)
        if key.kind == "Model":
            self._models[key.namespace].pop(key, None)
        for target in self._references.pop(key, ()):
            self._referrers[target].pop(key, None)
            if not self._referrers[target]:
                del self._referrers[target]
        if owner := self._owner.pop(key, None):
            self._owned[owner].pop(key, None)
            if not self._owned[owner]:
                del self._owned[owner]

    def get(self, key: ObjectKey) -> Json | None:
        """Return an object, slim, or None."""
        data = self._objects.get(key)
        return unpack(data) if data is not None else None

    def owned(self, owner: ObjectKey, *, uid: str, kind: str) -> list[Json]:
        """Return the children of a kind that carry this owner's uid, by name; pods are the owner's by label."""
        found = []
        for key in sorted(self._owned.get(owner, ())):
            if key.kind != kind:
                continue
            body = unpack(self._objects[key])
            if kind == "Pod" or any(reference["uid"] == uid for reference in body["metadata"]["ownerReferences"]):
                found.append(body)
        return found

    def referrers(self, key: ObjectKey) -> tuple[ObjectKey, ...]:
        """Return the custom resources that refer to this one, or may: a selector concerns every Model of its namespace."""
        anyone = self._referrers.get(ObjectKey(key.kind, key.namespace, ""), ())
        return tuple({**dict.fromkeys(self._referrers.get(key, ())), **dict.fromkeys(anyone)})

    def models(self, namespace: str) -> list[Json]:
        """Return all Models of a namespace, by name."""
        return [unpack(self._objects[key]) for key in sorted(self._models.get(namespace, ()))]

    def owner(self, key: ObjectKey) -> ObjectKey | None:
        """Return whose child or pod this is."""
        return self._owner.get(key)

    def keys(self, kinds: Iterable[str]) -> list[ObjectKey]:
        """Return what is known of these kinds."""
        wanted = set(kinds)
        return [key for key in self._objects if key.kind in wanted]

    def forget_missing(self, before: Mapping[ObjectKey, str], found: Mapping[ObjectKey, str]) -> list[ObjectKey]:
        """Drop what was here `before` a listing, still is, and was not `found` by it; returns the custom resources that concerns."""
        concerned: list[ObjectKey] = []
        for key, uid in before.items():
            known = self._versions.get(key)
            if known and known[0] == uid and found.get(key) != uid:
                owner = self._owner.get(key)
                self.discard(key)
                concerned += [owner] if owner else [key, *self.referrers(key)]
        return concerned

    def identities(self, kind: str) -> dict[ObjectKey, str]:
        """Return name → uid of what is here."""
        return {key: identity[0] for key, identity in self._versions.items() if key.kind == kind}

    def __len__(self) -> int:
        return len(self._objects)

    def _link(self, key: ObjectKey, slim: Json) -> None:
        targets = tuple(ObjectKey(item.kind, key.namespace, item.name) for item in references_of(key.kind, slim["spec"]))
        for target in self._references.pop(key, ()):
            self._referrers[target].pop(key, None)
        for target in targets:
            self._referrers[target][key] = None
        self._references[key] = targets


def _identity(body: Json) -> tuple[str, int]:
    """Return uid and resource version; versions of one object are compared as numbers, as the API now promises."""
    version = body["metadata"].get("resourceVersion", "0")
    return body["metadata"].get("uid", ""), int(version) if version.isdigit() else 0

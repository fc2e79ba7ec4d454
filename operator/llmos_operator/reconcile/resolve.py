"""References: from a name to a version digest, or to the reason why not.

Owns: pins, `update: Manual`, and what a referee offers (task, precisions). Objects in memory answer first; only a digest that is not the
referee's current one is asked of the registry. Must not: judge what a missing reference means for the object as a whole.
"""

from dataclasses import dataclass

from llmos.artifacts import Version
from llmos_operator.api import Reference
from llmos_operator.cluster import Cache
from llmos_operator.desired import Source
from llmos_operator.names import Json, ObjectKey
from llmos_operator.reconcile.candidates import served_precision
from llmos_operator.reconcile.registry import Answer, Lookup, RegistryReader
from llmos_operator.status import Reason, Verdict
from llmos_operator.status.conditions import find_condition
from llmos_operator.status.reasons import reason_or

__all__ = ["Resolved", "resolve"]

REGISTRY_RETRY_S = 30.0
UNSIGNED_LOOK_S = 60.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """A reference and what it means now."""

    reference: Reference
    source: Source | None = None
    problem: Verdict | None = None
    task: str = ""
    """What the version is for; empty where nobody says."""

    precisions: tuple[str, ...] | None = None
    """What a Model's version has; None where nobody says."""

    precision: str = ""
    """Which of them its version has chosen; empty where nobody says."""

    def to_json(self) -> Json:
        """Return the entry of `status.resolved`; only with a source."""
        digest = self.source.digest if self.source else ""
        return {"role": self.reference.role, "kind": self.reference.kind, "name": self.reference.name, "digest": digest}


async def resolve(reference: Reference, namespace: str, *, previous: str | None, cache: Cache, registry: RegistryReader) -> Resolved:
    """Resolve one reference.

    Args:
        reference: what the spec says.
        namespace: of the object that refers.
        previous: the digest it was resolved to before, if it was.
        cache: the objects.
        registry: asked only for a digest that is not the referee's current one.
    """
    key = ObjectKey(reference.kind, namespace, reference.name)
    body = cache.get(key)
    wanted = reference.digest or (previous if reference.is_manual else None)
    current = _current(body) if body else None
    if wanted is None:
        if body is None:
            return Resolved(reference, problem=_missing(key))
        if current is None:
            return Resolved(reference, problem=_not_ready(key, body))
        return _from_object(reference, key, body, current, registry)
    if body and current and current["digest"] == wanted:
        return _from_object(reference, key, body, current, registry)
    lookup = await registry.get(key, wanted)
    if wanted == previous and lookup.answer in (Answer.Unavailable, Answer.Absent):
        # It was verified when it was admitted; that the registry is away or has cleaned up since takes nothing from what runs.
        return Resolved(reference, Source(str(registry.repository(key)), wanted))
    return _from_registry(reference, key, wanted, lookup, registry)


def _current(body: Json) -> Json | None:
    status = body.get("status") or {}
    found: Json | None = status.get("snapshot" if body["kind"] == "KnowledgeBase" else "version")
    return found if found and found.get("digest") else None


def _from_object(reference: Reference, key: ObjectKey, body: Json, current: Json, registry: RegistryReader) -> Resolved:
    precisions = tuple(item["precision"] for item in current.get("onnx", []))
    source = Source(str(registry.repository(key)), current["digest"])
    precision = served_precision(precisions, current.get("precision"))
    return Resolved(reference, source, task=body["spec"].get("task", ""), precisions=precisions, precision=precision)


def _from_registry(reference: Reference, key: ObjectKey, digest: str, lookup: Lookup, registry: RegistryReader) -> Resolved:
    if lookup.answer is Answer.Found and lookup.version:
        version, precisions = lookup.version, _precisions(lookup.version)
        precision = served_precision(precisions, version.measurements.get("precision"))
        task = str(version.provenance.spec.get("task", ""))
        return Resolved(reference, Source(str(registry.repository(key)), digest), task=task, precisions=precisions, precision=precision)
    if lookup.answer is Answer.Unavailable:
        message = f"cannot look up {key} at {digest}: {lookup.message}"
        return Resolved(reference, problem=Verdict(Reason.RegistryUnavailable, message, is_progressing=True, retry_s=REGISTRY_RETRY_S))
    if lookup.answer is Answer.Unsigned:
        reason = reason_or(lookup.reason, Reason.SignatureMissing)
        return Resolved(reference, problem=Verdict(reason, f"{key}: {lookup.message}", is_progressing=True, retry_s=UNSIGNED_LOOK_S))
    if lookup.answer is Answer.Broken:
        return Resolved(reference, problem=Verdict(Reason.ChainBroken, f"{key}: {lookup.message}", is_stalled=True))
    why = f" ({lookup.message})" if lookup.message else ""
    message = f"{key} has no version {digest} in {registry.repository(key)}{why}; name a digest from its status, or none"
    return Resolved(reference, problem=Verdict(Reason.DigestNotFound, message, is_stalled=True))


def _precisions(version: Version) -> tuple[str, ...]:
    return tuple(item.attributes.get("precision", "") for item in version.provenance.payloads if item.role == "onnx")


def _missing(key: ObjectKey) -> Verdict:
    return Verdict(Reason.DependencyNotFound, f"{key} does not exist; create it, and this goes on by itself", is_progressing=True)


def _not_ready(key: ObjectKey, body: Json) -> Verdict:
    ready = find_condition((body.get("status") or {}).get("conditions") or [], "Ready")
    why = f" ({ready['reason']})" if ready else ""
    return Verdict(Reason.DependencyNotReady, f"{key} has no version yet{why}; this goes on by itself when it has", is_progressing=True)

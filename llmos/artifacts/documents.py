"""The values of the artifact store: payloads, provenance, versions, link states.

Must not: do I/O or know HTTP. Everything here is a frozen value; documents are their JSON form, and parsing one checks every field,
because it came over a network from a store that others can write to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from llmos.artifacts.canonical import canonical_json, is_digest

__all__ = ["FileLayer", "LinkState", "Payload", "Provenance", "PushedPayload", "Version"]

SCHEMA_VERSION: Final = 1


class LinkState(StrEnum):
    """What a link of the chain points at; only Missing and Mismatch are broken."""

    Present = "Present"
    """It is there, and it is what the digest says."""

    Pruned = "Pruned"
    """Removed by retention; a tombstone says so. Valid."""

    Forgotten = "Forgotten"
    """Removed because somebody asked to forget it; a tombstone says so. Valid."""

    Missing = "Missing"
    """Not there, and nothing says why."""

    Mismatch = "Mismatch"
    """There, and not what the digest or the inputs hash says."""

    @property
    def is_broken(self) -> bool:
        """Say whether the chain is broken here."""
        return self in (LinkState.Missing, LinkState.Mismatch)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayer:
    """One file to push."""

    path: str
    """Relative path inside the payload, with '/'."""

    source: Path
    """The file on disk."""

    media_type: str
    """One of the media types in `llmos.artifacts`."""


@dataclass(frozen=True, slots=True)
class PushedPayload:
    """What a push answered."""

    digest: str
    """Digest of the payload's manifest."""

    size_bytes: int
    """Sum of its files."""

    def payload(self, role: str, **attributes: str) -> "Payload":
        """Name it in a provenance: `pushed.payload("onnx", precision="Float32")`."""
        return Payload(role, self.digest, self.size_bytes, attributes)


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload named by a provenance."""

    role: str
    digest: str
    size_bytes: int
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_digest(self.digest):
            raise ValueError(f"payload {self.role!r} has {self.digest!r}, which is not a digest")

    def to_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"role": self.role, "digest": self.digest, "sizeBytes": self.size_bytes, "attributes": dict(self.attributes)}

    @classmethod
    def from_document(cls, document: Any) -> "Payload":
        """Parse the JSON form; ValueError says what is wrong with it."""
        return cls(
            role=_field(document, "role", str),
            digest=_field(document, "digest", str),
            size_bytes=_field(document, "sizeBytes", int),
            attributes=_strings(_field(document, "attributes", dict), "attributes"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The deterministic record of how a version came to be: no clock, no measurement."""

    kind: str
    inputs_hash: str
    spec: Mapping[str, Any]
    parents: Mapping[str, str]
    """Role to the parent's version digest."""

    payloads: Sequence[Payload]
    tools: Mapping[str, str]
    """Name to version of what made the payloads."""

    def __post_init__(self) -> None:
        # Normalised here, so that a provenance that was read back equals the one that was pushed.
        object.__setattr__(self, "payloads", tuple(self.payloads))
        for name, digest in (("inputsHash", self.inputs_hash), *self.parents.items()):
            if not is_digest(digest):
                raise ValueError(f"{name} is {digest!r}, which is not a digest")

    def to_document(self) -> dict[str, Any]:
        """Return the JSON form; `canonical_json` of it is the provenance's layer."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "kind": self.kind,
            "inputsHash": self.inputs_hash,
            "spec": dict(self.spec),
            "parents": dict(self.parents),
            "payloads": [payload.to_document() for payload in self.payloads],
            "tools": dict(self.tools),
        }

    @classmethod
    def from_document(cls, document: Any) -> "Provenance":
        """Parse the JSON form; ValueError says what is wrong with it."""
        check_schema_version(document)
        spec = _field(document, "spec", dict)
        canonical_json(spec)
        return cls(
            kind=_field(document, "kind", str),
            inputs_hash=_field(document, "inputsHash", str),
            spec=spec,
            parents=_strings(_field(document, "parents", dict), "parents"),
            payloads=[Payload.from_document(item) for item in _field(document, "payloads", list)],
            tools=_strings(_field(document, "tools", dict), "tools"),
        )

    def payload(self, role: str, **attributes: str) -> Payload | None:
        """Return the first payload of this role that has all these attributes, or None."""
        for payload in self.payloads:
            if payload.role == role and all(payload.attributes.get(name) == value for name, value in attributes.items()):
                return payload
        return None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object: the digest people use, its provenance, and what was measured (may be empty)."""

    digest: str
    provenance: Provenance
    measurements: Mapping[str, Any] = field(default_factory=dict)

    @property
    def report_digest(self) -> str | None:
        """The payload with what was measured item by item, which only the measurements name; None where there is none."""
        evaluation = self.measurements.get("evaluation")
        found = evaluation.get("report") if isinstance(evaluation, Mapping) else None
        return found if is_digest(found) else None


def check_schema_version(document: Any) -> None:
    """Refuse a document written by a later LLMOS; ValueError says so."""
    found = _field(document, "schemaVersion", int)
    if found != SCHEMA_VERSION:
        raise ValueError(f"schemaVersion is {found}; this LLMOS reads {SCHEMA_VERSION}")


def _field(document: Any, name: str, kind: type) -> Any:
    value = document.get(name) if isinstance(document, dict) else None
    # bool is an int in Python, and `"sizeBytes": true` is not a size.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{name} must be a {kind.__name__}, found {value!r:.80}")
    return value


def _strings(mapping: dict[str, Any], name: str) -> dict[str, str]:
    for key, value in mapping.items():
        if not isinstance(value, str):
            raise ValueError(f"{name}.{key} must be a string, found {value!r:.80}")
    return mapping

"""How a version is read and checked, written once for the sync and the async client.

Each function is a generator: it yields what to fetch, is sent the bytes (None where the registry has nothing), and returns the result.
Must not: do I/O. Every byte is checked against a digest before it is believed, and the inputs hash is computed again.
"""

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

from llmos.artifacts.canonical import digest_bytes, inputs_hash
from llmos.artifacts.documents import LinkState, Provenance, Version, check_schema_version
from llmos.artifacts.manifests import (
    MEASUREMENTS_ARTIFACT,
    PROVENANCE_ARTIFACT,
    TOMBSTONE_ARTIFACT,
    Manifest,
    measurements_tag,
    parse_manifest,
    provenance_tag,
    tombstone_tag,
)
from llmos.artifacts.repository import Repository
from llmos.errors import PermanentError

__all__ = ["MAX_DOCUMENT_BYTES", "Fetch", "chain_broken", "read_payload_manifest", "read_tagged_document", "read_tombstone", "read_version"]

MAX_DOCUMENT_BYTES: Final = 64 << 10
"""No manifest or JSON document of ours is larger; what is larger is payload, and not for these functions."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request for one small document: `what` is `manifests` or `blobs`, `reference` a tag or digest."""

    what: str
    reference: str


def chain_broken(repository: Repository, digest: str, problem: str) -> PermanentError:
    """Build the error for an artifact that is not what it says."""
    return PermanentError(
        f"{repository}@{digest} is broken: {problem}; delete it in the registry and request the object again to rebuild it",
        reason="ChainBroken",
    )


def read_version(repository: Repository, *, digest: str = "", wanted_inputs: str = "") -> Generator[Fetch, bytes | None, Version | None]:
    """Read a version by its digest or by its inputs hash; None if the registry has none.

    Raises: PermanentError (ChainBroken) if what is there is not what its digest, its inputs hash or its schema says.
    """
    reference = digest or provenance_tag(wanted_inputs)
    data = yield Fetch("manifests", reference)
    if data is None:
        return None
    found = digest_bytes(data)
    if digest and found != digest:
        raise chain_broken(repository, digest, f"the registry answered with {found}")
    document = yield from _read_document(repository, found, data, PROVENANCE_ARTIFACT)
    try:
        provenance = Provenance.from_document(document)
        computed = inputs_hash(kind=provenance.kind, spec=provenance.spec, parents=provenance.parents)
    except ValueError as error:
        raise chain_broken(repository, found, f"its provenance is malformed: {error}") from error
    if computed != provenance.inputs_hash:
        raise chain_broken(repository, found, f"it says inputs hash {provenance.inputs_hash}, and its inputs have {computed}")
    if wanted_inputs and computed != wanted_inputs:
        raise chain_broken(repository, found, f"it stands under the tag of inputs {wanted_inputs}, and its inputs have {computed}")
    measurements = yield from _read_measurements(repository, provenance)
    return Version(found, provenance, measurements)


def _read_measurements(repository: Repository, provenance: Provenance) -> Generator[Fetch, bytes | None, dict[str, Any]]:
    """Read what was measured on exactly these payloads; {} if nothing was.

    Two attempts may race: the tag then holds the other one's figures, which are true of other payloads and are not shown for these.
    """
    data = yield Fetch("manifests", measurements_tag(provenance.inputs_hash))
    if data is None:
        return {}
    document = yield from _read_document(repository, digest_bytes(data), data, MEASUREMENTS_ARTIFACT)
    values = document.get("values")
    if document.get("inputsHash") != provenance.inputs_hash or not isinstance(values, dict):
        raise chain_broken(repository, digest_bytes(data), "its measurements are malformed or of other inputs")
    if document.get("payloads") != [payload.digest for payload in provenance.payloads]:
        return {}
    return values


def read_payload_manifest(repository: Repository, digest: str) -> Generator[Fetch, bytes | None, Manifest | None]:
    """Read a payload's manifest by digest; None if the registry has none."""
    data = yield Fetch("manifests", digest)
    if data is None:
        return None
    if digest_bytes(data) != digest:
        raise chain_broken(repository, digest, f"the registry answered with {digest_bytes(data)}")
    try:
        return parse_manifest(data)
    except ValueError as error:
        raise chain_broken(repository, digest, str(error)) from error


def read_tombstone(repository: Repository, digest: str) -> Generator[Fetch, bytes | None, LinkState]:
    """Say why a digest is gone: Pruned or Forgotten if a tombstone says so, else Missing."""
    data = yield Fetch("manifests", tombstone_tag(digest))
    if data is None:
        return LinkState.Missing
    document = yield from _read_document(repository, digest_bytes(data), data, TOMBSTONE_ARTIFACT)
    state = document.get("state")
    if document.get("digest") != digest or state not in (LinkState.Pruned, LinkState.Forgotten):
        raise chain_broken(repository, digest, "its tombstone is malformed")
    return LinkState(state)


def read_tagged_document(repository: Repository, tag: str, artifact_type: str) -> Generator[Fetch, bytes | None, dict[str, Any] | None]:
    """Read the one JSON document under a tag of ours; None if there is none."""
    data = yield Fetch("manifests", tag)
    if data is None:
        return None
    return (yield from _read_document(repository, digest_bytes(data), data, artifact_type))


def _read_document(
    repository: Repository, digest: str, manifest: bytes, artifact_type: str
) -> Generator[Fetch, bytes | None, dict[str, Any]]:
    """Read the one JSON layer of a manifest of ours."""
    try:
        parsed = parse_manifest(manifest)
        if parsed.artifact_type != artifact_type or len(parsed.layers) != 1:
            raise ValueError(f"it is {parsed.artifact_type or 'untyped'} with {len(parsed.layers)} layers, not {artifact_type} with one")
        layer = parsed.layers[0]
        if layer.size_bytes > MAX_DOCUMENT_BYTES:
            raise ValueError(f"its document has {layer.size_bytes} bytes; at most {MAX_DOCUMENT_BYTES} are read")
    except ValueError as error:
        raise chain_broken(repository, digest, str(error)) from error
    data = yield Fetch("blobs", layer.digest)
    if data is None:
        raise chain_broken(repository, digest, f"its document {layer.digest} is missing")
    if digest_bytes(data) != layer.digest:
        raise chain_broken(repository, digest, f"its document {layer.digest} arrived as {digest_bytes(data)}")
    try:
        document = json.loads(data)
        check_schema_version(document)
    except ValueError as error:
        raise chain_broken(repository, digest, f"its document is malformed: {error}") from error
    assert isinstance(document, dict)
    return document

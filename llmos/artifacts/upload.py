"""Pushing: blobs first, manifests after what they name, so that a reader never finds a name without its content.

Must not: read a whole file into memory. A blob that is already there is not sent again; a cross-repository mount saves the copy.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from llmos.artifacts.canonical import canonical_json, digest_bytes, digest_file
from llmos.artifacts.documents import FileLayer, PushedPayload
from llmos.artifacts.manifests import (
    EMPTY_BLOB,
    FILEPATH_ANNOTATION,
    MODEL_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    build_document_manifest,
    build_manifest,
    check_payload_paths,
    parse_manifest,
    payload_tag,
)
from llmos.artifacts.reading import MAX_DOCUMENT_BYTES
from llmos.artifacts.repository import Repository
from llmos.artifacts.transport import Transport, registry_url
from llmos.errors import TransientError

__all__ = ["copy_payload", "has_blob", "push_blob", "push_document", "push_payload", "put_manifest"]

_PIECE_BYTES: Final = 1 << 20


class _FileBody:
    """A file as a request body that can be sent again from its start (after a 401, after a lost connection)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                yield piece


class _BlobBody:
    """A blob of another repository as a request body, read as it is sent."""

    def __init__(self, transport: Transport, url: str) -> None:
        self._transport = transport
        self._url = url

    def __iter__(self) -> Iterator[bytes]:
        with self._transport.stream("GET", self._url, ok=(200,)) as response:
            yield from response.iter_bytes(_PIECE_BYTES)


def push_payload(
    transport: Transport,
    repository: Repository,
    files: Sequence[FileLayer],
    *,
    artifact_type: str,
    config_type: str,
    config: Mapping[str, Any],
) -> PushedPayload:
    """Push files and the manifest that names them; the tag `p-<digest>` keeps it."""
    check_payload_paths([file.path for file in files])
    if not files:
        raise ValueError("a payload needs at least one file")
    layers = [
        Descriptor(file.media_type, digest_file(file.source), file.source.stat().st_size, {FILEPATH_ANNOTATION: file.path})
        for file in sorted(files, key=lambda file: file.path)
    ]
    document = dict(config)
    if config_type == MODEL_CONFIG:
        # ModelPack: raw layers are stored as they are, so a layer's digest is also its diffId.
        document.setdefault("modelfs", {"type": "layers", "diffIds": [layer.digest for layer in layers]})
    config_bytes = canonical_json(document)
    manifest = build_manifest(artifact_type, Descriptor(config_type, digest_bytes(config_bytes), len(config_bytes)), layers)
    if len(manifest) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"{len(files)} files need a manifest of {len(manifest)} bytes; at most {MAX_DOCUMENT_BYTES} can be read back")
    sources = {layer.digest: file.source for layer, file in zip(layers, sorted(files, key=lambda file: file.path), strict=True)}
    for layer in layers:
        push_blob(transport, repository, layer.digest, layer.size_bytes, _FileBody(sources[layer.digest]))
    push_blob(transport, repository, digest_bytes(config_bytes), len(config_bytes), config_bytes)
    digest = digest_bytes(manifest)
    put_manifest(transport, repository, payload_tag(digest), manifest)
    return PushedPayload(digest, parse_manifest(manifest).size_bytes)


def push_document(transport: Transport, repository: Repository, tag: str, artifact_type: str, document: Mapping[str, Any]) -> str:
    """Push one JSON document under a tag; return its manifest's digest."""
    data = canonical_json(document)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"the document for {tag} has {len(data)} bytes; at most {MAX_DOCUMENT_BYTES} can be read back")
    manifest = build_document_manifest(artifact_type, data)
    push_blob(transport, repository, digest_bytes(EMPTY_BLOB), len(EMPTY_BLOB), EMPTY_BLOB)
    push_blob(transport, repository, digest_bytes(data), len(data), data)
    put_manifest(transport, repository, tag, manifest)
    return digest_bytes(manifest)


def copy_payload(transport: Transport, source: Repository, target: Repository, manifest: bytes) -> None:
    """Put a payload of one repository into another: by mounting its blobs where both are on one host, else by copying them."""
    parsed = parse_manifest(manifest)
    for blob in (parsed.config, *parsed.layers):
        if has_blob(transport, target, blob.digest):
            continue
        if source.host == target.host and _mount_blob(transport, source, target, blob.digest):
            continue
        url = registry_url(transport.access, source, f"blobs/{blob.digest}")
        push_blob(transport, target, blob.digest, blob.size_bytes, _BlobBody(transport, url))
    put_manifest(transport, target, payload_tag(parsed.digest), manifest)


def has_blob(transport: Transport, repository: Repository, digest: str) -> bool:
    """Say whether a repository has a blob."""
    response = transport.request("HEAD", registry_url(transport.access, repository, f"blobs/{digest}"), ok=(200, 404))
    return response.status_code == 200


def _mount_blob(transport: Transport, source: Repository, target: Repository, digest: str) -> bool:
    """Ask the registry to share a blob between two repositories; it may decline, and then has opened an upload we drop."""
    url = registry_url(transport.access, target, "blobs/uploads/")
    # Refused: we may push here and not pull there as this user, or one of the two is not there; copying then says which.
    query = httpx.QueryParams({"mount": digest, "from": source.path})
    response = transport.request("POST", f"{url}?{query}", ok=(201, 202, 401, 403, 404))
    if response.status_code == 202:
        transport.request("DELETE", _location(response), ok=(200, 202, 204, 404, 405))
    return response.status_code == 201


def push_blob(transport: Transport, repository: Repository, digest: str, size_bytes: int, content: Any) -> None:
    """Upload a blob in one piece unless the registry has it; a failed upload starts again in a new session."""

    def once() -> None:
        if has_blob(transport, repository, digest):
            return
        opened = transport.request("POST", registry_url(transport.access, repository, "blobs/uploads/"), ok=(202, 404))
        if opened.status_code == 404:
            # Not permanent: creating it heals this without a change to any spec.
            raise TransientError(
                f"the registry has no repository {repository} and does not create it; create it there, or its project",
                reason="RegistryUnavailable",
            )
        url = httpx.URL(_location(opened)).copy_merge_params({"digest": digest})
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
        with transport.stream("PUT", str(url), ok=(201, 204, 404, 416), content=content, headers=headers) as response:
            if response.status_code in (404, 416):
                # It restarted since, or another replica answers.
                raise TransientError(f"the registry has forgotten an upload to {repository}", reason="RegistryUnavailable")

    transport.attempt(once)


def put_manifest(transport: Transport, repository: Repository, tag: str, manifest: bytes) -> None:
    """Put a manifest under a tag."""
    url = registry_url(transport.access, repository, f"manifests/{tag}")
    transport.request("PUT", url, ok=(201, 202), content=manifest, headers={"Content-Type": OCI_MANIFEST})


def _location(response: httpx.Response) -> str:
    """Return where an upload goes on; registries send it absolute or relative."""
    return str(response.request.url.join(response.headers["location"]))

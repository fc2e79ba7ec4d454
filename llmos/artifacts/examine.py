"""Looking at a payload where it lies: is its manifest there, are its blobs, and, if asked, are their bytes what the digests say.

Must not: keep what it reads. A deep look streams every byte through a hash and needs no disk.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from llmos.artifacts.documents import LinkState, Payload
from llmos.artifacts.manifests import Descriptor, Manifest
from llmos.artifacts.repository import Repository
from llmos.artifacts.transport import Transport, registry_url

__all__ = ["PayloadReport", "examine_blobs"]


@dataclass(frozen=True, slots=True)
class PayloadReport:
    """A payload, as it was found."""

    payload: Payload
    state: LinkState
    problem: str = ""
    files: int = 0
    """How many files its manifest names; 0 where there is no manifest."""


def examine_blobs(
    transport: Transport, repository: Repository, manifest: Manifest, *, deep: bool, on_bytes: Callable[[int], None] | None = None
) -> tuple[LinkState, str]:
    """Return how a manifest's blobs are, and the first problem.

    Args:
        deep: read every byte and hash it; otherwise each blob is only asked for its size.
        on_bytes: called with the number of bytes read since the last call.

    Raises: TransientError if the registry does not answer.
    """
    for blob in (manifest.config, *manifest.layers):
        look = _read(transport, repository, blob, on_bytes) if deep else _ask(transport, repository, blob)
        if look is not None:
            state, problem = look
            return state, f"{blob.path or 'its config'} ({blob.digest}) {problem}"
    return LinkState.Present, ""


def _ask(transport: Transport, repository: Repository, blob: Descriptor) -> tuple[LinkState, str] | None:
    response = transport.request("HEAD", registry_url(transport.access, repository, f"blobs/{blob.digest}"), ok=(200, 404))
    if response.status_code == 404:
        return LinkState.Missing, "is not in the registry"
    return _wrong_size(int(response.headers.get("content-length", -1)), blob)


def _read(
    transport: Transport, repository: Repository, blob: Descriptor, on_bytes: Callable[[int], None] | None
) -> tuple[LinkState, str] | None:
    def once() -> tuple[LinkState, str] | None:
        state, size = hashlib.sha256(), 0
        with transport.stream("GET", registry_url(transport.access, repository, f"blobs/{blob.digest}"), ok=(200, 404)) as response:
            if response.status_code == 404:
                return LinkState.Missing, "is not in the registry"
            for piece in response.iter_bytes():
                state.update(piece)
                size += len(piece)
                if on_bytes is not None:
                    on_bytes(len(piece))
        found = "sha256:" + state.hexdigest()
        return _wrong_size(size, blob) or (None if found == blob.digest else (LinkState.Mismatch, f"arrives as {found}"))

    return transport.attempt(once)


def _wrong_size(size: int, blob: Descriptor) -> tuple[LinkState, str] | None:
    return None if size == blob.size_bytes else (LinkState.Mismatch, f"has {size} bytes there, and must have {blob.size_bytes}")

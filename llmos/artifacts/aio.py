"""The async, read-only client of the operator: manifests and JSON up to 64 KiB, never payload.

Must not: push, or retry: the operator's work queue owns backoff, and a slow registry must not hold a worker.
"""

import asyncio
from collections.abc import Generator
from typing import Final, TypeVar

import httpx

from llmos.artifacts.documents import LinkState, Version
from llmos.artifacts.manifests import OCI_MANIFEST
from llmos.artifacts.reading import MAX_DOCUMENT_BYTES, Fetch, read_payload_manifest, read_tombstone, read_version
from llmos.artifacts.repository import RegistryAccess, Repository
from llmos.artifacts.signatures import SignatureProblem, load_public_keys, read_signature
from llmos.artifacts.transport import client_options, failure_of, registry_url, too_large, unreachable
from llmos.errors import PermanentError

__all__ = ["AsyncArtifacts"]

T = TypeVar("T")

_PARALLEL_HEADS: Final = 4


class AsyncArtifacts:
    """The artifact store as the operator sees it; close with `aclose`."""

    def __init__(self, access: RegistryAccess, *, transport: httpx.AsyncBaseTransport | None = None, timeout_s: float = 10) -> None:
        self._access = access
        self._client = httpx.AsyncClient(transport=transport, **client_options(access, timeout_s))
        self._heads = asyncio.Semaphore(_PARALLEL_HEADS)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def find_version(self, repository: Repository, inputs_hash: str) -> Version | None:
        """Return the version made from these inputs, or None if the registry answers that it has none.

        Raises: TransientError if the registry does not answer; PermanentError (ChainBroken) if what is there is not what it says.
        """
        return await self._run(read_version(repository, wanted_inputs=inputs_hash), repository)

    async def get_version(self, repository: Repository, digest: str) -> Version | None:
        """Return the version with this digest, checked, or None; raises as `find_version`."""
        return await self._run(read_version(repository, digest=digest), repository)

    async def signature_problem(self, repository: Repository, digest: str) -> SignatureProblem | None:
        """Say why a version does not count as signed; None where it does, or where the access has no public key."""
        if self._access.public_key is None:
            return None
        return await self._run(read_signature(repository, digest, load_public_keys(self._access.public_key)), repository)

    async def payload_state(self, repository: Repository, digest: str) -> LinkState:
        """Say whether a payload is there with all its blobs, and if not, whether a tombstone says why.

        Raises: TransientError if the registry does not answer.
        """
        try:
            manifest = await self._run(read_payload_manifest(repository, digest), repository)
            if manifest is not None:
                blobs = (manifest.config, *manifest.layers)
                sizes = await asyncio.gather(*(self._blob_size(repository, blob.digest) for blob in blobs))
                if all(size == blob.size_bytes for size, blob in zip(sizes, blobs, strict=True)):
                    return LinkState.Present
                if None not in sizes:
                    return LinkState.Mismatch
            return await self._run(read_tombstone(repository, digest), repository)
        except PermanentError as error:
            if error.reason != "ChainBroken":
                raise
            return LinkState.Mismatch

    async def _blob_size(self, repository: Repository, digest: str) -> int | None:
        url = registry_url(self._access, repository, f"blobs/{digest}")
        async with self._heads:
            try:
                response = await self._client.head(url)
            except httpx.HTTPError as error:
                raise unreachable(repository.host, error) from error
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise failure_of(response)
        return int(response.headers.get("content-length", -1))

    async def _get(self, repository: Repository, fetch: Fetch) -> bytes | None:
        url = registry_url(self._access, repository, f"{fetch.what}/{fetch.reference}")
        headers = {"Accept": OCI_MANIFEST} if fetch.what == "manifests" else {}
        body = bytearray()
        try:
            async with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code == 404:
                    return None
                if response.status_code != 200:
                    raise failure_of(response)
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > MAX_DOCUMENT_BYTES:
                        raise too_large(response.request.url)
        except httpx.HTTPError as error:
            raise unreachable(repository.host, error) from error
        return bytes(body)

    async def _run(self, steps: Generator[Fetch, bytes | None, T], repository: Repository) -> T:
        """Drive the reading steps with this client."""
        try:
            fetch = next(steps)
            while True:
                fetch = steps.send(await self._get(repository, fetch))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

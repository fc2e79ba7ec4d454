"""The sync registry client: what workloads push and pull.

It only puts the pieces together: reading and checking is in `reading`, pushing in `upload`, pulling in `download`.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from llmos.artifacts.canonical import digest_bytes, is_digest
from llmos.artifacts.chain import Damaged, Loaded
from llmos.artifacts.documents import SCHEMA_VERSION, FileLayer, LinkState, Payload, Provenance, PushedPayload, Version
from llmos.artifacts.download import Progress, download_payload, is_whole
from llmos.artifacts.examine import PayloadReport, examine_blobs
from llmos.artifacts.listing import list_repositories, list_tags
from llmos.artifacts.manifests import (
    MEASUREMENTS_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    OWNER_ARTIFACT,
    PROVENANCE_ARTIFACT,
    TOMBSTONE_ARTIFACT,
    Manifest,
    earlier_tag,
    measurements_tag,
    owner_tag,
    payload_tag,
    provenance_tag,
    tombstone_tag,
)
from llmos.artifacts.reading import Fetch, read_payload_manifest, read_tagged_document, read_tombstone, read_version
from llmos.artifacts.repository import RegistryAccess, Repository
from llmos.artifacts.signatures import SignatureProblem, load_public_keys, read_signature
from llmos.artifacts.transport import Transport, registry_url
from llmos.artifacts.upload import copy_payload, has_blob, push_document, push_payload, put_manifest
from llmos.errors import ConfigError, NotFoundError, PermanentError

__all__ = ["Registry"]

T = TypeVar("T")

MAX_FOREIGN_MANIFEST_BYTES: Final = 4 << 20
"""The distribution specification's bound: others list more layers than we do."""


class Registry:
    """A registry as a workload sees it; a context manager. Connection errors and 5xx are tried again inside."""

    def __init__(
        self, access: RegistryAccess, *, transport: httpx.BaseTransport | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._transport = Transport(access, transport=transport, sleep=sleep)

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def push_payload(
        self, repository: Repository, files: Sequence[FileLayer], *, artifact_type: str, config_type: str, config: Mapping[str, Any]
    ) -> PushedPayload:
        """Push files as one payload; blobs that are there already are not sent.

        Args:
            config: the config document; for ModelPack, `modelfs` is filled in from the files.

        Raises: ValueError for an unsafe or doubled path; TransientError if the registry stays away.
        """
        return push_payload(self._transport, repository, files, artifact_type=artifact_type, config_type=config_type, config=config)

    def push_version(self, repository: Repository, provenance: Provenance, measurements: Mapping[str, Any]) -> Version:
        """Commit a version: measurements first, provenance last.

        If another attempt has already committed these inputs, its version stands and is returned: readers may have used it. Where its
        payloads are gone the new version takes its place, and the earlier one stays readable by its digest.

        Raises: NotFoundError if a payload it names is not in the repository; ValueError if the measurements hold a float or are too large.
        """
        for payload in provenance.payloads:
            if self._get("manifests", repository, payload_tag(payload.digest)) is None:
                raise NotFoundError(f"payload {payload.role} {payload.digest} is not in {repository}; push it first", reason="ChainBroken")
        existing = self.find_version(repository, provenance.inputs_hash)
        if existing is not None:
            if self.has_payloads(repository, existing):
                return existing
            self._keep_earlier(repository, existing.digest)
        document = {
            "schemaVersion": SCHEMA_VERSION,
            "inputsHash": provenance.inputs_hash,
            "payloads": [payload.digest for payload in provenance.payloads],
            "values": measurements,
        }
        self._push_document(repository, measurements_tag(provenance.inputs_hash), MEASUREMENTS_ARTIFACT, document)
        tag = provenance_tag(provenance.inputs_hash)
        digest = self._push_document(repository, tag, PROVENANCE_ARTIFACT, provenance.to_document())
        # Nobody can have signed it yet.
        version = self._run(read_version(repository, digest=digest), repository)
        assert version is not None
        return version

    def find_version(self, repository: Repository, inputs_hash: str) -> Version | None:
        """Return the version made from these inputs, or None if the registry answers that it has none.

        Raises: TransientError if the registry does not answer; PermanentError (ChainBroken) if what is there is not what it says.
        """
        return self._run(read_version(repository, wanted_inputs=inputs_hash), repository)

    def get_version(self, repository: Repository, digest: str) -> Version:
        """Return the version with this digest, checked; where the access has a public key, its signature, too.

        Raises: NotFoundError if there is none; TransientError (SignatureMissing, SignatureInvalid); otherwise as `find_version`.
        """
        version = self._run(read_version(repository, digest=digest), repository)
        if version is None:
            raise NotFoundError(f"version {digest} is not in {repository}", reason="DigestNotFound")
        if (problem := self.signature_problem(repository, digest)) is not None:
            raise problem.error()
        return version

    def signature_problem(self, repository: Repository, digest: str) -> SignatureProblem | None:
        """Say why a version does not count as signed; None where it does, or where the access has no public key."""
        if self._transport.access.public_key is None:
            return None
        keys = load_public_keys(self._transport.access.public_key)
        return self._run(read_signature(repository, digest, keys), repository)

    def has_payloads(self, repository: Repository, version: Version) -> bool:
        """Say whether all of a version's payloads are there, manifests and blobs; raises TransientError if the registry does not answer."""
        manifests = [self._run(read_payload_manifest(repository, payload.digest), repository) for payload in version.provenance.payloads]
        return all(
            manifest is not None and all(has_blob(self._transport, repository, blob.digest) for blob in (manifest.config, *manifest.layers))
            for manifest in manifests
        )

    def examine_payload(
        self, repository: Repository, payload: Payload, *, deep: bool = False, on_bytes: Callable[[int], None] | None = None
    ) -> PayloadReport:
        """Say how a payload is where it lies; nothing of it is kept.

        Args:
            deep: read and hash every byte; otherwise blobs are only asked for their sizes.
            on_bytes: called with the number of bytes read since the last call.

        Raises: TransientError if the registry does not answer.
        """
        try:
            manifest = self._run(read_payload_manifest(repository, payload.digest), repository)
            problem, files = "it is not in the registry, and no tombstone says why", 0
            if manifest is not None:
                files = len(manifest.layers)
                state, problem = examine_blobs(self._transport, repository, manifest, deep=deep, on_bytes=on_bytes)
                if state is not LinkState.Missing:
                    return PayloadReport(payload, state, problem, files)
            state = self.gone_state(repository, payload.digest)
            return PayloadReport(payload, state, problem if state is LinkState.Missing else "", files)
        except PermanentError as error:
            if error.reason != "ChainBroken":
                raise
            return PayloadReport(payload, LinkState.Mismatch, error.message)

    def load_version(self, repository: Repository, digest: str) -> Loaded:
        """Return the version with this digest, or what is wrong with it, or why it is gone: a link of a chain as a value.

        Raises: TransientError if the registry does not answer.
        """
        try:
            version = self._run(read_version(repository, digest=digest), repository)
            if version is not None:
                return version
            state = self.gone_state(repository, digest)
            return None if state is LinkState.Missing else state
        except PermanentError as error:
            if error.reason != "ChainBroken":
                raise
            return Damaged(error.message)

    def gone_state(self, repository: Repository, digest: str) -> LinkState:
        """Say why a digest is not there: Pruned or Forgotten if a tombstone says so, else Missing; raises as `find_version`."""
        return self._run(read_tombstone(repository, digest), repository)

    def list_tags(self, repository: Repository) -> list[str]:
        """Return all tags of a repository, sorted."""
        return list_tags(self._transport, repository)

    def list_repositories(self, below: Repository) -> list[Repository] | None:
        """Return all repositories below a path; None where the registry does not show its catalog."""
        return list_repositories(self._transport, below)

    def fetch_payload(self, repository: Repository, digest: str, into: Path, *, on_progress: Progress | None = None) -> Path:
        """Bring a payload to the directory `into`, which then holds all of it, or does not exist; return `into`.

        A directory that already holds this payload is left alone. An interrupted download is resumed.

        Raises: NotFoundError; PermanentError (ChainBroken, ChecksumMismatch); ConfigError if `into` holds something else.
        """
        if is_whole(into, digest):
            return into
        manifest, data = self._payload_manifest(repository, digest)
        return download_payload(self._transport, repository, manifest, data, into, on_progress)

    def get_manifest(self, repository: Repository, reference: str) -> bytes | None:
        """Return the manifest under a tag or digest as it is, for artifacts that LLMOS did not write; None if there is none.

        Args:
            reference: a tag, or a digest, which the bytes then have.

        Raises: TransientError if the registry does not answer, or refuses us; PermanentError if it answers with something else.
        """
        url = registry_url(self._transport.access, repository, f"manifests/{reference}")
        accepted = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
        response = self._transport.request("GET", url, ok=(200, 404), headers=accepted, maximum_bytes=MAX_FOREIGN_MANIFEST_BYTES)
        if response.status_code == 404:
            return None
        if is_digest(reference) and digest_bytes(response.content) != reference:
            raise PermanentError(
                f"{repository}@{reference} arrived as {digest_bytes(response.content)}; check the registry's storage",
                reason="ChecksumMismatch",
            )
        return response.content

    def fetch_manifest(
        self, repository: Repository, manifest: Manifest, data: bytes, into: Path, *, on_progress: Progress | None = None
    ) -> Path:
        """Bring the layers of a manifest to the directory `into`, as `fetch_payload` does.

        Args:
            manifest: which of its layers to fetch, and under which paths.
            data: the manifest as the registry has it.
        """
        if is_whole(into, manifest.digest):
            return into
        return download_payload(self._transport, repository, manifest, data, into, on_progress)

    def copy_payload(self, source: Repository, target: Repository, digest: str) -> None:
        """Put a payload of `source` into `target` as well, sharing blobs where the registry can."""
        _, data = self._payload_manifest(source, digest)
        copy_payload(self._transport, source, target, data)

    def push_tombstone(self, repository: Repository, digest: str, state: LinkState, note: str) -> None:
        """Record that a digest was removed on purpose, so that its absence does not break the chain.

        Args:
            state: Pruned or Forgotten.
            note: one line for people: who asked, or which rule.
        """
        if state not in (LinkState.Pruned, LinkState.Forgotten):
            raise ValueError(f"a tombstone says Pruned or Forgotten, not {state}")
        document = {"schemaVersion": SCHEMA_VERSION, "digest": digest, "state": str(state), "note": note}
        self._push_document(repository, tombstone_tag(digest), TOMBSTONE_ARTIFACT, document)

    def push_document(self, repository: Repository, tag: str, artifact_type: str, document: Mapping[str, Any]) -> str:
        """Put one JSON document under a tag, in place of what was there; return its manifest's digest."""
        return self._push_document(repository, tag, artifact_type, document)

    def read_document(self, repository: Repository, tag: str, artifact_type: str) -> dict[str, Any] | None:
        """Return the JSON document under a tag, or None; raises as `find_version`."""
        return self._run(read_tagged_document(repository, tag, artifact_type), repository)

    def mark_owner(self, repository: Repository, installation: str) -> None:
        """Leave the mark that this installation has made something here: only what carries it is ever swept."""
        tag = owner_tag(installation)
        if self._get("manifests", repository, tag) is None:
            self._push_document(repository, tag, OWNER_ARTIFACT, {"schemaVersion": SCHEMA_VERSION, "installation": installation})

    def delete_manifest(self, repository: Repository, digest: str) -> None:
        """Delete a manifest and all its tags; one that is gone already is fine. Blobs go when the registry collects its garbage.

        Raises: ConfigError if the registry does not delete at all.
        """
        url = registry_url(self._transport.access, repository, f"manifests/{digest}")
        if self._transport.request("DELETE", url, ok=(200, 202, 204, 404, 405)).status_code == 405:
            raise ConfigError(
                f"the registry {repository.host} does not delete; allow it there (distribution: storage.delete.enabled: true)",
                reason="Forbidden",
            )

    def delete_tag(self, repository: Repository, tag: str) -> None:
        """Delete what stands under a tag; nothing there is fine. Raises as `delete_manifest`."""
        if (data := self._get("manifests", repository, tag)) is not None:
            self.delete_manifest(repository, digest_bytes(data))

    def _keep_earlier(self, repository: Repository, digest: str) -> None:
        """Tag a version that loses its own tag, or the registry's garbage collection would break the chains that name it."""
        if (data := self._get("manifests", repository, digest)) is not None:
            put_manifest(self._transport, repository, earlier_tag(digest), data)

    def _push_document(self, repository: Repository, tag: str, artifact_type: str, document: Mapping[str, Any]) -> str:
        return push_document(self._transport, repository, tag, artifact_type, document)

    def _payload_manifest(self, repository: Repository, digest: str) -> tuple[Manifest, bytes]:
        manifest = self._run(read_payload_manifest(repository, digest), repository)
        data = self._get("manifests", repository, digest) if manifest is not None else None
        if manifest is None or data is None:
            raise NotFoundError(f"payload {digest} is not in {repository}", reason="DigestNotFound")
        return manifest, data

    def _get(self, what: str, repository: Repository, reference: str) -> bytes | None:
        url = registry_url(self._transport.access, repository, f"{what}/{reference}")
        response = self._transport.request("GET", url, ok=(200, 404), headers={"Accept": OCI_MANIFEST} if what == "manifests" else None)
        return response.content if response.status_code == 200 else None

    def _run(self, steps: Generator[Fetch, bytes | None, T], repository: Repository) -> T:
        """Drive the reading steps with this client."""
        answer: bytes | None = None
        try:
            fetch = next(steps)
            while True:
                answer = self._get(fetch.what, repository, fetch.reference)
                fetch = steps.send(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

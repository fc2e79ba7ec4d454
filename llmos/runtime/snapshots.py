"""Snapshots on a pod's volume: fetched by version digest, verified, opened. Init container and sidecar share this.

Must not: decide which snapshots are wanted, or which one answers.
"""

import logging
import shutil
from pathlib import Path
from typing import Protocol

from llmos.artifacts import Payload, Repository, Version
from llmos.errors import ConfigError, PermanentError
from llmos.knowledge import Snapshot
from llmos.runtime.assets import PodPaths
from llmos.workload import KnowledgeRef

__all__ = ["SnapshotRegistry", "fetch_snapshot", "remove_snapshot"]

_log = logging.getLogger(__name__)


class SnapshotRegistry(Protocol):
    """What is needed of a registry; `llmos.artifacts.Registry` is one."""

    def get_version(self, repository: Repository, digest: str) -> Version:
        """Return a version by digest."""
        ...

    def fetch_payload(self, repository: Repository, digest: str, into: Path) -> Path:
        """Bring a payload to a directory; one that is there already is left alone."""
        ...


def fetch_snapshot(registry: SnapshotRegistry, reference: KnowledgeRef, paths: PodPaths) -> Snapshot:
    """Open a snapshot, bringing it first if it is not there; what was verified once is not asked for again, registry up or down.

    Raises: NotFoundError (DigestNotFound); ConfigError if the digest is no KnowledgeBase's; PermanentError (ChecksumMismatch).
    """
    directory = paths.snapshot(reference.digest)
    verified = directory.with_name(f"{directory.name}.verified")
    if directory.is_dir() and verified.exists():
        snapshot = Snapshot.open(directory)
        promised = verified.read_text()
    else:
        payload = _snapshot_payload(registry.get_version(reference.repository, reference.digest), reference)
        promised = payload.attributes.get("contentDigest", "")
        snapshot = Snapshot.open(registry.fetch_payload(reference.repository, payload.digest, directory))
    if promised != snapshot.content_digest:
        snapshot.close()
        raise PermanentError(
            f"the snapshot of {reference.name} says {snapshot.content_digest}, its provenance {promised}; build the KnowledgeBase anew",
            reason="ChecksumMismatch",
        )
    verified.write_text(promised)
    snapshot.warm()
    _log.info("snapshot %s %s is in place", reference.name, reference.digest)
    return snapshot


def remove_snapshot(digest: str, paths: PodPaths) -> None:
    """Free the volume; the mark goes first, so that half a folder is never believed."""
    directory = paths.snapshot(digest)
    directory.with_name(f"{directory.name}.verified").unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


def _snapshot_payload(version: Version, reference: KnowledgeRef) -> Payload:
    payload = version.provenance.payload("snapshot")
    if version.provenance.kind != "KnowledgeBase" or payload is None:
        raise ConfigError(
            f"{reference.digest} is a version of a {version.provenance.kind}, not of a KnowledgeBase; "
            f"correct the digest of {reference.name}",
            reason="InvalidSpec",
        )
    return payload

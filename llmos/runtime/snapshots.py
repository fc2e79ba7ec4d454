"""Snapshots on a pod's volume: fetched by version digest, verified, opened. Init container and sidecar share this.

Must not: decide which snapshots are wanted, or which one answers.
"""

import logging
import shutil
from pathlib import Path
from typing import Protocol

from llmos.artifacts import Payload, Repository, Version
from llmos.artifacts.download import write_synced
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
    snapshot = _open_verified(directory, frozenset(reference.partitions))
    if snapshot is None:
        payload = _snapshot_payload(registry.get_version(reference.repository, reference.digest), reference)
        promised = payload.attributes.get("contentDigest", "")
        snapshot = _bring(registry, reference, payload, directory)
        if promised != snapshot.content_digest:
            snapshot.close()
            raise PermanentError(
                f"the snapshot of {reference.name} says {snapshot.content_digest}, its provenance {promised}; build the KnowledgeBase anew",
                reason="ChecksumMismatch",
            )
        _write_mark(directory, promised)
    snapshot.warm()
    _log.info("snapshot %s %s is in place", reference.name, reference.digest)
    return snapshot


def remove_snapshot(digest: str, paths: PodPaths) -> None:
    """Free the volume; the mark goes first and the folder's name next, so that half a folder is never believed."""
    shutil.rmtree(paths.sparql_stores(digest), ignore_errors=True)
    _discard(paths.snapshot(digest))


def _open_verified(directory: Path, partitions: frozenset[str]) -> Snapshot | None:
    """Open a snapshot that carries the mark of having been verified; None if it does not, or is not what the mark says."""
    try:
        promised = _mark(directory).read_text()
        snapshot = Snapshot.open(directory, partitions)
    except FileNotFoundError:
        return None
    except PermanentError as error:
        _log.warning("%s was verified once and is damaged now: %s", directory, error.message)
        return None
    if promised == snapshot.content_digest:
        return snapshot
    snapshot.close()
    return None


def _bring(registry: SnapshotRegistry, reference: KnowledgeRef, payload: Payload, directory: Path) -> Snapshot:
    """Fetch and open a snapshot; a folder that is there already and unusable is removed and fetched anew, once."""
    was_there, partitions = directory.exists(), frozenset(reference.partitions)
    try:
        return Snapshot.open(registry.fetch_payload(reference.repository, payload.digest, directory), partitions)
    except (PermanentError, ConfigError) as error:
        if not was_there:
            raise
        _log.warning("%s is fetched anew: %s", directory, error.message)
        _discard(directory)
    return Snapshot.open(registry.fetch_payload(reference.repository, payload.digest, directory), partitions)


def _mark(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.verified")


def _write_mark(directory: Path, content_digest: str) -> None:
    mark = _mark(directory)
    new = mark.with_name(f".{mark.name}.new")
    write_synced(new, content_digest.encode())
    new.replace(mark)


def _discard(directory: Path) -> None:
    """Remove a snapshot's folder such that whoever is killed half-way leaves nothing that looks like one."""
    _mark(directory).unlink(missing_ok=True)
    gone = directory.with_name(f".{directory.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if directory.exists():
        directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _snapshot_payload(version: Version, reference: KnowledgeRef) -> Payload:
    payload = version.provenance.payload("snapshot")
    if version.provenance.kind != "KnowledgeBase" or payload is None:
        raise ConfigError(
            f"{reference.digest} is a version of a {version.provenance.kind}, not of a KnowledgeBase; "
            f"correct the digest of {reference.name}",
            reason="InvalidSpec",
        )
    return payload

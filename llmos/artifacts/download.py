"""Pulling a payload: streamed, verified while it streams, resumed where it stopped, and there as a whole or not at all.

Files are written to a hidden sibling directory, which is renamed when every byte was checked. A killed download leaves only that
sibling, and the next one goes on from it. Must not: follow links, or write outside the directory.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from llmos.artifacts.canonical import digest_bytes, digest_hex
from llmos.artifacts.manifests import Descriptor, Manifest, check_payload_paths
from llmos.artifacts.reading import chain_broken
from llmos.artifacts.repository import Repository
from llmos.artifacts.transport import Transport, registry_url
from llmos.errors import ConfigError, PermanentError, TransientError

__all__ = ["RECORD_NAME", "Progress", "download_payload", "is_whole", "write_synced"]

RECORD_NAME: Final = ".llmos-manifest.json"
"""The manifest, kept in the directory: it says which payload this is, and that it is whole."""

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""

_PIECE_BYTES: Final = 1 << 20


def is_whole(into: Path, digest: str) -> bool:
    """Say whether a directory holds this payload.

    Raises: ConfigError if it exists and holds something else: replacing what somebody may be reading is not ours to do.
    """
    if not into.exists():
        return False
    record = into / RECORD_NAME
    if record.is_file() and digest_bytes(record.read_bytes()) == digest:
        return True
    raise ConfigError(f"directory {into} exists and does not hold {digest}; remove it or choose another", reason="InvalidSpec")


def download_payload(
    transport: Transport, repository: Repository, manifest: Manifest, record: bytes, into: Path, on_progress: Progress | None
) -> Path:
    """Fetch every file of a manifest into a directory that appears when all of them were verified."""
    paths = [layer.path for layer in manifest.layers]
    try:
        check_payload_paths(paths)
    except ValueError as error:
        raise chain_broken(repository, manifest.digest, str(error)) from error
    into.parent.mkdir(parents=True, exist_ok=True)
    partial = into.parent / f".{into.name}.{digest_hex(manifest.digest)[:12]}.partial"
    with _locked(partial):
        if is_whole(into, manifest.digest):
            return into
        done = 0
        for layer in manifest.layers:
            before = done

            def report(layer_bytes: int, before: int = before) -> None:
                if on_progress is not None:
                    on_progress(before + layer_bytes, manifest.size_bytes)

            _fetch_file(transport, repository, layer, partial / layer.path, report)
            done += layer.size_bytes
        write_synced(partial / RECORD_NAME, record)
        partial.rename(into)
        _sync_directory(into.parent)
    return into


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Hold the partial directory alone; a second downloader waits here and then finds the work done."""
    while True:
        partial.mkdir(exist_ok=True)
        try:
            handle = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # the holder has just renamed it
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
            return
        finally:
            os.close(handle)


def _fetch_file(transport: Transport, repository: Repository, layer: Descriptor, path: Path, report: Callable[[int], None]) -> None:
    """Bring one file here: from the cache, where there is one and it has the blob, else from the registry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cache = transport.access.cache
    if cache is None:
        _fetch_blob(transport, repository, layer, path, report)
        return
    with cache.alone(layer.digest):
        if not path.exists() and cache.take(layer.digest, path):
            report(layer.size_bytes)
            return
        _fetch_blob(transport, repository, layer, path, report)
        cache.put(layer.digest, path)


def _fetch_blob(transport: Transport, repository: Repository, layer: Descriptor, path: Path, report: Callable[[int], None]) -> None:
    """Fetch one blob, going on from what is there; wrong content after a resumption is dropped and fetched anew, once."""
    resumed = path.exists()

    def bring() -> str:
        return transport.attempt(
            lambda: _resume(transport, repository, layer, path, report), progress=lambda: path.stat().st_size if path.exists() else 0
        )

    found = bring()
    if found != layer.digest and resumed:
        path.unlink()
        found = bring()
    if found != layer.digest:
        path.unlink()
        raise PermanentError(
            f"{layer.path} of {repository} must be {layer.digest} and arrived as {found}; check the registry's storage",
            reason="ChecksumMismatch",
        )


def _resume(transport: Transport, repository: Repository, layer: Descriptor, path: Path, report: Callable[[int], None]) -> str:
    """Bring a file to its full size and return the digest of all its bytes, hashed as they pass."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "r+b") as file:
        state = hashlib.sha256()
        size = 0
        while size < layer.size_bytes and (piece := file.read(min(_PIECE_BYTES, layer.size_bytes - size))):
            state.update(piece)
            size += len(piece)
        file.truncate(size)
        report(size)
        if size < layer.size_bytes:
            url = registry_url(transport.access, repository, f"blobs/{layer.digest}")
            headers = {"Range": f"bytes={size}-"} if size else {}
            with transport.stream("GET", url, ok=(200, 206), headers=headers) as response:
                if size and response.status_code == 200:
                    # The registry does not resume: start over.
                    state, size = hashlib.sha256(), 0
                    file.seek(0)
                    file.truncate()
                # No chunk size: httpx would hold bytes back to fill a chunk, and lose them when the connection breaks.
                for piece in response.iter_bytes():
                    state.update(piece)
                    size += len(piece)
                    if size > layer.size_bytes:
                        break
                    file.write(piece)
                    report(size)
            if size < layer.size_bytes:
                raise TransientError(
                    f"{layer.path} of {repository} ended after {size} of {layer.size_bytes} bytes", reason="RegistryUnavailable"
                )
        file.flush()
        os.fsync(file.fileno())
    return "sha256:" + state.hexdigest()


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and return when it would survive a power cut."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

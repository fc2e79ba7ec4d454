"""Blobs kept on a volume that several pods share: by digest, checked on every use, bounded in size.

A blob is stored under a temporary name and renamed, so that readers see it whole or not at all; while one pod fetches a blob, others wait
for it instead of fetching it, too. Nothing is trusted because it is here: other pods write to the same volume. Must not: fail a download;
a cache that is full, read-only or damaged only costs time.
"""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from llmos.artifacts.canonical import digest_hex

__all__ = ["BlobCache"]

_PIECE_BYTES: Final = 1 << 20
_ABANDONED_S: Final = 24 * 3600.0
"""A temporary file older than this is what a killed pod left."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BlobCache:
    """A folder of blobs, `<folder>/sha256/<hex>`."""

    folder: Path
    limit_bytes: int
    """The blobs that were not used for longest go when a new one would exceed this."""

    wait_s: float = 1800.0
    """How long to wait for another pod that fetches the same blob; then it is fetched here, too."""

    clock: Callable[[], float] = time.time

    @contextmanager
    def alone(self, digest: str) -> Iterator[None]:
        """Hold a blob's lock: who comes second waits here, and then finds the blob. Without locks nobody waits."""
        handle = self._open_lock(digest_hex(digest))
        try:
            if handle is not None:
                _lock(handle, self.wait_s)
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def take(self, digest: str, into: Path) -> bool:
        """Copy a blob to a path, checked while it is copied.

        Returns: whether it was there; a damaged one is removed, and was not there.
        """
        stored = self._path(digest)
        try:
            with stored.open("rb") as source, into.open("wb") as target:
                found = _copy(source, target)
            if found == digest_hex(digest):
                os.utime(stored, (self.clock(), self.clock()))
                return True
            _log.warning("the cache's copy of %s is damaged and was removed", digest)
            stored.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.warning("the cache cannot be read: %s", error)
        into.unlink(missing_ok=True)
        return False

    def put(self, digest: str, source: Path) -> None:
        """Keep a blob that was checked; makes room first, and does nothing where it cannot."""
        stored, size = self._path(digest), source.stat().st_size
        temporary = stored.with_name(f".{stored.name}.{uuid4().hex}")
        if size > self.limit_bytes or stored.exists():
            return
        try:
            stored.parent.mkdir(parents=True, exist_ok=True)
            with self._making_room(size), source.open("rb") as original:
                with temporary.open("xb") as target:
                    found = _copy(original, target)
                os.utime(temporary, (self.clock(), self.clock()))
                if found == digest_hex(digest):
                    temporary.rename(stored)
        except OSError as error:
            _log.warning("the cache cannot keep %s: %s", digest, error)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self.folder / "sha256" / digest_hex(digest)

    @contextmanager
    def _making_room(self, size: int) -> Iterator[None]:
        """Remove what was not used for longest until `size` more bytes fit, and hold the lock until they are written."""
        handle = self._open_lock("room")
        try:
            if handle is not None:
                _lock(handle, self.wait_s)
            entries = sorted(self._entries(), key=lambda entry: entry[1])
            total = sum(bytes_ for _, _, bytes_ in entries)
            for path, used, bytes_ in entries:
                is_abandoned = path.name.startswith(".") and used < self.clock() - _ABANDONED_S
                if is_abandoned or (total + size > self.limit_bytes and not path.name.startswith(".")):
                    path.unlink(missing_ok=True)
                    total -= bytes_
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def _entries(self) -> list[tuple[Path, float, int]]:
        """Return path, time of last use and size of every file."""
        found = []
        for path in (self.folder / "sha256").iterdir():
            with suppress(FileNotFoundError):
                state = path.stat()
                found.append((path, state.st_mtime, state.st_size))
        return found

    def _open_lock(self, name: str) -> int | None:
        try:
            folder = self.folder / "locks"
            folder.mkdir(parents=True, exist_ok=True)
            return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o660)
        except OSError as error:
            _log.warning("the cache cannot be locked: %s", error)
            return None


def _lock(handle: int, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.2)
        except OSError as error:
            # A network file system without locks: two pods may fetch the same blob, and both keep it.
            _log.info("the cache's volume has no locks: %s", error)
            return


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    """Copy a stream and return the SHA-256 of what passed, in hex."""
    state = hashlib.sha256()
    while piece := source.read(_PIECE_BYTES):
        state.update(piece)
        target.write(piece)
    target.flush()
    os.fsync(target.fileno())
    return state.hexdigest()

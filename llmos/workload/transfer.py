"""What every fetcher shares: a folder that appears whole, files hashed as they arrive, and how far they are.

Must not: know a protocol. A fetcher brings bytes in order, says when it starts over, and asks for the digest at the end.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from llmos.artifacts import canonical_json, digest_bytes
from llmos.errors import ConfigError
from llmos.workload.report import Reporter

__all__ = ["NO_MODEL", "Arrival", "Meter", "arriving_folder", "check_room", "folder_digest", "limited_room", "place_inside"]

NO_MODEL: Final = "no file of a model"
"""What a place holds that has nothing a Model is made of."""

_TELL_EVERY_S: Final = 0.5

_LIMITS: Final[dict[Path, int]] = {}
"""Folders that may hold only so much, by `limited_room`."""


@contextmanager
def arriving_folder(into: Path) -> Iterator[Path]:
    """Yield an empty folder beside `into`; it becomes `into` when the block ends well, and is removed when not."""
    partial = into.with_name(f"{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(into)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def folder_digest(files: Mapping[str, tuple[str, int]]) -> str:
    """Return the digest of a folder's content: path to (SHA-256 in hex, size in bytes), whatever the order."""
    return digest_bytes(canonical_json([{"path": path, "sha256": files[path][0], "sizeBytes": files[path][1]} for path in sorted(files)]))


def place_inside(folder: Path, path: str, field: str) -> Path:
    """Return where a file of this relative path belongs below a folder, whose parents then exist.

    Args:
        field: what gave the path, for the message.

    Raises: ConfigError for a path that leaves the folder, or is taken.
    """
    parts = path.split("/")
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"{field} path {path!r:.100} must be relative, without empty parts, `.` or `..`", reason="InvalidSpec")
    target = folder.joinpath(*parts)
    if target.exists():
        raise ConfigError(f"{field} names {path!r:.100} twice; give each file a path of its own", reason="InvalidSpec")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"{field} names a file that is also the folder of {path!r:.100}", reason="InvalidSpec") from None
    return target


class Arrival:
    """One file as it arrives: written and hashed in one pass; a context manager that leaves it on disk, synced."""

    def __init__(self, path: Path, *, algorithm: str = "sha256", prefix: bytes = b"") -> None:
        """Begin an empty file.

        Args:
            algorithm: of hashlib.
            prefix: bytes that are hashed before the file's own (Git hashes a header, too).
        """
        self.path = path
        self.size = 0
        self._algorithm = algorithm
        self._prefix = prefix
        self._hash = hashlib.new(algorithm, prefix)
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "wb", buffering=0)

    def __enter__(self) -> "Arrival":
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        try:
            if kind is None:
                with _room_needed(self.path):
                    os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def append(self, piece: bytes | memoryview) -> None:
        """Write and hash the next bytes; raises ConfigError when the disk is full."""
        with _room_needed(self.path):
            left = memoryview(piece)
            while left:
                left = left[self._file.write(left) or 0 :]
        self._hash.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Forget what has arrived."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self._hash = 0, hashlib.new(self._algorithm, self._prefix)

    def digest(self) -> str:
        """Return the hex digest of what has arrived."""
        return self._hash.hexdigest()

    def check_room(self, more_bytes: int) -> None:
        """Raise ConfigError if that many bytes more cannot fit."""
        check_room(self.path.parent, more_bytes, name=self.path.name, total_bytes=self.size + more_bytes)


@contextmanager
def limited_room(folder: Path, limit_bytes: int | None) -> Iterator[None]:
    """Let `check_room` know, within the block, that a folder may hold so much: an emptyDir's limit is not seen from inside the pod.

    The kubelet enforces it by ending the pod, after the download and without a word about the file.
    """
    if limit_bytes is not None:
        _LIMITS[folder] = limit_bytes
    try:
        yield
    finally:
        _LIMITS.pop(folder, None)


def _free_bytes(folder: Path) -> int:
    free = shutil.disk_usage(folder).free
    for limited, limit_bytes in _LIMITS.items():
        if folder.is_relative_to(limited):
            used = sum(path.lstat().st_size for path in limited.rglob("*") if path.is_file())
            free = min(free, max(limit_bytes - used, 0))
    return free


def check_room(folder: Path, more_bytes: int, *, name: str, total_bytes: int) -> None:
    """Raise ConfigError if there is no room for that many bytes more of something that has `total_bytes` in all."""
    if more_bytes > (free := _free_bytes(folder)):
        raise _full(name, f"{_megabytes(total_bytes)} MB, and scratch has {_megabytes(free)} MB left")


@contextmanager
def _room_needed(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(path.name, "more bytes than scratch has left") from error
        raise


def _full(name: str, what: str) -> ConfigError:
    return ConfigError(f"{name} has {what}; raise spec.workload.scratch.sizeLimit", reason="ResourcesTooSmall")


class Meter:
    """Tells a reporter how far a download is: bytes, rate, remaining time; at most twice a second, because pieces are small and many."""

    def __init__(self, reporter: Reporter | None, *, num_files: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._reporter = reporter
        self._num_files = num_files
        self._clock = clock
        self._number = 0
        self._name = ""
        self._began = self._told_at = clock()
        self._skipped: int | None = None

    def begin(self, name: str) -> None:
        """Begin the next file."""
        self._number += 1
        self._name = name
        self._began = self._clock()
        self._told_at = self._began - _TELL_EVERY_S
        self._skipped = None
        if self._reporter is not None:
            self._reporter.progress("Download", None, f"{self._where()}: asked for")

    def tell(self, done_bytes: int, expected_bytes: int | None = None) -> None:
        """Say how much of the current file is here, and how much there is in all, where that is known."""
        if self._skipped is None:
            self._skipped = done_bytes
        now = self._clock()
        if self._reporter is None or (now - self._told_at < _TELL_EVERY_S and done_bytes != expected_bytes):
            return
        self._told_at = now
        rate = max(done_bytes - self._skipped, 0) / max(now - self._began, 0.001)
        percent = 100 * done_bytes // expected_bytes if expected_bytes else None
        self._reporter.progress("Download", percent, self._message(done_bytes, expected_bytes, rate))

    def _message(self, done_bytes: int, expected_bytes: int | None, rate: float) -> str:
        text = f"{self._where()}: {_megabytes(done_bytes)}"
        text += f" of {_megabytes(expected_bytes)} MB" if expected_bytes else " MB"
        text += f" at {rate / 1e6:.0f} MB/s"
        left = (expected_bytes or 0) - done_bytes
        return f"{text}, {_duration(left / rate)} left" if left > 0 and rate > 0 else text

    def _where(self) -> str:
        return f"{self._name} ({self._number} of {self._num_files})" if self._num_files > 1 else self._name


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f}" if size_bytes >= 10_000_000 else f"{size_bytes / 1e6:.1f}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"

"""Fetching a source from HTTP(S) addresses: each file checked by sha256 while it streams, resumed where it broke off.

The checksum decides what a file is, so an address may redirect, be a mirror, or be plain HTTP inside a cluster. Must not: guess names from
headers, unpack archives, or leave a file in place that was not checked.
"""

import hashlib
import os
import shutil
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.retrying import retry_transient
from llmos.workload.report import Reporter

__all__ = ["HttpFile", "fetch_http_files"]

_TIMEOUT_S: Final = 60.0
_RETRIED: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class HttpFile:
    """One file to fetch."""

    url: str
    sha256: str
    """64 hex digits."""
    path: str
    """Where it lies in the folder, relative."""


def fetch_http_files(
    files: Sequence[HttpFile],
    into: Path,
    *,
    reporter: Reporter | None = None,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download files into a new folder.

    Args:
        files: what to fetch; at least one.
        into: must not exist yet; it appears when every file is there and checked.
        reporter: told bytes, share and rate.
        transport: for tests.
        sleep: waits between attempts.

    Returns: `into`.
    Raises: ConfigError for a path that leaves the folder; PermanentError (ChecksumMismatch, InvalidSource); NotFoundError if an address has
        nothing (yet); TransientError if a server does not answer, or refuses us.
    """
    partial = into.with_name(f"{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        # OpenSSL's own defaults: they honour SSL_CERT_FILE, which httpx's bundled list does not always.
        context = ssl.create_default_context()
        with httpx.Client(transport=transport, verify=context, timeout=_TIMEOUT_S, follow_redirects=True) as client:
            for number, file in enumerate(files):
                target = _inside(partial, file)
                meter = _Meter(reporter, file, number, len(files))
                _fetch(client, file, target, meter, sleep)
        partial.rename(into)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return into


class _Meter:
    """Tells how far one file of many is."""

    def __init__(self, reporter: Reporter | None, file: HttpFile, number: int, total: int) -> None:
        self._reporter = reporter
        self._file = file
        self._position = f"{number + 1} of {total}"
        self._began = time.monotonic()

    def told(self, size_bytes: int, expected_bytes: int | None) -> None:
        if self._reporter is None:
            return
        rate = size_bytes / max(time.monotonic() - self._began, 0.001) / 1e6
        percent = 100 * size_bytes // expected_bytes if expected_bytes else None
        self._reporter.progress("Download", percent, f"{self._file.path} ({self._position}): {size_bytes / 1e6:.0f} MB at {rate:.0f} MB/s")


def _inside(folder: Path, file: HttpFile) -> Path:
    parts = file.path.split("/")
    if "\\" in file.path or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"http.files path {file.path!r:.100} must be relative, without empty parts, `.` or `..`", reason="InvalidSpec")
    target = folder.joinpath(*parts)
    if target.exists():
        raise ConfigError(f"http.files names {file.path!r:.100} twice; give each file a path of its own", reason="InvalidSpec")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _fetch(client: httpx.Client, file: HttpFile, target: Path, meter: _Meter, sleep: Callable[[float], None]) -> None:
    """Bring one file, trying again what may succeed later, and going on from what has arrived."""
    state = _Arrived(target)
    retry_transient(lambda: state.continue_from(client, file, meter), sleep=sleep)
    if (found := state.digest()) != file.sha256:
        target.unlink()
        raise PermanentError(
            f"{file.path} from {_shown(file.url)} must have sha256 {file.sha256} and has {found}; correct http.files, "
            "or ask who changed the file",
            reason="ChecksumMismatch",
        )


class _Arrived:
    """What has arrived of one file, hashed as it passes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._hash = hashlib.sha256()
        path.touch(mode=0o644, exist_ok=False)

    def digest(self) -> str:
        return self._hash.hexdigest()

    def continue_from(self, client: httpx.Client, file: HttpFile, meter: _Meter) -> None:
        # No content coding: the bytes are compared with a checksum, and counted for a range.
        headers = {"Accept-Encoding": "identity", "User-Agent": "llmos"}
        if self._size:
            headers["Range"] = f"bytes={self._size}-"
        try:
            with client.stream("GET", file.url, headers=headers) as response:
                self._take(response, file, meter)
        except httpx.HTTPError as error:
            raise TransientError(
                f"{_shown(file.url)} cannot be reached: {type(error).__name__}: {error}", reason="InvalidSource"
            ) from error
        except httpx.InvalidURL as error:
            raise ConfigError(f"{_shown(file.url)} is no address: {error}", reason="InvalidSpec") from error

    def _take(self, response: httpx.Response, file: HttpFile, meter: _Meter) -> None:
        if response.status_code not in (200, 206):
            raise _refused(response, file)
        if self._size and response.status_code == 200:
            # The server does not resume: start over.
            self._size, self._hash = 0, hashlib.sha256()
            os.truncate(self._path, 0)
        length = response.headers.get("content-length", "")
        expected = self._size + int(length) if length.isdigit() else None
        self._check_room(expected, file)
        with self._path.open("ab") as output:
            for piece in response.iter_raw():
                output.write(piece)
                self._hash.update(piece)
                self._size += len(piece)
                meter.told(self._size, expected)
            output.flush()
            os.fsync(output.fileno())
        if expected is not None and self._size < expected:
            raise TransientError(f"{_shown(file.url)} ended after {self._size} of {expected} bytes", reason="InvalidSource")

    def _check_room(self, expected: int | None, file: HttpFile) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if expected is not None and expected - self._size > free:
            raise ConfigError(
                f"{file.path} has {expected / 1e9:.1f} GB and scratch has {free / 1e9:.1f} GB left; raise workload.scratch.sizeLimit",
                reason="InvalidSpec",
            )


def _refused(response: httpx.Response, file: HttpFile) -> LlmosError:
    status, what = response.status_code, f"{_shown(file.url)} answered {response.status_code}"
    if status in (404, 410):
        return NotFoundError(
            f"{what}; publish {file.path} there, or correct its url; it is looked for again by itself", reason="InvalidSource"
        )
    if status in (401, 403):
        # Not permanent: what is missing may be granted without a change to any spec.
        return TransientError(f"{what}: it refuses us; addresses that need a login are not supported yet", reason="InvalidSource")
    if status in _RETRIED or status >= 500:
        return TransientError(what, reason="InvalidSource")
    return PermanentError(f"{what}; correct http.files", reason="InvalidSource")


def _shown(url: str) -> str:
    """Return an address without what may be a secret: query and userinfo."""
    try:
        parsed = httpx.URL(url)
        return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))
    except httpx.InvalidURL:
        return url.partition("?")[0][:200]

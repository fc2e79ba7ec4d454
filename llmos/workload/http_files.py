"""Fetching a source from HTTP(S) addresses: each file checked by sha256 while it streams, resumed where it broke off.

The checksum decides what a file is, so an address may redirect, be a mirror, or be plain HTTP inside a cluster. Must not: guess names from
headers, unpack archives, or leave a file in place that was not checked.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from llmos.errors import LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload.http_stream import TIMEOUT_S, open_client, shown, stream_into
from llmos.workload.report import Reporter
from llmos.workload.source_secret import SourceSecret
from llmos.workload.transfer import Arrival, Meter, arriving_folder, place_inside

__all__ = ["HttpFile", "fetch_http_files"]

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
    secret: SourceSecret | None = None,
    reporter: Reporter | None = None,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """Download files into a new folder.

    Args:
        files: what to fetch; at least one.
        into: must not exist yet; it appears when every file is there and checked.
        secret: a login; every address must be of its `hosts`, and a redirect to another host loses it.
        reporter: told bytes, share, rate and remaining time.
        transport: for tests.
        sleep: waits between attempts.
        timeout_s: without a byte for this long, a connection is given up.

    Returns: `into`.
    Raises: ConfigError for a path that leaves the folder; PermanentError (ChecksumMismatch, InvalidSource); NotFoundError if an address has
        nothing (yet); TransientError if a server does not answer, or refuses us; TransientError (InvalidConfig) for a Secret that does not
        fit.
    """
    if secret is not None:
        hosts = secret.hosts
        for file in files:
            hosts.check(file.url)
    auth = secret.http_auth() if secret is not None else None
    meter = Meter(reporter, num_files=len(files))
    with arriving_folder(into) as folder, open_client(auth, transport=transport, timeout_s=timeout_s) as client:
        for file in files:
            target = place_inside(folder, file.path, "http.files")
            meter.begin(file.path)
            with Arrival(target) as arrival:
                stream_into(client, file.url, arrival, meter, refused=partial(_refused, file=file, secret=secret), sleep=sleep)
            _check(file, arrival)
    return into


def _check(file: HttpFile, arrival: Arrival) -> None:
    if (found := arrival.digest()) != file.sha256:
        raise PermanentError(
            f"{file.path} from {shown(file.url)} must have sha256 {file.sha256} and has {found}; correct http.files, "
            "or ask who changed the file",
            reason="ChecksumMismatch",
        )


def _refused(response: httpx.Response, file: HttpFile, secret: SourceSecret | None) -> LlmosError:
    status, what = response.status_code, f"{shown(file.url)} answered {response.status_code}"
    if status in (404, 410):
        return NotFoundError(
            f"{what}; publish {file.path} there, or correct its url; it is looked for again by itself", reason="InvalidSource"
        )
    if status in (401, 403):
        # Not permanent: what is missing may be granted without a change to any spec.
        remedy = "correct the login in the Secret of the source" if secret else "name a Secret with a login in http.secretName"
        return TransientError(f"{what}: it refuses us; {remedy}, or ask who may read it", reason="InvalidSource")
    if status in _RETRIED or status >= 500:
        return TransientError(what, reason="InvalidSource")
    return PermanentError(f"{what}; correct http.files", reason="InvalidSource")

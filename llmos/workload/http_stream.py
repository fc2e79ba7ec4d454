"""One address into one file: streamed, hashed as it passes, resumed where it broke off.

Must not: decide what the file should be; the caller compares the digest. A login goes where the client's auth lets it go, and nowhere else.
"""

import re
import ssl
import time
from collections.abc import Callable
from typing import Final

import httpx

from llmos.errors import ConfigError, LlmosError, PermanentError, TransientError
from llmos.retrying import retry_transient
from llmos.workload.transfer import Arrival, Meter

__all__ = ["TIMEOUT_S", "open_client", "shown", "stream_into"]

TIMEOUT_S: Final = 60.0
"""Without a byte for this long, a connection is given up and resumed."""

_RANGE: Final = re.compile(r"bytes (\d+)-")


def open_client(
    auth: httpx.Auth | None = None, *, transport: httpx.BaseTransport | None = None, timeout_s: float = TIMEOUT_S
) -> httpx.Client:
    """Return a client that follows redirects and trusts what the pod trusts."""
    # OpenSSL's own defaults: they honour SSL_CERT_FILE, which httpx's bundled list does not always.
    context = ssl.create_default_context()
    return httpx.Client(auth=auth, transport=transport, verify=context, timeout=timeout_s, follow_redirects=True)


def shown(url: httpx.URL | str) -> str:
    """Return an address without what may be a secret: query and userinfo."""
    try:
        return str(httpx.URL(url).copy_with(userinfo=b"", query=None, fragment=None))
    except httpx.InvalidURL:
        return str(url).partition("?")[0][:200]


def stream_into(
    client: httpx.Client,
    url: str,
    arrival: Arrival,
    meter: Meter,
    *,
    refused: Callable[[httpx.Response], LlmosError],
    expected_bytes: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring what is at an address into a file, trying again what may succeed later, and going on from what has arrived.

    Args:
        refused: says what a status that is no success means.
        expected_bytes: its size, where it is known beforehand; more is not taken.

    Raises: TransientError (InvalidSource) if it does not arrive whole; ConfigError for no address, or no room; what `refused` says.
    """
    download = _Download(client, url, arrival, meter, refused, expected_bytes)
    retry_transient(download.go_on, sleep=sleep, progress=lambda: arrival.size)


class _Download:
    def __init__(
        self,
        client: httpx.Client,
        url: str,
        arrival: Arrival,
        meter: Meter,
        refused: Callable[[httpx.Response], LlmosError],
        expected_bytes: int | None,
    ) -> None:
        self._client, self._url = client, url
        self._arrival, self._meter, self._refused = arrival, meter, refused
        self._expected = expected_bytes
        self._etag = ""

    def go_on(self) -> None:
        # No content coding: the bytes are compared with a checksum, and counted for a range.
        headers = {"Accept-Encoding": "identity", "User-Agent": "llmos"}
        if self._arrival.size:
            headers["Range"] = f"bytes={self._arrival.size}-"
            if self._etag:
                # A file that was replaced meanwhile comes from its beginning.
                headers["If-Range"] = self._etag
        try:
            with self._client.stream("GET", self._url, headers=headers) as response:
                self._take(response)
        except httpx.HTTPError as error:
            raise TransientError(
                f"{shown(self._url)} cannot be reached: {type(error).__name__}: {error}", reason="InvalidSource"
            ) from error
        except httpx.InvalidURL as error:
            raise ConfigError(f"{shown(self._url)} is no address: {error}", reason="InvalidSpec") from error

    def _take(self, response: httpx.Response) -> None:
        arrival = self._arrival
        if response.status_code == 416 and arrival.size:
            # It has no more bytes than we have, or other bytes than before: only from its beginning can that be told.
            arrival.restart()
            raise TransientError(f"{shown(self._url)} does not go on after what it sent before", reason="InvalidSource")
        if response.status_code not in (200, 206):
            raise self._refused(response)
        if arrival.size and not self._continues(response):
            arrival.restart()
        etag = response.headers.get("etag", "")
        self._etag = "" if etag.startswith("W/") else etag
        length = response.headers.get("content-length", "")
        total = arrival.size + int(length) if length.isdigit() else self._expected
        if total is not None:
            arrival.check_room(total - arrival.size)
        for piece in response.iter_raw():
            arrival.append(piece)
            if self._expected is not None and arrival.size > self._expected:
                raise PermanentError(
                    f"{shown(self._url)} sends more than the {self._expected} bytes it should have; ask who changed the file",
                    reason="ChecksumMismatch",
                )
            self._meter.tell(arrival.size, total)
        wanted = self._expected if self._expected is not None else total
        if wanted is not None and arrival.size < wanted:
            raise TransientError(f"{shown(self._url)} ended after {arrival.size} of {wanted} bytes", reason="InvalidSource")

    def _continues(self, response: httpx.Response) -> bool:
        """Say whether an answer goes on exactly where we stopped; some servers ignore a range, and some get it wrong."""
        if response.status_code != 206:
            return False
        found = _RANGE.match(response.headers.get("content-range", ""))
        return found is None or int(found.group(1)) == self._arrival.size

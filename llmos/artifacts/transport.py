"""HTTP to a registry: clients with our TLS, retries with backoff, and one mapping from HTTP to our errors.

Must not: know manifests. A status that means "nothing there" is left to the caller; everything that means "not now" becomes
TransientError, so that an absent artifact and an absent registry are never confused.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import httpx

from llmos.artifacts.auth import RegistryAuth
from llmos.artifacts.reading import MAX_DOCUMENT_BYTES
from llmos.artifacts.repository import RegistryAccess, Repository
from llmos.errors import LlmosError, PermanentError, TransientError
from llmos.retrying import retry_transient

__all__ = ["Transport", "client_options", "failure_of", "registry_url", "too_large", "unreachable"]

T = TypeVar("T")

_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})


def registry_url(access: RegistryAccess, repository: Repository, suffix: str) -> str:
    """Return the URL of something in a repository."""
    return f"{'http' if access.plain_http else 'https'}://{repository.host}/v2/{repository.path}/{suffix}"


def client_options(access: RegistryAccess, timeout_s: float) -> dict[str, Any]:
    """Return the arguments that the sync and the async httpx client share.

    Raises: TransientError if the CA bundle cannot be read: it is a mounted Secret, which may be corrected without a change to any spec.
    """
    context = ssl.create_default_context()
    if access.ca_file:
        try:
            context.load_verify_locations(cafile=access.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise TransientError(
                f"registry CA bundle {access.ca_file} cannot be read ({error}); mount a PEM file", reason="RegistryUnavailable"
            ) from error
    return {
        "auth": RegistryAuth(access),
        "verify": context,
        "timeout": httpx.Timeout(timeout_s),
        "follow_redirects": True,
        # Bytes are compared with digests: no content coding may stand between.
        "headers": {"Accept-Encoding": "identity", "User-Agent": "llmos"},
        # A plain-HTTP registry is a neighbour; a proxy for the outside world would not find it.
        "trust_env": not access.plain_http,
    }


def unreachable(host: str, error: Exception) -> TransientError:
    """Build the error for a registry that does not answer."""
    return TransientError(f"registry {host} cannot be reached: {type(error).__name__}: {error}", reason="RegistryUnavailable")


def too_large(url: httpx.URL, maximum_bytes: int = MAX_DOCUMENT_BYTES) -> PermanentError:
    """Build the error for a document that is no document."""
    return PermanentError(f"{url.path} on {url.host} is larger than {maximum_bytes} bytes, too large for a document", reason="ChainBroken")


def failure_of(response: httpx.Response) -> LlmosError:
    """Build the error for a status that is neither success nor 'nothing there'."""
    request, status = response.request, response.status_code
    what = f"registry {request.url.netloc.decode()} answered {status} to {request.method} {request.url.path}"
    if status in (401, 403):
        # Not permanent: a corrected Secret heals it without a change to any spec.
        return TransientError(f"{what}; check the credentials and what they may push or pull", reason="RegistryUnavailable")
    if status in _RETRIED or status >= 500:
        return TransientError(what, reason="RegistryUnavailable")
    return PermanentError(f"{what}: {_detail(response)}", reason="RegistryUnavailable")


def _detail(response: httpx.Response) -> str:
    try:
        return response.text[:300] or "no detail"
    except httpx.ResponseNotRead:
        return "no detail"


class Transport:
    """A sync HTTP client that tries again what may succeed later."""

    def __init__(
        self, access: RegistryAccess, *, transport: httpx.BaseTransport | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.access = access
        self._client = httpx.Client(transport=transport, **client_options(access, timeout_s=60))
        self._sleep = sleep

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        ok: tuple[int, ...],
        content: Any = None,
        headers: dict[str, str] | None = None,
        maximum_bytes: int = MAX_DOCUMENT_BYTES,
    ) -> httpx.Response:
        """Send a request whose answer is small, trying again on 5xx and connection errors.

        Args:
            ok: statuses the caller handles; anything else is raised.
            content: bytes, or something that can be iterated more than once.
            maximum_bytes: of the answer.
        """
        return self.attempt(lambda: self._once(method, url, ok, content, headers, maximum_bytes))

    def _once(
        self, method: str, url: str, ok: tuple[int, ...], content: Any, headers: dict[str, str] | None, maximum_bytes: int
    ) -> httpx.Response:
        with self.stream(method, url, ok=ok, content=content, headers=headers) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > maximum_bytes:
                    raise too_large(response.request.url, maximum_bytes)
            # Hand out a response that is complete, so that nobody holds a connection.
            return httpx.Response(response.status_code, headers=response.headers, content=bytes(body), request=response.request)

    @contextmanager
    def stream(
        self, method: str, url: str, *, ok: tuple[int, ...], content: Any = None, headers: dict[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """Send once and hand out the open response; connection errors inside the block become TransientError."""
        try:
            with self._client.stream(method, url, content=content, headers=headers) as response:
                if response.status_code not in ok:
                    if response.status_code < 500:
                        response.read()
                    raise failure_of(response)
                yield response
        except httpx.HTTPError as error:
            raise unreachable(httpx.URL(url).netloc.decode(), error) from error

    def attempt(self, action: Callable[[], T], *, progress: Callable[[], int] | None = None) -> T:
        """Run an action until it succeeds, fails for good, or the attempts are used up; `progress` as in `retry_transient`."""
        return retry_transient(action, sleep=self._sleep, progress=progress)

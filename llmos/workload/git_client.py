"""Speaking Git over HTTP(S): what references a server has, and a pack with one commit.

dulwich speaks the protocol; the requests are made by the client that all sources use, so that a login, certificates, redirects and a silent
server are treated alike. There is no `git` program: no hooks, no configuration, no other transport that an address could name.
Must not: know what is done with the objects; or take objects by address (pack URIs), or from a server without the smart protocol.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from llmos.errors import LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload.http_stream import shown

if TYPE_CHECKING:
    from dulwich.client import AbstractHttpGitClient

__all__ = ["GitRemote"]


@dataclass(slots=True)
class _Answer:
    """What dulwich wants to see of a response."""

    response: httpx.Response
    asked: str
    pieces: Iterator[bytes]
    _rest: bytes = b""
    redirect_location: str | None = field(init=False)
    content_type: str | None = field(init=False)

    def __post_init__(self) -> None:
        landed = str(self.response.url)
        self.redirect_location = landed if landed != self.asked else None
        self.content_type = self.response.headers.get("content-type")

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most so many; empty at the end."""
        while not self._rest:
            try:
                self._rest = next(self.pieces)
            except StopIteration:
                return b""
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def close(self) -> None:
        """Give the connection back."""
        self.response.close()


class GitRemote:
    """A repository on a server."""

    def __init__(self, client: httpx.Client, url: str, *, has_login: bool) -> None:
        """Ask nothing yet.

        Args:
            client: with the login, where there is one.
            url: of the repository; a redirect of it is followed.
            has_login: for messages.
        """
        self._client, self._url, self._has_login = client, url, has_login

    def references(self, prefixes: list[bytes]) -> Mapping[bytes, bytes]:
        """Return references to object ids; at least those with one of the prefixes.

        Of an annotated tag, `<name>^{}` is the object it stands for.
        """
        with self._explained():
            remote = self._open()
            found = remote.get_refs(b"", ref_prefix=prefixes)
            return {bytes(name): bytes(value) for name, value in found.refs.items() if value}

    def fetch_commit(self, commit: bytes, write: Callable[[bytes], int]) -> None:
        """Write the pack of a commit without its history, as it arrives."""
        from dulwich.object_store import ObjectStoreGraphWalker

        with self._explained():
            remote = self._open()
            walker = ObjectStoreGraphWalker([], lambda _commit: [], shallow=set())

            def wants(refs: Mapping[Any, Any], depth: int | None = None) -> list[Any]:
                return [commit]

            remote.fetch_pack(b"", wants, walker, write, depth=1, ref_prefix=[b"HEAD"])

    def _open(self) -> "AbstractHttpGitClient":
        from dulwich.client import AbstractHttpGitClient

        remote = self

        class Client(AbstractHttpGitClient):
            """dulwich's client over httpx."""

            def _http_request(
                self, url: str, headers: dict[str, str] | None = None, data: Any = None, raise_for_status: bool = True
            ) -> tuple[Any, Callable[[int], bytes]]:
                answer = remote._request(url, headers or {}, data)
                return answer, answer.read

            def _get_url(self, path: str | bytes) -> str:
                return self._base_url

        # Nothing is here that a pack could be thin against, but some servers speak to nobody who would not take one.
        return Client(self._url, thin_packs=True, quiet=True)

    def _request(self, url: str, headers: dict[str, str], data: Any) -> _Answer:
        request = self._client.build_request(
            "GET" if data is None else "POST", url, headers={**headers, "User-Agent": "git/llmos"}, content=data
        )
        response = self._client.send(request, stream=True)
        if response.status_code != 200:
            response.close()
            raise self._refused(response)
        if not response.headers.get("content-type", "").startswith("application/x-git-"):
            response.close()
            # A page for people, or a server of bare files, whose every object would be a request of its own.
            message = f"{shown(self._url)} speaks no smart Git protocol; name the address that `git clone` takes"
            raise NotFoundError(message, reason="InvalidSource")
        return _Answer(response, url, response.iter_bytes())

    def _refused(self, response: httpx.Response) -> LlmosError:
        status, what = response.status_code, f"{shown(self._url)} answered {response.status_code}"
        remedy = "correct the login in the Secret of the source" if self._has_login else "name a Secret with a login in git.secretName"
        if status in (404, 410):
            # Servers say so of a private repository, too, to whoever may not know of it.
            return NotFoundError(f"{what}; correct git.repository, or {remedy}; it is looked for again by itself", reason="InvalidSource")
        if status in (401, 403):
            return TransientError(f"{what}: it refuses us; {remedy}, or ask who may read it", reason="InvalidSource")
        if status in (408, 425, 429) or status >= 500:
            return TransientError(what, reason="InvalidSource")
        return PermanentError(f"{what}; correct git.repository", reason="InvalidSource")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the network and the protocol raise into our errors."""
        from dulwich.errors import GitProtocolError, HangupException

        try:
            yield
        except httpx.HTTPError as error:
            message = f"{shown(self._url)} cannot be reached: {type(error).__name__}: {error}"
            raise TransientError(message, reason="InvalidSource") from error
        except (GitProtocolError, HangupException, AssertionError, ValueError, KeyError) as error:
            # What a server sends is not what the protocol says: cut off by a proxy, a page for people, or malice.
            message = f"{shown(self._url)} does not answer as a Git server: {type(error).__name__}: {error!s:.200}"
            raise TransientError(message, reason="InvalidSource") from error

"""The Secret of a source: a folder the kubelet mounts, whose key `hosts` says where its content may be sent.

Whoever may write a Model names both an address and a Secret; this list is what keeps them from having the Secret sent to a server of
their own. Must not: be logged, copied or pushed; values are blanked in everything a workload says. The files are read at each use, because
the kubelet replaces them when the Secret changes.
"""

import base64
import re
from collections.abc import Generator
from pathlib import Path
from typing import Final

import httpx

from llmos.errors import ConfigError, TransientError
from llmos.workload.logs import hide

__all__ = ["HOSTS_KEY", "AllowedHosts", "SourceSecret"]

HOSTS_KEY: Final = "hosts"
_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[a-z0-9.-]+\Z|[0-9a-f:]+\Z")

Origin = tuple[str, str, int]
"""Scheme, host, port."""


def _unusable(problem: str) -> TransientError:
    # Not permanent: a corrected Secret heals it without a change to any spec.
    return TransientError(f"the Secret of the source {problem}", reason="InvalidConfig")


class AllowedHosts:
    """Where a Secret may be sent. A line is `host`, `host:port` (both over TLS), or `http://host[:port]` for one that has no TLS."""

    def __init__(self, text: str, *, where: str = f"its key `{HOSTS_KEY}`") -> None:
        """Read the lines; raises TransientError (InvalidConfig) for one that is no host.

        Args:
            where: what they stand in, for messages.
        """
        self._where = where
        lines = [line.strip() for line in text.splitlines()]
        self._origins = {_origin_of_line(line, where) for line in lines if line}
        if not self._origins:
            raise _unusable(f"has nothing in {where}; write the hosts it may be sent to, one a line")

    def __contains__(self, url: httpx.URL | str) -> bool:
        return _origin(httpx.URL(url)) in self._origins

    def check(self, url: httpx.URL | str) -> None:
        """Raise TransientError (InvalidConfig) if the Secret may not be sent to this address."""
        try:
            if url in self:
                return
        except httpx.InvalidURL as error:
            raise ConfigError(f"{str(url).partition('?')[0]!r:.200} is no address: {error}", reason="InvalidSpec") from error
        scheme, host, port = _origin(httpx.URL(url))
        wanted = (f"{scheme}://" if scheme != "https" else "") + (host if port == _PORTS.get(scheme) else f"{host}:{port}")
        raise _unusable(f"may not be sent to {wanted}: {self._where} names {self}; add `{wanted}` there, or correct the source")

    def __str__(self) -> str:
        return ", ".join(sorted(("http://" if scheme == "http" else "") + f"{host}:{port}" for scheme, host, port in self._origins))


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme, 0)


def _origin_of_line(line: str, where: str) -> Origin:
    try:
        url = httpx.URL(line if "://" in line else f"https://{line}")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in _PORTS or not _HOST.match(url.host) or url.raw_path not in (b"", b"/") or url.userinfo:
        raise _unusable(f"has {line!r:.80} in {where}; write host, host:port, or http://host:port for one without TLS")
    return _origin(url)


class SourceSecret:
    """The mounted Secret of a source."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def hosts(self) -> AllowedHosts:
        """Where it may be sent; raises TransientError (InvalidConfig) if it does not say."""
        return AllowedHosts(self.value(HOSTS_KEY, is_secret=False))

    def find_hosts(self) -> AllowedHosts | None:
        """Return where it may be sent; None if it has no such key."""
        text = self._read(HOSTS_KEY)
        return None if text is None else AllowedHosts(text)

    def path(self, key: str) -> Path:
        """Return the file of a key, which need not be there."""
        return self._directory / key

    def find(self, key: str) -> str | None:
        """Return what a key holds, without the newline at its end; None if it is not there."""
        text = self._read(key)
        if text:
            hide(text)
        return text

    def value(self, key: str, *, is_secret: bool = True) -> str:
        """Return what a key holds; raises TransientError (InvalidConfig) if it is not there or empty."""
        text = self.find(key) if is_secret else self._read(key)
        if not text:
            raise _unusable(f"has no key `{key}`, or an empty one; it has {', '.join(self._keys()) or 'none'}")
        return text

    def http_auth(self) -> httpx.Auth:
        """Return the login for HTTP: `token` (Bearer), or `username` and `password` (Basic); sent to its `hosts` only.

        Raises: TransientError (InvalidConfig) if it holds neither, or both.
        """
        token, username = self.find("token"), self._read("username")
        if bool(token) == bool(username):
            raise _unusable(f"must have either `token`, or `username` and `password`; it has {', '.join(self._keys()) or 'no key'}")
        if token:
            return _HostBound(self.hosts, f"Bearer {token}")
        encoded = base64.b64encode(f"{username}:{self.value('password')}".encode()).decode()
        hide(encoded)
        return _HostBound(self.hosts, f"Basic {encoded}")

    def _read(self, key: str) -> str | None:
        try:
            return (self._directory / key).read_text().rstrip("\r\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(f"has a key `{key}` that cannot be read as text ({type(error).__name__})") from None

    def _keys(self) -> list[str]:
        if not self._directory.is_dir():
            return []
        return sorted(path.name for path in self._directory.iterdir() if not path.name.startswith(".."))


class _HostBound(httpx.Auth):
    """Adds a header for allowed origins only. A redirect to another origin loses it: httpx drops it there, and does not ask again."""

    def __init__(self, hosts: AllowedHosts, header: str) -> None:
        self._hosts = hosts
        self._header = header

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if request.url in self._hosts:
            request.headers["Authorization"] = self._header
        yield request

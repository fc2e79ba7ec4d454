"""Ask a component whether it is healthy. Each check returns nothing if it is, else one phrase that says what is wrong."""

import http.client
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

__all__ = ["HealthCheck", "HttpHealth", "SocketHealth", "is_listening"]

_TIMEOUT_S = 2.0


class HealthCheck(Protocol):
    """Something that can be asked."""

    def problem(self) -> str | None:
        """Return what is wrong, or None."""
        ...


@dataclass(frozen=True, slots=True)
class HttpHealth:
    """Healthy if a GET answers 200; never through a proxy."""

    url: str
    ca_file: Path | None = None

    def problem(self) -> str | None:
        """Return what is wrong, or None."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or 80
        connection: http.client.HTTPConnection
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
                connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
            else:
                connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        except OSError as error:
            return f"cannot read {self.ca_file}: {error}"
        try:
            connection.request("GET", parts.path or "/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"{self.url} does not answer: {error}"
        finally:
            connection.close()
        return None if status == 200 else f"{self.url} answers {status}"


@dataclass(frozen=True, slots=True)
class SocketHealth:
    """Healthy if a Unix socket accepts a connection."""

    path: Path

    def problem(self) -> str | None:
        """Return what is wrong, or None."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_TIMEOUT_S)
                connection.connect(str(self.path))
        except OSError as error:
            return f"{self.path} does not answer: {error}"
        return None


def is_listening(address: str, port: int) -> bool:
    """Tell whether anything accepts TCP connections there."""
    try:
        with socket.create_connection((address, port), timeout=_TIMEOUT_S):
            return True
    except OSError:
        return False

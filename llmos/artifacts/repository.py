"""Where an artifact lives: a registry host, a repository path, and how to reach the registry.

Must not: talk to it. Paths follow the distribution specification, so a bad one is refused here and not by a 400 from far away.
"""

import re
from dataclasses import dataclass
from typing import Final

from llmos.artifacts.cache import BlobCache

__all__ = ["RegistryAccess", "Repository"]

_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?\Z")
_COMPONENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_MAX_PATH: Final = 255


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How the registry is reached; the files are mounted Secrets and are read when a client is made."""

    plain_http: bool = False
    """Speak HTTP without TLS (a registry inside the cluster); such a registry is also never asked through a proxy."""

    ca_file: str | None = None
    """PEM bundle trusted besides the system's."""

    credentials_file: str | None = None
    """A docker `config.json`; None: anonymous."""

    public_key: str | None = None
    """PEM keys, one of which must have signed every version that is got by its digest; None: signatures are not asked for."""

    cache: BlobCache | None = None
    """Where blobs that were fetched are kept; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Repository:
    """`host[:port]/path`, without tag or digest."""

    host: str
    path: str

    def __post_init__(self) -> None:
        if not _HOST.match(self.host):
            raise ValueError(f"{self.host!r} is not a registry host; write host or host:port")
        if len(self.path) > _MAX_PATH or not all(_COMPONENT.match(part) for part in self.path.split("/")):
            raise ValueError(
                f"{self.path!r} is not a repository path; use lower-case letters, digits and single '.', '_' or '-' between them, "
                f"in parts joined by '/', at most {_MAX_PATH} characters"
            )

    @classmethod
    def parse(cls, text: str) -> "Repository":
        """Parse `host[:port]/path`.

        Raises: ValueError if it is not of that form; tags, digests and schemes are refused.
        """
        host, slash, path = text.partition("/")
        if not slash:
            raise ValueError(f"{text!r} is not a repository; write host[:port]/path, for example 10.244.0.1:5000/llmos")
        return cls(host, path)

    def child(self, *parts: str) -> "Repository":
        """Return the repository below this one, `child("demo", "model", "minilm")`."""
        return Repository(self.host, "/".join((self.path, *parts)))

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

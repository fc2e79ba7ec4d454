"""An HTTP server on loopback that can be told to misbehave: what downloads are tested against."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from llmos.workload import HttpFile
from tests.unit.loopback import serving

WEIGHTS = bytes(range(256)) * 4096


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Mirror:
    """What it serves, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {"/model.safetensors": WEIGHTS, "/config.json": b"{}"})
    redirects: dict[str, str] = field(default_factory=lambda: {"/moved": "/config.json"})
    statuses: list[int] = field(default_factory=list)
    """For the next requests; 0 cuts the connection after half of the body, -1 goes silent there."""
    resumes: bool = True
    resumes_at: int | None = None
    """Go on from here, whatever was asked: a server that gets ranges wrong."""
    added_length: int = 0
    """How much longer than its body a file claims to be."""
    etags: list[str] = field(default_factory=list)
    login: str = ""
    """The Authorization header it wants."""
    silence_s: float = 0.4
    ranges: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    """Path, and the Authorization header that came with it."""

    def file(self, served: str, **changes: str) -> HttpFile:
        return HttpFile(**{"url": self.url + served, "sha256": sha256(self.files.get(served, b"")), "path": served[1:], **changes})

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@contextmanager
def running_mirror() -> Iterator[Mirror]:
    """Serve until the block ends."""
    told = Mirror()

    class Handler(_Handler):
        mirror = told

    with serving(Handler) as host:
        told.url = f"http://{host}"
        yield told


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        told = self.mirror
        told.ranges.append(self.headers.get("Range", ""))
        told.conditions.append(self.headers.get("If-Range", ""))
        told.logins.append((self.path, self.headers.get("Authorization", "")))
        status = told.statuses.pop(0) if told.statuses else 200
        path = self.path.partition("?")[0]
        if status > 200:
            self.send_error(status)
        elif told.login and self.headers.get("Authorization") != told.login:
            self.send_error(401)
        elif path in told.redirects:
            self.send_response(302)
            self.send_header("Location", told.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path not in told.files:
            self.send_error(404)
        else:
            self._send(told.files[path], status)

    def _send(self, data: bytes, status: int) -> None:
        told = self.mirror
        etag = told.etags.pop(0) if told.etags else ""
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and told.resumes else 0
        if told.conditions[-1] and told.conditions[-1] != etag:
            start = 0
        if start and told.resumes_at is not None:
            start = told.resumes_at
        self.send_response(206 if wanted and told.resumes and (start or told.resumes_at is not None) else 200)
        self.send_header("Content-Length", str(len(data) - start + told.added_length))
        if wanted and told.resumes:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(data[start : len(data) // 2] if status <= 0 else data[start:])
        if status < 0:
            self.wfile.flush()
            time.sleep(told.silence_s)

    def log_message(self, *_: object) -> None:
        pass

"""A bucket on loopback that speaks as much S3 as a download needs, and can be told to misbehave. It checks no signature; MinIO does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.unit.loopback import serving

NAME = "models"


@dataclass
class Bucket:
    """What it holds, how it misbehaves, and what it was asked."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    """For the next GETs of an object: 0 cuts the connection after half of the body, 2 goes silent there, 1 replaces the object first."""
    refuses: tuple[int, str] | None = None
    """Status and code of every answer."""
    silence_s: float = 0.5
    ranges: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def put(self, key: str, content: bytes) -> None:
        self.objects[key] = content

    def tag(self, key: str) -> str:
        return f'"{hashlib.md5(self.objects[key]).hexdigest()}"'


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """Serve until the block ends."""
    told = Bucket()

    class Handler(_Handler):
        bucket = told

    with serving(Handler) as host:
        told.url = f"http://{host}"
        yield told


class _Handler(BaseHTTPRequestHandler):
    bucket: Bucket

    def do_GET(self) -> None:
        told = self.bucket
        told.authorizations.append(self.headers.get("Authorization", ""))
        parts = urlsplit(self.path)
        name, _, key = unquote(parts.path).removeprefix("/").partition("/")
        if told.refuses is not None:
            self._fail(*told.refuses)
        elif name != NAME:
            self._fail(404, "NoSuchBucket")
        elif not key:
            self._list(parse_qs(parts.query).get("prefix", [""])[0])
        elif key not in told.objects:
            self._fail(404, "NoSuchKey")
        else:
            self._object(key)

    do_HEAD = do_GET

    def _list(self, prefix: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(self.bucket.tag(key))}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.bucket.objects.items())
            if key.startswith(prefix)
        )
        self._send(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode())

    def _object(self, key: str) -> None:
        told = self.bucket
        status = told.statuses.pop(0) if told.statuses and self.command == "GET" else 200
        if status == 1:
            told.objects[key] = told.objects[key][::-1]
        if (wanted := self.headers.get("If-Match")) and wanted != told.tag(key):
            self._fail(412, "PreconditionFailed")
            return
        data, asked = told.objects[key], self.headers.get("Range", "")
        if self.command == "GET":
            told.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        headers = {"ETag": told.tag(key), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if asked else 200, data[start:], headers, cut=status in (0, 2))
        if status == 2:
            self.wfile.flush()
            time.sleep(told.silence_s)

    def _fail(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *_: object) -> None:
        pass

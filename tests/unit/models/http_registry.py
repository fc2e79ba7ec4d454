"""Real sockets for jobs to be tested through: the in-memory registry, and a folder of files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path

import httpx

from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.loopback import serving


@contextmanager
def serve_registry(memory: MemoryRegistry, port: int = 0) -> Iterator[str]:
    """Serve until the block ends; yields `host:port`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's acknowledgement of its headers

        def answer(self) -> None:
            content = self._content()
            request = httpx.Request(self.command, f"http://registry.test{self.path}", headers=dict(self.headers), content=content)
            response = memory.handle(request)
            response.read()
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding"):
                    self.send_header(name, value.replace("http://registry.test", ""))
            length = response.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(response.content))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.content)

        def _content(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler, port) as host:
        yield host


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve a folder's files until the block ends; yields the base URL."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with serving(partial(Handler, directory=str(folder)), 0) as host:
        yield f"http://{host}"

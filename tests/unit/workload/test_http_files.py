"""Files over HTTP: checked while they stream, resumed, tried again, and never left half-way; against a real server on loopback."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload import HttpFile, fetch_http_files

WEIGHTS = bytes(range(256)) * 4096


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Mirror:
    """A server that can be told to misbehave."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {"/model.safetensors": WEIGHTS, "/config.json": b"{}"})
    statuses: list[int] = field(default_factory=list)
    """For the next requests; 0 cuts the connection after half of the body."""
    resumes: bool = True
    ranges: list[str] = field(default_factory=list)

    def file(self, served: str, **changes: str) -> HttpFile:
        return HttpFile(**{"url": self.url + served, "sha256": sha256(self.files.get(served, b"")), "path": served[1:], **changes})


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    told = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.ranges.append(self.headers.get("Range", ""))
            status = told.statuses.pop(0) if told.statuses else 200
            path = self.path.partition("?")[0]
            if path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/config.json")
                self.end_headers()
                return
            data = told.files.get(path)
            if status not in (0, 200) or data is None:
                self.send_error(status if status not in (0, 200) else 404)
                return
            start = int(told.ranges[-1].removeprefix("bytes=").rstrip("-")) if told.ranges[-1] and told.resumes else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start : len(data) // 2] if status == 0 else data[start:])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(mirror: Mirror, folder: Path, *files: HttpFile) -> Path:
    return fetch_http_files(files or [mirror.file("/model.safetensors")], folder / "model", sleep=lambda _: None)


def test_every_file_lies_where_it_should_with_the_bytes_it_must_have(mirror: Mirror, tmp_path: Path) -> None:
    weights = mirror.file("/model.safetensors", path="deep/er/model.safetensors")
    found = fetch(mirror, tmp_path, weights, mirror.file("/config.json"), mirror.file("/moved", sha256=sha256(b"{}"), path="moved.json"))
    assert (found / "deep/er/model.safetensors").read_bytes() == WEIGHTS
    assert (found / "config.json").read_bytes() == (found / "moved.json").read_bytes() == b"{}"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("resumes", [True, False])
def test_a_download_that_breaks_off_goes_on_where_it_stopped_or_starts_over(mirror: Mirror, tmp_path: Path, resumes: bool) -> None:
    mirror.statuses, mirror.resumes = [0], resumes
    assert (fetch(mirror, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS
    assert mirror.ranges == ["", f"bytes={len(WEIGHTS) // 2}-"]


def test_a_server_that_is_busy_is_asked_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.statuses = [503, 429, 500]
    assert (fetch(mirror, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (503, TransientError),
        (403, TransientError),
        (401, TransientError),
        (404, NotFoundError),
        (410, NotFoundError),
        (418, PermanentError),
    ],
)
def test_each_refusal_says_whether_trying_again_can_help(mirror: Mirror, tmp_path: Path, status: int, error: type[LlmosError]) -> None:
    mirror.statuses = [status] * 9
    with pytest.raises(error, match=f"model.safetensors.* answered {status}|answered {status}") as caught:
        fetch(mirror, tmp_path)
    assert type(caught.value) is error
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum_names_both_and_leaves_nothing(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        fetch(mirror, tmp_path, mirror.file("/config.json"), mirror.file("/model.safetensors", sha256="0" * 64))
    assert caught.value.reason == "ChecksumMismatch"
    assert "0" * 64 in caught.value.message
    assert sha256(WEIGHTS) in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        fetch(Mirror(url="http://127.0.0.1:1"), tmp_path)


@pytest.mark.parametrize("path", ["../a", "/a", "a//b", "a/./b", "a\\b", ""])
def test_a_path_that_leaves_the_folder_is_refused(mirror: Mirror, tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigError, match="must be relative"):
        fetch(mirror, tmp_path, mirror.file("/config.json", path=path))


def test_one_path_for_two_files_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="twice"):
        fetch(mirror, tmp_path, mirror.file("/config.json"), mirror.file("/config.json"))


def test_a_signed_address_is_not_shown(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        fetch(mirror, tmp_path, HttpFile(f"{mirror.url}/config.json?signature=secret", "0" * 64, "config.json"))
    assert "secret" not in caught.value.message

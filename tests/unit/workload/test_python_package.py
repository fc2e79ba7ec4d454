"""Fetching a wheel, pinned by checksum.

Real wheels, built here, served to the real pip by a directory; no index is asked.
"""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload import fetch_python_package, python_package
from tests.unit.workload.wheels import GOOD, NAME, VERSION, build_wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@contextmanager
def index_that_answers(status: int, page: str = "") -> Iterator[str]:
    """A package index on loopback that has one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask_index(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Make this index all pip knows, and let it not wait between its attempts."""
    settings = {"INDEX_URL": url, "EXTRA_INDEX_URL": "", "RETRIES": "0", "TIMEOUT": "5", "NO_INDEX": "0", "FIND_LINKS": ""}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def fetch(tmp_path: Path, sha256: str, paths: list[str], **options: Any) -> list[str]:
    into = tmp_path / "into"
    options = {"name": NAME, "version": VERSION} | options
    return [str(path.relative_to(into)) for path in fetch_python_package(sha256=sha256, paths=paths, into=into, **options)]


def left_over(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "index")


def test_only_the_members_asked_for_are_unpacked(index: Path, tmp_path: Path) -> None:
    sha256 = build_wheel(index, GOOD)
    assert fetch(tmp_path, sha256, ["pkg/model", "pkg/data.obo"]) == [
        "pkg/data.obo",
        "pkg/model/config.json",
        "pkg/model/deep/er.txt",
        "pkg/model/model.safetensors",
    ]
    assert (tmp_path / "into/pkg/model/deep/er.txt").read_bytes() == b"deep"
    assert left_over(tmp_path) == ["into"]


def test_a_wrong_checksum_names_expected_and_actual(index: Path, tmp_path: Path) -> None:
    actual, expected = build_wheel(index, GOOD), "0" * 64
    with pytest.raises(PermanentError, match=f"{expected} and has {actual}") as caught:
        fetch(tmp_path, "sha256:" + expected, ["pkg/data.obo"])
    assert caught.value.reason == "ChecksumMismatch"
    assert left_over(tmp_path) == []


def test_an_unknown_version_is_for_a_person_to_mend(index: Path, tmp_path: Path) -> None:
    build_wheel(index, GOOD)
    with pytest.raises(PermanentError, match=r"llmos-test-source 9\.9 has no wheel") as caught:
        fetch(tmp_path, "0" * 64, ["pkg"], version="9.9")
    assert caught.value.reason == "InvalidSource"


def test_an_index_that_is_away_is_asked_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real refused connection: pip then says 'no matching distribution', and must not be believed."""
    ask_index(monkeypatch, "http://127.0.0.1:9/simple")
    with pytest.raises(TransientError, match="index could not be reached"):
        fetch(tmp_path, "0" * 64, ["pkg"])


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503])
def test_an_index_that_refuses_is_asked_again_later_and_its_status_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The token in the environment may have expired: correcting it changes no spec, so it must not be for ever."""
    with index_that_answers(status) as url:
        ask_index(monkeypatch, url)
        with pytest.raises(TransientError, match=str(status)) as caught:
            fetch(tmp_path, "0" * 64, ["pkg"])
    assert caught.value.reason == "InvalidSource"
    assert "correct pythonPackage" not in caught.value.message


def test_a_package_the_index_does_not_know_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be published later; some indexes answer 404 to who may not see it."""
    with index_that_answers(404) as url:
        ask_index(monkeypatch, url)
        with pytest.raises(NotFoundError, match=r"llmos-test-source 1\.0 is not on the configured index"):
            fetch(tmp_path, "0" * 64, ["pkg"])


def test_an_index_with_other_versions_only_is_for_a_person_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = '<a href="llmos_test_source-2.0-py3-none-any.whl">llmos_test_source-2.0-py3-none-any.whl</a>'
    with index_that_answers(200, f"<!DOCTYPE html><html><body>{page}</body></html>") as url:
        ask_index(monkeypatch, url)
        with pytest.raises(PermanentError, match=r"from versions: 2\.0"):
            fetch(tmp_path, "0" * 64, ["pkg"])


def test_pip_keeps_its_temporary_files_where_the_wheel_goes(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes the whole wheel to TMPDIR first, and a pod's /tmp is small and fixed."""
    sha256 = build_wheel(index, GOOD)
    run, seen = subprocess.run, []

    def pip(*args: Any, **options: Any) -> Any:
        seen.append(Path(options["env"]["TMPDIR"]))
        return run(*args, **options)

    monkeypatch.setattr(python_package.subprocess, "run", pip)
    fetch(tmp_path, sha256, ["pkg/data.obo"])
    assert seen[0].is_relative_to(tmp_path)
    assert left_over(tmp_path) == ["into"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"name": "--index-url=http://evil"}, r"pythonPackage\.name"),
        ({"name": "a b"}, r"pythonPackage\.name"),
        ({"version": "1.0 --pre"}, r"pythonPackage\.version"),
        ({"version": ""}, r"pythonPackage\.version"),
    ],
)
def test_what_cannot_be_a_package_never_reaches_pip(index: Path, tmp_path: Path, options: dict[str, str], field: str) -> None:
    sha256 = build_wheel(index, GOOD)
    with pytest.raises(ConfigError, match=field):
        fetch(tmp_path, sha256, ["pkg"], **options)


def test_the_index_password_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def pip(*_args: Any, **_options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "ERROR: 503 Server Error for https://me:hunter2@index.test/simple/")

    monkeypatch.setattr(python_package.subprocess, "run", pip)
    with pytest.raises(LlmosError) as caught:
        fetch(tmp_path, "0" * 64, ["pkg"])
    assert "503" in str(caught.value)
    assert "hunter2" not in str(caught.value) + caplog.text

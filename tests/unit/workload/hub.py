"""A server on loopback that speaks the part of the Hugging Face Hub's HTTP API that a download needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from tests.unit.loopback import serving
from tests.unit.workload.mirror import Mirror, running_mirror

REPOSITORY = "team/minilm"
WEIGHTS = b"weights" * 5000


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Hub:
    """One repository: `commits` maps a commit to its files, `revisions` a branch to a commit."""

    cdn: Mirror
    url: str = ""
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    token: str = ""
    """Wanted for everything, if not empty."""
    answer: tuple[int, str, str] | None = None
    """Status, X-Error-Code and X-Error-Message of every answer of the API."""
    document: dict[str, Any] | None = None
    """What the API answers instead of the truth."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path, and the Authorization header that came with it."""

    def commit(self, revision: str, files: dict[str, bytes]) -> str:
        name = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[name] = files
        self.revisions[revision] = name
        for path, content in files.items():
            if path.endswith(".safetensors"):
                self.cdn.files[f"/{hashlib.sha256(content).hexdigest()}"] = content
        return name

    def describe(self, commit: str) -> dict[str, Any]:
        siblings = []
        for path, content in self.commits[commit].items():
            entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": git_hash(content)}
            if path.endswith(".safetensors"):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 134}
            siblings.append(entry)
        return {"id": REPOSITORY, "sha": commit, "siblings": siblings}


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve until the block ends; large files are redirected to another server, as the real one does."""
    with running_mirror() as cdn:
        told = Hub(cdn)

        class Handler(_Handler):
            hub = told

        with serving(Handler) as host:
            told.url = f"http://{host}"
            yield told


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        told = self.hub
        path = unquote(self.path.partition("?")[0])
        authorization = self.headers.get("Authorization", "")
        told.asked.append((path, authorization))
        api = f"/api/models/{REPOSITORY}/revision/"
        if told.answer is not None:
            self._send(told.answer[0], b"{}", **{"X-Error-Code": told.answer[1], "X-Error-Message": told.answer[2]})
        elif told.token and authorization != f"Bearer {told.token}":
            message = "Invalid credentials in Authorization header" if authorization else "Invalid username or password."
            self._send(401, b"{}", **{"X-Error-Message": message})
        elif path.startswith(api):
            self._describe(path.removeprefix(api))
        elif path.startswith(f"/{REPOSITORY}/resolve/"):
            commit, _, name = path.removeprefix(f"/{REPOSITORY}/resolve/").partition("/")
            self._resolve(commit, name)
        else:
            self._send(404, b"{}", **{"X-Error-Code": "RepoNotFound"})

    def _describe(self, revision: str) -> None:
        commit = self.hub.revisions.get(revision, revision)
        if self.hub.document is not None:
            self._send(200, json.dumps(self.hub.document).encode())
        elif commit not in self.hub.commits:
            self._send(404, b"{}", **{"X-Error-Code": "RevisionNotFound"})
        else:
            self._send(200, json.dumps(self.hub.describe(commit)).encode())

    def _resolve(self, commit: str, name: str) -> None:
        content = self.hub.commits.get(commit, {}).get(name)
        if content is None:
            self._send(404, b"", **{"X-Error-Code": "EntryNotFound"})
        elif name.endswith(".safetensors"):
            self._send(302, b"", Location=f"{self.hub.cdn.url}/{hashlib.sha256(content).hexdigest()}?X-Amz-Signature=s")
        else:
            self._send(200, content)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass

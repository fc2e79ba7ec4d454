"""A Git server on loopback: Git's own `http-backend`, with a login if one is wanted, and repositories made by Git itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.unit.loopback import serving

_QUIET = {
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "a"), ("EMAIL", "a@example.org"))},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "PATH": os.environ["PATH"],
}


@dataclass
class GitServer:
    """One repository, what was asked, and how it misbehaves."""

    folder: Path
    url: str = ""
    login: str = ""
    """The Authorization header it wants."""
    cut: int = 0
    """Cut the answers to so many POSTs after half of their bytes."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path, and the Authorization header that came with it."""
    packs: list[int] = field(default_factory=list)
    """Sizes of the answers to POSTs."""

    def git(self, *arguments: str, content: bytes = b"") -> str:
        command = ["git", "-C", str(self.folder / "knowledge.git"), *arguments]
        return subprocess.run(command, env=_QUIET, input=content, capture_output=True, check=True).stdout.decode().strip()

    def commit(self, files: Mapping[str, bytes | tuple[str, str]], branch: str = "main", parent: str = "") -> str:
        """Commit a whole tree to a branch; a value of (mode, content or object) is a link or a submodule."""
        self.git("read-tree", "--empty")
        for path, content in files.items():
            mode, data = content if isinstance(content, tuple) else ("100644", content)
            name = (
                data
                if mode == "160000"
                else self.git("hash-object", "-w", "--stdin", content=data if isinstance(data, bytes) else data.encode())
            )
            self.git("update-index", "--add", "--cacheinfo", f"{mode},{name},{path}")
        tree = self.git("write-tree")
        parents = ["-p", parent] if parent else []
        made = self.git("commit-tree", tree, *parents, "-m", "a change")
        self.git("update-ref", f"refs/heads/{branch}", made)
        return made


@contextmanager
def running_git(folder: Path) -> Iterator[GitServer]:
    """Serve an empty repository, `<url>`, until the block ends."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder / "knowledge.git")], env=_QUIET, check=True)
    told = GitServer(folder)

    class Handler(_Handler):
        server_of_git = told

    with serving(Handler) as host:
        told.url = f"http://{host}/knowledge.git"
        yield told


class _Handler(BaseHTTPRequestHandler):
    server_of_git: GitServer

    def answer(self) -> None:
        told = self.server_of_git
        told.asked.append((self.path, self.headers.get("Authorization", "")))
        if told.login and self.headers.get("Authorization") != told.login:
            return self.send_error(401)
        path, _, query = self.path.partition("?")
        if path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            **_QUIET,
            "GIT_PROJECT_ROOT": str(told.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "POST":
            told.packs.append(len(content))
            if b"fetch" in body and told.cut:
                told.cut -= 1
                content = content[: len(content) // 2]
        self.wfile.write(content)
        return None

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass

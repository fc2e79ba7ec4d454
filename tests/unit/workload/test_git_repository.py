"""Files from Git, against Git's own HTTP server: which commit, what is refused, and where a login goes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmos.errors import ConfigError, NotFoundError, PermanentError, TransientError
from llmos.workload.git_repository import fetch_git_files, resolve_git
from llmos.workload.source_secret import SourceSecret
from tests.unit.workload.git_server import GitServer, running_git

FILES = {"terms.csv": b"id,name\n", "deep/er/graph.ttl": b"@prefix a: <urn:a> .\n"}


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitServer]:
    with running_git(tmp_path) as server:
        server.commit(FILES)
        yield server


def fetch(git: GitServer, folder: Path, ref: str | None = None, paths: tuple[str, ...] = ("terms.csv",), **changes: Any) -> str:
    return fetch_git_files(git.url, ref, paths, folder / "fetched", sleep=lambda _seconds: None, **changes)


def secret_at(folder: Path, **keys: str) -> SourceSecret:
    folder.mkdir()
    for key, value in keys.items():
        (folder / key).write_text(value)
    return SourceSecret(folder)


def test_the_files_of_a_branch_come_with_the_commit_they_are_of_and_nothing_else_stays(git: GitServer, tmp_path: Path) -> None:
    commit = fetch(git, tmp_path, "main", ("terms.csv", "deep/er/graph.ttl"))
    assert commit == git.git("rev-parse", "main")
    found = {str(path.relative_to(tmp_path / "fetched")): path.read_bytes() for path in (tmp_path / "fetched").rglob("*") if path.is_file()}
    assert found == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fetched", "knowledge.git"]


def test_without_a_reference_the_servers_head_is_taken(git: GitServer, tmp_path: Path) -> None:
    git.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    trunk = git.commit({"terms.csv": b"trunk"}, branch="trunk")
    assert fetch(git, tmp_path) == trunk
    assert (tmp_path / "fetched/terms.csv").read_bytes() == b"trunk"


def test_an_annotated_tag_stands_for_its_commit_and_a_commit_for_itself(git: GitServer, tmp_path: Path) -> None:
    tagged = git.git("rev-parse", "main")
    git.git("tag", "-a", "v1", "-m", "first", "main")
    git.commit({"terms.csv": b"later"}, parent=tagged)
    assert resolve_git(git.url, "v1") == tagged
    assert fetch(git, tmp_path, tagged) == tagged
    assert (tmp_path / "fetched/terms.csv").read_bytes() == FILES["terms.csv"]


def test_history_is_not_fetched(git: GitServer, tmp_path: Path) -> None:
    first = git.commit({"big.bin": bytes(range(256)) * 64, "terms.csv": b"1"})
    for word in (b"2", b"3", b"4"):
        first = git.commit({"terms.csv": word, "noise": word * 4000}, parent=first)
    fetch(git, tmp_path, "main")
    commits = git.git("rev-list", "--count", "main")
    assert commits == "4"
    assert git.packs[-1] < 1000


def test_a_name_that_is_a_branch_and_a_tag_must_be_written_in_full(git: GitServer, tmp_path: Path) -> None:
    git.git("tag", "release", "main")
    git.commit({"terms.csv": b"branch"}, branch="release")
    with pytest.raises(ConfigError, match="write refs/heads/release or refs/tags/release in git"):
        fetch(git, tmp_path, "release")
    fetch(git, tmp_path, "refs/heads/release")
    assert (tmp_path / "fetched/terms.csv").read_bytes() == b"branch"


ODD: dict[str, bytes | tuple[str, str]] = {
    "link.csv": ("120000", "/etc/passwd"),
    "linked": ("120000", "/etc"),
    "sub": ("160000", "1" * 40),
    "pointer.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
    "folder/b.csv": b"1",
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with running_git(tmp_path_factory.mktemp("odd")) as server:
        server.commit(ODD)
        yield server


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("link.csv", PermanentError, r"'link\.csv' is a link; it is refused"),
        ("linked/passwd", PermanentError, "'linked' is a link; it is refused"),
        ("sub/a.csv", PermanentError, "'sub' is a submodule; it is refused"),
        ("pointer.csv", PermanentError, "a pointer of Git LFS"),
        ("folder", PermanentError, "is a folder; name the files in it"),
        ("folder/a.csv", NotFoundError, r"has no 'folder/a\.csv': there is b\.csv; add it, or correct files"),
        ("folder/b.csv/c", NotFoundError, "has no 'folder/b.csv/c': there is no folder"),
    ],
    ids=["link", "linked folder", "submodule", "lfs", "folder", "missing", "below a file"],
)
def test_what_is_no_plain_file_is_refused_by_name(odd: GitServer, tmp_path: Path, path: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fetch(odd, tmp_path, "main", (path,))
    assert list(tmp_path.iterdir()) == []


def test_a_reference_or_repository_that_is_not_there_is_looked_for_again(git: GitServer, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="has no branch or tag 'soon'; push it, or correct git"):
        fetch(git, tmp_path, "soon")
    git.url = git.url.replace("knowledge", "other")
    with pytest.raises(NotFoundError, match=r"answered 404; correct git\.repository, or name a Secret"):
        fetch(git, tmp_path, "main")


def test_an_answer_that_breaks_off_is_asked_for_again(git: GitServer, tmp_path: Path) -> None:
    git.commit({"terms.csv": bytes(range(256)) * 400})
    git.cut = 2
    fetch(git, tmp_path, "main")
    assert (tmp_path / "fetched/terms.csv").stat().st_size == 102_400
    assert git.cut == 0


def test_a_pack_without_end_is_given_up(git: GitServer, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="has a pack of more than 0 MB"):
        fetch(git, tmp_path, "main", maximum_bytes=50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["knowledge.git"]


def test_a_page_for_people_is_no_git_server(tmp_path: Path) -> None:
    page = httpx.MockTransport(lambda _request: httpx.Response(200, html="<html>sign in</html>"))
    with pytest.raises(NotFoundError, match="speaks no smart Git protocol; name the address"):
        fetch_git_files("https://git.example.org/a", "main", ["a"], tmp_path / "a", transport=page, sleep=lambda _seconds: None)


def test_a_login_goes_to_its_hosts_only_and_a_refusal_says_what_to_do(git: GitServer, tmp_path: Path) -> None:
    git.login = "Basic " + base64.b64encode(b"robot:word").decode()
    with pytest.raises(TransientError, match="it refuses us; name a Secret with a login in git"):
        fetch(git, tmp_path)
    login = {"username": "robot", "password": "word"}
    host = git.url.removesuffix("/knowledge.git")
    fetch(git, tmp_path, secret=secret_at(tmp_path / "right", hosts=host, **login))
    before = len(git.asked)
    with pytest.raises(TransientError, match="may not be sent to http://127"):
        fetch(git, tmp_path, secret=secret_at(tmp_path / "wrong", hosts="git.example.org", **login))
    assert len(git.asked) == before


def test_a_repository_that_has_moved_is_followed_without_the_login_of_another_host(git: GitServer, tmp_path: Path) -> None:
    there = git.url.replace("127.0.0.1", "localhost")

    def move(request: httpx.Request) -> httpx.Response:
        if request.url.host == "old.example.org":
            return httpx.Response(302, headers={"Location": f"{there}/info/refs?service=git-upload-pack"})
        return httpx.HTTPTransport().handle_request(request)

    secret = secret_at(tmp_path / "secret", hosts="old.example.org", token="word")
    fetch_git_files("https://old.example.org/a", None, ["terms.csv"], tmp_path / "b", secret=secret, transport=httpx.MockTransport(move))
    assert {login for _, login in git.asked} == {""}

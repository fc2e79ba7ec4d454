"""Files over HTTP: checked while they stream, resumed, tried again, and never left half-way; against a real server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload import HttpFile, SourceSecret, fetch_http_files
from tests.unit.workload.mirror import WEIGHTS, Mirror, running_mirror, sha256


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with running_mirror() as mirror:
        yield mirror


@pytest.fixture
def elsewhere() -> Iterator[Mirror]:
    with running_mirror() as mirror:
        yield mirror


def fetch(mirror: Mirror, folder: Path, *files: HttpFile, **options: Any) -> Path:
    wanted = files or (mirror.file("/model.safetensors"),)
    return fetch_http_files(wanted, folder / "model", sleep=lambda _seconds: None, **options)


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


def login(folder: Path, **keys: str) -> SourceSecret:
    folder.mkdir()
    for key, text in keys.items():
        (folder / key).write_text(text)
    return SourceSecret(folder)


def test_a_login_is_sent_to_the_host_it_is_for(mirror: Mirror, tmp_path: Path) -> None:
    mirror.login = "Bearer t0psecret"
    secret = login(tmp_path / "secret", hosts=mirror.url, token="t0psecret\n")
    assert (fetch(mirror, tmp_path, secret=secret) / "model.safetensors").read_bytes() == WEIGHTS


def test_no_byte_is_asked_for_where_the_secret_may_not_be_sent(mirror: Mirror, tmp_path: Path) -> None:
    secret = login(tmp_path / "secret", hosts="models.example.org", token="t0psecret")
    with pytest.raises(TransientError, match=f"may not be sent to {mirror.url}: its key `hosts` names models.example.org") as caught:
        fetch(mirror, tmp_path, secret=secret)
    assert caught.value.reason == "InvalidConfig"
    assert mirror.logins == []


def test_a_redirect_to_another_host_loses_the_login(mirror: Mirror, elsewhere: Mirror, tmp_path: Path) -> None:
    mirror.login = "Bearer t0psecret"
    mirror.redirects["/model.safetensors"] = f"{elsewhere.url}/model.safetensors"
    secret = login(tmp_path / "secret", hosts=f"{mirror.url}\n{elsewhere.url}", token="t0psecret")
    assert (fetch(mirror, tmp_path, secret=secret) / "model.safetensors").read_bytes() == WEIGHTS
    assert mirror.logins == [("/model.safetensors", "Bearer t0psecret")]
    assert elsewhere.logins == [("/model.safetensors", "")]


@pytest.mark.parametrize(
    ("has_login", "message"),
    [(True, "correct the login in the Secret of the source"), (False, "name a Secret with a login in http.secretName")],
)
def test_a_refused_login_says_what_to_correct(mirror: Mirror, tmp_path: Path, has_login: bool, message: str) -> None:
    mirror.login = "Bearer another"
    secret = login(tmp_path / "secret", hosts=mirror.url, token="t0psecret") if has_login else None
    with pytest.raises(TransientError, match=f"answered 401: it refuses us; {message}") as caught:
        fetch(mirror, tmp_path, secret=secret)
    assert "t0psecret" not in caught.value.message


def test_a_host_that_goes_silent_is_left_and_asked_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.statuses = [-1]
    assert (fetch(mirror, tmp_path, timeout_s=0.1) / "model.safetensors").read_bytes() == WEIGHTS
    assert mirror.ranges == ["", f"bytes={len(WEIGHTS) // 2}-"]


def test_a_host_that_hangs_for_good_is_given_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.statuses, mirror.resumes, mirror.silence_s = [-1] * 99, False, 0.1
    with pytest.raises(TransientError, match="cannot be reached: ReadTimeout"):
        fetch(mirror, tmp_path, timeout_s=0.02)
    assert len(mirror.ranges) >= 6


def test_a_server_that_promises_more_than_it_has_is_given_up(mirror: Mirror, tmp_path: Path) -> None:
    mirror.added_length = 7
    with pytest.raises(TransientError, match=r"model\.safetensors"):
        fetch(mirror, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_server_that_goes_on_elsewhere_than_it_was_asked_is_not_believed(mirror: Mirror, tmp_path: Path) -> None:
    mirror.statuses, mirror.resumes_at = [0], 0
    assert (fetch(mirror, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_server_that_knows_no_more_bytes_is_asked_for_all_of_them(mirror: Mirror, tmp_path: Path) -> None:
    mirror.statuses = [0, 416]
    assert (fetch(mirror, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS
    assert mirror.ranges == ["", f"bytes={len(WEIGHTS) // 2}-", ""]


def test_a_file_that_was_replaced_between_two_attempts_comes_from_its_beginning(mirror: Mirror, tmp_path: Path) -> None:
    mirror.statuses, mirror.etags = [0], ['"old"', '"new"']
    assert (fetch(mirror, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS
    assert mirror.conditions == ["", '"old"']


def test_a_file_and_a_folder_of_one_name_are_refused(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"also the folder of 'a/config\.json'"):
        fetch(mirror, tmp_path, mirror.file("/config.json", path="a"), mirror.file("/config.json", path="a/config.json"))

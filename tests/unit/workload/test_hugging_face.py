"""A repository of a Hub as a source: one commit, every byte checked, the token for the endpoint only; against a server on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.models.folder import is_model_file
from llmos.workload import HuggingFaceRepository, SourceSecret, fetch_hugging_face
from tests.unit.workload.hub import REPOSITORY, WEIGHTS, Hub, git_hash, running_hub

FILES = {"config.json": b'{"a": 1}', "model.safetensors": WEIGHTS, "1_Pooling/config.json": b"{}"}
OTHERS = {"pytorch_model.bin": b"pickle", "modeling.py": b"import os", "onnx/model.onnx": b"onnx", ".gitattributes": b""}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with running_hub() as hub:
        hub.commit("main", {**FILES, **OTHERS})
        yield hub


def fetch(hub: Hub, into: Path, revision: str = "main", repository: str = REPOSITORY, **options: Any) -> str:
    wished = HuggingFaceRepository(repository, revision, hub.url)
    return fetch_hugging_face(wished, into, wanted=is_model_file, sleep=lambda _seconds: None, **options)


def secret_for(folder: Path, hosts: str, **keys: str) -> SourceSecret:
    folder.mkdir()
    for key, text in {"hosts": hosts, "token": "hf_t0psecret", **keys}.items():
        (folder / key).write_text(text)
    return SourceSecret(folder)


def found_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_revision_becomes_the_files_of_its_commit_and_nothing_else(hub: Hub, tmp_path: Path) -> None:
    commit = hub.revisions["main"]
    assert fetch(hub, tmp_path / "model") == f"{REPOSITORY}@{commit}"
    assert found_in(tmp_path / "model") == FILES
    assert not any(name in path for path, _ in hub.asked for name in OTHERS)


def test_the_revision_is_looked_up_once_and_files_come_from_its_commit(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "model")
    paths = [path for path, _ in hub.asked]
    assert sum("/revision/" in path for path in paths) == 1
    assert all(f"/resolve/{hub.revisions['main']}/" in path for path in paths if "/resolve/" in path)


@pytest.mark.parametrize("revision", ["v1", "refs/pr/1"])
def test_a_tag_or_a_pull_request_is_a_revision_too(hub: Hub, tmp_path: Path, revision: str) -> None:
    commit = hub.commit(revision, {"config.json": b"[]"})
    assert fetch(hub, tmp_path / "model", revision).endswith(commit)
    assert found_in(tmp_path / "model") == {"config.json": b"[]"}


def test_the_token_goes_to_the_endpoint_and_not_where_it_redirects_to(hub: Hub, tmp_path: Path) -> None:
    hub.token = "hf_t0psecret"
    fetch(hub, tmp_path / "model", secret=secret_for(tmp_path / "secret", hub.url))
    assert found_in(tmp_path / "model") == FILES
    assert {authorization for _, authorization in hub.asked} == {"Bearer hf_t0psecret"}
    assert [authorization for _, authorization in hub.cdn.logins] == [""]


def test_the_token_is_not_sent_to_a_host_the_secret_does_not_name(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=f"may not be sent to {hub.url}: its key `hosts` names hub.example.org") as caught:
        fetch(hub, tmp_path / "model", secret=secret_for(tmp_path / "secret", "hub.example.org"))
    assert caught.value.reason == "InvalidConfig"
    assert hub.asked == []


def test_a_token_that_lies_about_on_the_machine_is_not_used(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_somebodys")
    fetch(hub, tmp_path / "model")
    assert {authorization for _, authorization in hub.asked} == {""}


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((404, "RepoNotFound", ""), NotFoundError, "has no repository team/minilm, or shows it only with a token, in a Secret named by"),
        ((401, "", "Invalid username or password."), NotFoundError, "has no repository team/minilm, or shows it only with a token"),
        ((403, "GatedRepo", ""), TransientError, "team/minilm is gated: accept its conditions at http://127"),
        ((404, "RevisionNotFound", ""), NotFoundError, r"team/minilm has no revision main; correct huggingFace\.revision"),
        ((403, "", "no"), TransientError, "answered 403 for team/minilm at revision main: it refuses us; correct or add a token"),
        ((503, "", ""), TransientError, "answered 503"),
        ((429, "", ""), TransientError, "answered 429"),
        ((400, "", ""), PermanentError, "answered 400 .*correct huggingFace"),
    ],
)
def test_each_refusal_is_one_sentence_that_says_whether_waiting_helps(
    hub: Hub, tmp_path: Path, answer: tuple[int, str, str], error: type[LlmosError], message: str
) -> None:
    hub.answer = answer
    with pytest.raises(error, match=message) as caught:
        fetch(hub, tmp_path / "model")
    assert (type(caught.value), caught.value.reason) == (error, "InvalidSource")
    assert "\n" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_token_that_is_not_accepted_says_which_to_correct(hub: Hub, tmp_path: Path) -> None:
    hub.token = "another"
    with pytest.raises(TransientError, match=r"it refuses us; correct or add the token in the Secret of the source") as caught:
        fetch(hub, tmp_path / "model", secret=secret_for(tmp_path / "secret", hub.url))
    assert "t0psecret" not in caught.value.message


def test_a_server_that_is_not_there_is_asked_again_later(hub: Hub, tmp_path: Path) -> None:
    hub.url = "http://127.0.0.1:1"
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:1 cannot be reached"):
        fetch(hub, tmp_path / "model")


def test_a_name_that_is_none_is_the_spec_s_mistake(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"huggingFace\.repository"):
        fetch(hub, tmp_path / "model", repository="a/b/c")


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"id": REPOSITORY, "siblings": []}, PermanentError, "names no commit for team/minilm"),
        ({"id": REPOSITORY, "sha": "../../etc", "siblings": []}, PermanentError, "names no commit"),
        ({"id": REPOSITORY, "sha": "a" * 40, "siblings": [{"rfilename": "config.json"}]}, PermanentError, "gives no size and hash"),
        ({"id": REPOSITORY, "sha": "a" * 40, "siblings": [{"name": 1}]}, TransientError, "answers what no Hub would"),
        ({"id": REPOSITORY, "sha": "a" * 40, "siblings": []}, PermanentError, "holds no file of a model; it has no file at all"),
        (
            {"id": REPOSITORY, "sha": "a" * 40, "siblings": [{"rfilename": "../a.json", "size": 2, "blobId": "b" * 40}]},
            ConfigError,
            "must be relative",
        ),
    ],
)
def test_an_answer_that_must_not_be_believed_is_refused(
    hub: Hub, tmp_path: Path, document: dict[str, Any], error: type[LlmosError], message: str
) -> None:
    hub.document = document
    with pytest.raises(error, match=message):
        fetch(hub, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_what_the_repository_says_is_refused(hub: Hub, tmp_path: Path, path: str) -> None:
    changed = FILES[path][:-1] + b"X"
    hub.document = hub.describe(hub.revisions["main"])
    hub.commits[hub.revisions["main"]][path] = changed
    if path.endswith("safetensors"):
        hub.cdn.files[f"/{hashlib.sha256(changed).hexdigest()}"] = changed
    with pytest.raises(PermanentError, match=f"{path} of team/minilm at revision main must have hash") as caught:
        fetch(hub, tmp_path / "model")
    assert caught.value.reason == "ChecksumMismatch"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_end_is_cut_off(hub: Hub, tmp_path: Path) -> None:
    hub.document = hub.describe(hub.revisions["main"])
    hub.commits[hub.revisions["main"]]["config.json"] = b"x" * 1_000_000
    with pytest.raises(PermanentError, match="sends more than the 8 bytes it should have"):
        fetch(hub, tmp_path / "model")


def test_a_download_that_breaks_off_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.cdn.statuses = [0]
    fetch(hub, tmp_path / "model")
    assert hub.cdn.ranges == ["", f"bytes={len(WEIGHTS) // 2}-"]
    assert found_in(tmp_path / "model") == FILES


def fill_cache(folder: Path, commit: str, files: dict[str, bytes], *, wrong: str = "") -> None:
    """Write a cache as huggingface_hub lays it out."""
    root = folder / f"models--{REPOSITORY.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    for path, content in files.items():
        name = hashlib.sha256(content).hexdigest() if path.endswith(".safetensors") else git_hash(content)
        blob, link = root / "blobs" / name, root / "snapshots" / commit / path
        for parent in (blob.parent, link.parent):
            parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(b"wrong" if path == wrong else content)
        link.symlink_to(blob)


def test_what_the_cache_has_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", hub.revisions["main"], FILES)
    fetch(hub, tmp_path / "model")
    assert found_in(tmp_path / "model") == FILES
    assert not any("/resolve/" in path for path, _ in hub.asked)


def test_what_the_cache_has_wrong_is_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", hub.revisions["main"], FILES, wrong="model.safetensors")
    fetch(hub, tmp_path / "model")
    assert found_in(tmp_path / "model") == FILES


def test_offline_a_snapshot_comes_from_the_cache_and_nobody_is_asked(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fill_cache(tmp_path / "cache", "c" * 40, {**FILES, **OTHERS})
    assert fetch(hub, tmp_path / "model") == f"{REPOSITORY}@{'c' * 40}"
    assert found_in(tmp_path / "model") == FILES
    assert hub.asked == []


def test_offline_a_damaged_cache_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fill_cache(tmp_path / "cache", "c" * 40, FILES, wrong="model.safetensors")
    with pytest.raises(PermanentError, match=r"model\.safetensors in the cache has hash .*; fill the cache anew"):
        fetch(hub, tmp_path / "model")


def test_offline_a_cache_without_it_says_where_it_was_looked_for(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NotFoundError, match=f"the cache {tmp_path / 'cache'} has no team/minilm at revision main"):
        fetch(hub, tmp_path / "model")

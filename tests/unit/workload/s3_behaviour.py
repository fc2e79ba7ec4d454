"""What a download from S3 must do, against any store: the small one (fast) and a real MinIO (tests/node)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llmos.errors import NotFoundError, PermanentError, TransientError
from llmos.models.folder import is_model_file
from llmos.workload import S3Folder, SourceSecret, fetch_from_s3

WEIGHTS = bytes(range(256)) * 20_000
FILES = {"1_Pooling/config.json": b"{}", "config.json": b'{"a": 1}', "model.safetensors": WEIGHTS}
OTHERS = {"pytorch_model.bin": b"pickle", "notes.md": b"x"}
BUCKET = "models"


@dataclass
class Store:
    """A store under test; `put` writes to its bucket."""

    url: str
    put: Callable[[str, bytes], None]
    key_id: str = "llmos"
    key: str = "correct-horse"

    def secret(self, folder: Path, **changes: str) -> SourceSecret:
        folder.mkdir()
        for name, text in {"hosts": self.url, "accessKeyId": self.key_id, "secretAccessKey": self.key, **changes}.items():
            (folder / name).write_text(text)
        return SourceSecret(folder)

    def folder(self, prefix: str = "team/minilm", **changes: Any) -> S3Folder:
        return S3Folder(**{"bucket": BUCKET, "prefix": prefix, "endpoint": self.url, **changes})


def fetch(folder: S3Folder, into: Path, **options: Any) -> tuple[str, str]:
    return fetch_from_s3(folder, into, wanted=is_model_file, sleep=lambda _seconds: None, **options)


def found_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


@pytest.fixture
def filled(store: Store) -> Store:
    for path, content in {**FILES, **OTHERS}.items():
        store.put(f"team/minilm/{path}", content)
    store.put("team/minilm2/config.json", b"another")
    return store


class S3Behaviour:
    """Inherit it beside a fixture `store`."""

    def test_what_makes_up_a_model_below_a_prefix_arrives(self, filled: Store, tmp_path: Path) -> None:
        digest, objects = fetch(filled.folder(), tmp_path / "model", secret=filled.secret(tmp_path / "secret"))
        assert found_in(tmp_path / "model") == FILES
        assert digest.startswith("sha256:")
        assert [item["path"] for item in json.loads(objects)] == sorted(FILES)
        assert all(item["etag"] for item in json.loads(objects))

    def test_the_digest_is_of_the_content_and_not_of_the_prefix(self, filled: Store, tmp_path: Path) -> None:
        secret = filled.secret(tmp_path / "secret")
        for path, content in FILES.items():
            filled.put(f"copy/{path}", content)
        first, _ = fetch(filled.folder(), tmp_path / "first", secret=secret)
        second, _ = fetch(filled.folder("copy"), tmp_path / "second", secret=secret)
        assert first == second

    def test_named_files_are_checked(self, filled: Store, tmp_path: Path) -> None:
        files = hashes({"config.json": FILES["config.json"], "notes.md": OTHERS["notes.md"]})
        fetch(filled.folder(files=files), tmp_path / "model", secret=filled.secret(tmp_path / "secret"))
        assert set(found_in(tmp_path / "model")) == {"config.json", "notes.md"}

    def test_a_named_file_of_another_hash_is_refused(self, filled: Store, tmp_path: Path) -> None:
        with pytest.raises(PermanentError, match=r"config\.json of s3://models/team/minilm must have sha256 0000") as caught:
            fetch(filled.folder(files={"config.json": "0" * 64}), tmp_path / "model", secret=filled.secret(tmp_path / "secret"))
        assert caught.value.reason == "ChecksumMismatch"
        assert not (tmp_path / "model").exists()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"prefix": "nowhere"}, "s3://models/nowhere holds nothing; copy the files there"),
            ({"bucket": "no-such-bucket"}, r"answered 404 \(NoSuchBucket\) for s3://no-such-bucket/team/minilm"),
            ({"files": {"no.json": "0" * 64}}, r"answered 404.* for no\.json of s3://models/team/minilm"),
        ],
    )
    def test_what_is_not_there_yet_is_looked_for_again(self, filled: Store, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(NotFoundError, match=message):
            fetch(filled.folder(**changes), tmp_path / "model", secret=filled.secret(tmp_path / "secret"))

    def test_a_prefix_without_a_model_is_refused(self, filled: Store, tmp_path: Path) -> None:
        filled.put("other/a.bin", b"x")
        with pytest.raises(PermanentError, match="holds no file of a model among 1 objects"):
            fetch(filled.folder("other"), tmp_path / "model", secret=filled.secret(tmp_path / "secret"))

    def test_keys_are_not_sent_to_a_host_the_secret_does_not_name(self, filled: Store, tmp_path: Path) -> None:
        with pytest.raises(TransientError, match=r"may not be sent to .*: its key `hosts` names s3\.example\.org"):
            fetch(filled.folder(), tmp_path / "model", secret=filled.secret(tmp_path / "secret", hosts="s3.example.org"))

"""A bucket as a source, against a small store on loopback that can misbehave; `tests/node/test_minio.py` runs the shared part on MinIO."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload import object_store
from tests.unit.workload.bucket import Bucket, running_bucket
from tests.unit.workload.s3_behaviour import FILES, WEIGHTS, S3Behaviour, Store, fetch, filled, found_in

__all__ = ["filled"]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name in (*object_store._CREDENTIAL_VARIABLES, "AWS_SESSION_TOKEN", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    with running_bucket() as bucket:
        yield bucket


@pytest.fixture
def store(bucket: Bucket) -> Store:
    return Store(bucket.url, bucket.put)


class TestASmallStore(S3Behaviour):
    """All of the shared behaviour."""


@pytest.mark.usefixtures("filled")
def test_a_stream_that_breaks_off_goes_on_where_it_stopped(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    bucket.statuses = [200, 200, 0, 0]
    fetch(store.folder(), tmp_path / "model")
    assert found_in(tmp_path / "model") == FILES
    starts = [int(asked.removeprefix("bytes=").partition("-")[0]) for asked in bucket.ranges if asked]
    assert starts
    assert all(0 < start < len(WEIGHTS) for start in starts)
    assert starts == sorted(starts)


@pytest.mark.usefixtures("filled")
def test_a_store_that_goes_silent_is_left_and_asked_again(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    bucket.statuses = [200, 200, 2]
    fetch(store.folder(), tmp_path / "model", read_timeout_s=0.1)
    assert found_in(tmp_path / "model") == FILES
    assert len(bucket.ranges) > len(FILES)


@pytest.mark.usefixtures("filled")
def test_an_object_that_was_replaced_after_it_was_listed_is_not_taken(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    bucket.statuses = [1]
    with pytest.raises(NotFoundError, match="of s3://models/team/minilm was replaced while it was read; it is tried again"):
        fetch(store.folder(), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("refuses", "error", "message"),
    [
        (
            (403, "AccessDenied"),
            TransientError,
            r"answered 403 \(AccessDenied\) for s3://models/team/minilm: it refuses us; correct",
        ),
        ((401, "Unauthorized"), TransientError, "answered 401"),
        ((400, "InvalidRequest"), PermanentError, r"answered 400 \(InvalidRequest\) for .*correct s3"),
    ],
)
def test_each_refusal_says_whether_trying_again_can_help(
    store: Store, bucket: Bucket, tmp_path: Path, refuses: tuple[int, str], error: type[LlmosError], message: str
) -> None:
    bucket.refuses = refuses
    with pytest.raises(error, match=message) as caught:
        fetch(store.folder(), tmp_path / "model", secret=store.secret(tmp_path / "secret"))
    assert (type(caught.value), caught.value.reason) == (error, "InvalidSource")
    assert "\n" not in caught.value.message
    assert "correct-horse" not in caught.value.message


@pytest.mark.usefixtures("filled")
def test_without_a_secret_nothing_is_signed(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    fetch(store.folder(), tmp_path / "model")
    assert set(bucket.authorizations) == {""}


@pytest.mark.usefixtures("filled")
def test_keys_of_the_environment_are_used_only_without_a_secret(
    store: Store, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebodys")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    fetch(store.folder(), tmp_path / "model", secret=store.secret(tmp_path / "secret"))
    assert all("Credential=llmos/" in header and "x-amz-security-token" not in header for header in bucket.authorizations)
    bucket.authorizations.clear()
    fetch(store.folder(), tmp_path / "other")
    assert all("Credential=somebodys/" in header for header in bucket.authorizations)


def test_a_prefix_of_too_many_objects_is_refused(store: Store, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        bucket.put(f"team/minilm/{number}.json", b"{}")
    monkeypatch.setattr(object_store, "MAX_FILES", 11)
    with pytest.raises(PermanentError, match="holds 12 files; name a narrower prefix"):
        fetch(store.folder(), tmp_path / "model")
    monkeypatch.setattr(object_store, "MAX_LISTED", 11)
    with pytest.raises(PermanentError, match="holds more than 11 objects; name a narrower prefix"):
        fetch(store.folder(), tmp_path / "model")


def test_a_key_that_climbs_is_refused(store: Store, bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("team/minilm/a\\b.json", b"{}")
    with pytest.raises(ConfigError, match="must be relative"):
        fetch(store.folder(), tmp_path / "model")


def test_a_store_that_is_not_there_is_asked_again_later(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_RETRIES", 0)
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:1 cannot be reached for s3://models/team/minilm") as caught:
        fetch(store.folder(endpoint="http://127.0.0.1:1"), tmp_path / "model")
    assert "\n" not in caught.value.message


def test_aws_is_asked_where_no_endpoint_is_given(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.folder(endpoint="", region="eu-central-1").used_endpoint == "https://s3.eu-central-1.amazonaws.com"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert store.folder(endpoint="").used_endpoint == "https://s3.eu-west-1.amazonaws.com"

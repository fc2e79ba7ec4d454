"""Blobs on a volume that several pods share: whole, checked, bounded; and never the reason why a download fails."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from llmos.artifacts import Registry, RegistryAccess, Repository
from llmos.artifacts.cache import BlobCache
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.artifacts.registry_behaviour import push


def blob(folder: Path, data: bytes) -> tuple[str, Path]:
    path = folder / "blob"
    path.write_bytes(data)
    return "sha256:" + hashlib.sha256(data).hexdigest(), path


def stored(cache: BlobCache) -> set[str]:
    return {path.name[:8] for path in (cache.folder / "sha256").iterdir()}


@pytest.fixture
def cache(tmp_path: Path) -> BlobCache:
    return BlobCache(tmp_path / "cache", limit_bytes=100)


def test_what_was_kept_is_taken(cache: BlobCache, tmp_path: Path) -> None:
    digest, path = blob(tmp_path, b"weights")
    assert not cache.take(digest, tmp_path / "copy")
    cache.put(digest, path)
    assert cache.take(digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"weights"


def test_a_damaged_blob_is_not_taken_and_makes_room_for_a_good_one(cache: BlobCache, tmp_path: Path) -> None:
    digest, path = blob(tmp_path, b"weights")
    cache.put(digest, path)
    (cache.folder / "sha256" / digest.removeprefix("sha256:")).write_bytes(b"wEights")
    assert not cache.take(digest, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    cache.put(digest, path)
    assert cache.take(digest, tmp_path / "copy")


def test_what_is_not_what_its_digest_says_is_never_kept(cache: BlobCache, tmp_path: Path) -> None:
    digest, path = blob(tmp_path, b"weights")
    path.write_bytes(b"changed")
    cache.put(digest, path)
    assert stored(cache) == set()


def test_the_blobs_that_were_not_used_for_longest_go_first(tmp_path: Path) -> None:
    now = [1000.0]
    cache = BlobCache(tmp_path / "cache", limit_bytes=100, clock=lambda: now[0])
    digests = {}
    for name in ("a", "b", "c"):
        digests[name], path = blob(tmp_path, name.encode() * 40)
        cache.put(digests[name], path)
        now[0] += 10
        if name == "b":
            assert cache.take(digests["a"], tmp_path / "copy")
    assert stored(cache) == {digests[name].removeprefix("sha256:")[:8] for name in ("a", "c")}


def test_a_blob_larger_than_the_cache_is_not_kept_and_removes_nothing(cache: BlobCache, tmp_path: Path) -> None:
    small, path = blob(tmp_path, b"small")
    cache.put(small, path)
    large, path = blob(tmp_path, b"x" * 101)
    cache.put(large, path)
    assert cache.take(small, tmp_path / "copy")
    assert not cache.take(large, tmp_path / "copy")


def test_what_a_killed_pod_left_is_removed_a_day_later(cache: BlobCache, tmp_path: Path) -> None:
    digest, path = blob(tmp_path, b"weights")
    cache.put(digest, path)
    left = cache.folder / "sha256" / ".half"
    left.write_bytes(b"x")
    other, path = blob(tmp_path, b"other")
    cache.put(other, path)
    assert left.exists()
    os.utime(left, (0, 0))
    third, path = blob(tmp_path, b"third")
    cache.put(third, path)
    assert not left.exists()


def test_who_comes_second_waits_for_the_first(cache: BlobCache, tmp_path: Path) -> None:
    digest, path = blob(tmp_path, b"weights")
    order = []

    def second() -> None:
        with cache.alone(digest):
            order.append(cache.take(digest, tmp_path / "copy"))

    with cache.alone(digest):
        thread = threading.Thread(target=second)
        thread.start()
        cache.put(digest, path)
        order.append("kept")
    thread.join(5)
    assert order == ["kept", True]


def test_who_has_waited_long_enough_goes_on_without(tmp_path: Path) -> None:
    impatient = BlobCache(tmp_path / "cache", limit_bytes=100, wait_s=0.01)
    digest, _ = blob(tmp_path, b"weights")
    with impatient.alone(digest), impatient.alone(digest):
        assert not impatient.take(digest, tmp_path / "copy")


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    broken = BlobCache(tmp_path / "file", limit_bytes=100)
    digest, path = blob(tmp_path, b"weights")
    with broken.alone(digest):
        assert not broken.take(digest, tmp_path / "copy")
        broken.put(digest, path)
    assert "the cache cannot" in caplog.text


def test_a_payload_is_fetched_from_the_registry_once(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "cache", limit_bytes=1 << 20)
    memory, repository = MemoryRegistry(), Repository("registry.test", "demo/model/minilm")
    with Registry(RegistryAccess(cache=cache), transport=memory.transport()) as registry:
        digest = push(registry, repository, tmp_path).digest
        seen: list[int] = []
        for name in ("one", "two"):
            memory.requests.clear()
            registry.fetch_payload(repository, digest, tmp_path / name, on_progress=lambda done, _total: seen.append(done))
    assert [path for method, path in memory.requests if method == "GET" and "/blobs/" in path] == []
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()} for name in ("one", "two")]
    assert files[0] == files[1]
    assert seen[-1] == max(seen)

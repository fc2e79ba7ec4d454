"""The registry client against the in-memory registry: shared behaviour, and what happens when a registry misbehaves."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from llmos.artifacts import LinkState, Registry, RegistryAccess, Repository, digest_bytes
from llmos.artifacts.manifests import Descriptor, build_manifest, measurements_tag, provenance_tag
from llmos.errors import LlmosError, PermanentError, TransientError
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.artifacts.registry_behaviour import RegistryBehaviour, Store, provenance_of, push

REPOSITORY = Repository("registry.test", "demo/model/minilm")


@pytest.fixture
def memory() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def store(memory: MemoryRegistry) -> Store:
    return Store(REPOSITORY, RegistryAccess(), memory.transport())


class TestMemoryRegistry(RegistryBehaviour):
    pass


def test_a_blob_that_is_there_is_not_sent_again(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        push(registry, store.repository, tmp_path)
        memory.requests.clear()
        push(registry, store.repository, tmp_path)
    assert {method for method, path in memory.requests if "/blobs/" in path} == {"HEAD"}


def test_blobs_go_before_the_manifest_that_names_them_and_provenance_goes_last(
    store: Store, memory: MemoryRegistry, tmp_path: Path
) -> None:
    with store.registry() as registry:
        provenance = provenance_of(push(registry, store.repository, tmp_path).payload("weights"))
        registry.push_version(store.repository, provenance, {})
    tags = [path.rsplit("/", 1)[1][:3] for method, path in memory.requests if method == "PUT" and "/manifests/" in path]
    assert [tag.split("-")[0] for tag in tags] == ["p", "m", "in"]


def test_a_killed_push_leaves_no_version_and_the_next_one_completes(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        weights = push(registry, store.repository, tmp_path).payload("weights")
        memory.failures = [404] * 1000  # whatever comes next never arrives
        with pytest.raises(LlmosError):
            registry.push_version(store.repository, provenance_of(weights), {})
        memory.failures = []
        assert registry.find_version(store.repository, provenance_of(weights).inputs_hash) is None
        assert registry.push_version(store.repository, provenance_of(weights), {}).provenance.payloads == (weights,)


@pytest.mark.parametrize("failures", [[503, 502, 429], [0, 0, 500]], ids=["statuses", "lost connections"])
def test_a_registry_that_comes_back_is_waited_for(store: Store, memory: MemoryRegistry, tmp_path: Path, failures: list[int]) -> None:
    with store.registry() as registry:
        memory.failures = list(failures)
        pushed = push(registry, store.repository, tmp_path)
        memory.failures = list(failures)
        assert registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out").is_dir()


def test_an_upload_the_registry_forgot_starts_again(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    """It restarted between the two requests, or another replica answers."""
    memory.forgets_uploads = 2
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path)
        assert registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out").is_dir()


def test_a_repository_that_must_be_created_first_is_named_and_waited_for(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    memory.creates_repositories = False
    with store.registry() as registry:
        with pytest.raises(TransientError, match=r"no repository registry\.test/demo/model/minilm .* create it"):
            push(registry, store.repository, tmp_path)
        memory.creates_repositories = True
        assert push(registry, store.repository, tmp_path).digest


@pytest.mark.parametrize("failure", [500, 503, 0, 401, 403])
async def test_a_registry_that_is_away_is_not_an_absent_version(store: Store, memory: MemoryRegistry, failure: int) -> None:
    memory.failures = [failure] * 100
    with store.registry() as registry, pytest.raises(TransientError) as caught:
        registry.find_version(store.repository, "sha256:" + "0" * 64)
    assert caught.value.reason == "RegistryUnavailable"
    artifacts = store.artifacts()
    with pytest.raises(TransientError):
        await artifacts.find_version(store.repository, "sha256:" + "0" * 64)
    with pytest.raises(TransientError):
        await artifacts.payload_state(store.repository, "sha256:" + "0" * 64)
    await artifacts.aclose()


def test_a_broken_download_goes_on_where_it_stopped(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    content = os.urandom(100_000)
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"model": content})
        memory.cut_after = 60_000
        progress: list[tuple[int, int]] = []
        into = registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out", on_progress=lambda *at: progress.append(at))
    assert (into / "model").read_bytes() == content
    assert progress[-1] == (100_000, 100_000)
    assert (60_000, 100_000) in progress


def test_a_registry_without_ranges_is_asked_again_from_the_start(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    content = os.urandom(50_000)
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"model": content})
        memory.cut_after, memory.ranges = 20_000, False
        assert (registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out") / "model").read_bytes() == content


def test_a_killed_download_is_absent_and_the_next_one_resumes_it(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"a": b"a" * 1000, "b": b"b" * 1000})

        def die(done: int, _total: int) -> None:
            if done > 1000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out", on_progress=die)
        assert not (tmp_path / "out").exists()
        memory.requests.clear()
        registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out")
    assert len([path for method, path in memory.requests if method == "GET" and "/blobs/" in path]) == 0, "all bytes were on disk already"
    assert not list(tmp_path.glob(".out*"))


def test_garbage_in_a_partial_download_is_thrown_away(store: Store, tmp_path: Path) -> None:
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"model": b"good" * 1000})
        partial = tmp_path / f".out.{pushed.digest[7:19]}.partial"
        partial.mkdir()
        (partial / "model").write_bytes(b"evil" * 500)
        assert (registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out") / "model").read_bytes() == b"good" * 1000


def test_a_blob_with_wrong_content_never_arrives(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"model": b"good"})
        memory.blobs[REPOSITORY.path, digest_bytes(b"good")] = b"evil"
        with pytest.raises(PermanentError, match=f"{digest_bytes(b'good')} and arrived as {digest_bytes(b'evil')}") as caught:
            registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out")
    assert caught.value.reason == "ChecksumMismatch"
    assert not (tmp_path / "out").exists()


def test_a_blob_longer_than_its_manifest_says_is_cut_off_and_refused(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"model": b"good"})
        memory.blobs[REPOSITORY.path, digest_bytes(b"good")] = b"good" + b"x" * 5_000_000
        with pytest.raises(PermanentError):
            registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\\b", ".llmos-manifest.json"])
def test_a_manifest_cannot_write_outside_its_directory(store: Store, memory: MemoryRegistry, tmp_path: Path, path: str) -> None:
    blob = Descriptor("x/y", digest_bytes(b"evil"), 4, {"org.cncf.model.filepath": path} if path else {})
    manifest = build_manifest("a/b", blob, [blob])
    memory.blobs[REPOSITORY.path, blob.digest] = b"evil"
    memory.manifests[REPOSITORY.path, digest_bytes(manifest)] = manifest
    with store.registry() as registry, pytest.raises(PermanentError, match="refused"):
        registry.fetch_payload(store.repository, digest_bytes(manifest), tmp_path / "deep/out")
    assert not (tmp_path / "deep/out").exists()


@pytest.mark.parametrize("paths", [["../a"], ["/a"], ["a", "a"], ["a", "a/b"], []])
def test_unsafe_or_doubled_paths_are_refused_before_anything_is_sent(
    store: Store, memory: MemoryRegistry, tmp_path: Path, paths: list[str]
) -> None:
    from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, MODEL_WEIGHT, FileLayer

    source = tmp_path / "x"
    source.touch()
    files = [FileLayer(path=path, source=source, media_type=MODEL_WEIGHT) for path in paths]
    with store.registry() as registry, pytest.raises(ValueError):  # noqa: PT011 - each has its own sentence
        registry.push_payload(REPOSITORY, files, artifact_type=MODEL_ARTIFACT, config_type=MODEL_CONFIG, config={})
    assert memory.requests == []


def test_a_registry_that_declines_to_mount_gets_a_copy(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    memory.mounts = False
    target = store.repository.child("copy")
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path)
        registry.copy_payload(store.repository, target, pushed.digest)
        assert registry.fetch_payload(target, pushed.digest, tmp_path / "out").is_dir()
    assert memory.uploads == set(), "the upload that a declined mount opens is closed"


def test_a_mount_sends_no_blob_content(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path)
        memory.requests.clear()
        registry.copy_payload(store.repository, store.repository.child("copy"), pushed.digest)
    assert [path for method, path in memory.requests if method in ("GET", "PUT") and "/blobs/" in path] == []


def _retag(memory: MemoryRegistry, tag: str, change: Callable[[dict[str, object]], None]) -> None:
    """Replace the document under a tag by a changed one, with correct digests all through, as somebody with push rights could."""
    name = REPOSITORY.path
    manifest = json.loads(memory.manifests[name, tag])
    document = json.loads(memory.blobs[name, manifest["layers"][0]["digest"]])
    change(document)
    data = json.dumps(document).encode()
    manifest["layers"][0] |= {"digest": digest_bytes(data), "size": len(data)}
    memory.blobs[name, digest_bytes(data)] = data
    encoded = json.dumps(manifest).encode()
    memory.manifests[name, tag] = memory.manifests[name, digest_bytes(encoded)] = encoded


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda document: document["spec"].update(task="Other"), "its inputs have"),
        (lambda document: document["parents"].update(base="sha256:" + "3" * 64), "its inputs have"),
        (lambda document: document.update(inputsHash="sha256:" + "3" * 64), "its inputs have"),
        (lambda document: document.update(schemaVersion=2), "schemaVersion is 2"),
        (lambda document: document.update(payloads=[{"role": "weights"}]), "digest must be"),
        (lambda document: document["spec"].update(rate=0.5), "float"),
        (lambda document: document.update(spec={"padding": "x" * 70_000}), "at most 65536"),
    ],
)
async def test_a_version_that_is_not_what_it_says_is_refused(
    store: Store, memory: MemoryRegistry, tmp_path: Path, change: Callable[[dict[str, object]], None], problem: str
) -> None:
    with store.registry() as registry:
        provenance = provenance_of(push(registry, store.repository, tmp_path).payload("weights"))
        registry.push_version(store.repository, provenance, {})
        _retag(memory, provenance_tag(provenance.inputs_hash), change)
        with pytest.raises(PermanentError, match=problem) as caught:
            registry.find_version(store.repository, provenance.inputs_hash)
    assert caught.value.reason == "ChainBroken"
    artifacts = store.artifacts()
    with pytest.raises(PermanentError, match=problem):
        await artifacts.find_version(store.repository, provenance.inputs_hash)
    await artifacts.aclose()


def test_a_version_under_the_tag_of_other_inputs_is_refused(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        provenance = provenance_of(push(registry, store.repository, tmp_path).payload("weights"))
        registry.push_version(store.repository, provenance, {})
        other = "sha256:" + "4" * 64
        name = REPOSITORY.path
        memory.manifests[name, provenance_tag(other)] = memory.manifests[name, provenance_tag(provenance.inputs_hash)]
        with pytest.raises(PermanentError, match="stands under the tag of inputs"):
            registry.find_version(store.repository, other)


def test_a_manifest_that_is_not_its_digest_is_refused(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        version = registry.push_version(store.repository, provenance_of(push(registry, store.repository, tmp_path).payload("weights")), {})
        memory.manifests[REPOSITORY.path, version.digest] += b" "
        with pytest.raises(PermanentError, match="the registry answered with"):
            registry.get_version(store.repository, version.digest)


def test_measurements_of_another_attempts_payloads_are_not_shown(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        provenance = provenance_of(push(registry, store.repository, tmp_path).payload("weights"))
        registry.push_version(store.repository, provenance, {"accuracy": "0.4"})
        _retag(memory, measurements_tag(provenance.inputs_hash), lambda document: document.update(payloads=["sha256:" + "5" * 64]))
        version = registry.find_version(store.repository, provenance.inputs_hash)
    assert version is not None
    assert version.measurements == {}


def test_measurements_that_could_not_be_read_back_are_refused(store: Store, tmp_path: Path) -> None:
    with store.registry() as registry:
        provenance = provenance_of(push(registry, store.repository, tmp_path).payload("weights"))
        with pytest.raises(ValueError, match="float"):
            registry.push_version(store.repository, provenance, {"accuracy": 0.4})
        with pytest.raises(ValueError, match="at most 65536"):
            registry.push_version(store.repository, provenance, {"log": "x" * 70_000})
        assert registry.find_version(store.repository, provenance.inputs_hash) is None


async def test_a_payload_whose_blob_was_lost_is_missing_and_one_that_was_changed_mismatches(
    store: Store, memory: MemoryRegistry, tmp_path: Path
) -> None:
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"model": b"good"})
    artifacts = store.artifacts()
    memory.blobs[REPOSITORY.path, digest_bytes(b"good")] = b"longer"
    assert await artifacts.payload_state(REPOSITORY, pushed.digest) is LinkState.Mismatch
    del memory.blobs[REPOSITORY.path, digest_bytes(b"good")]
    assert await artifacts.payload_state(REPOSITORY, pushed.digest) is LinkState.Missing
    memory.manifests[REPOSITORY.path, pushed.digest] += b" "
    assert await artifacts.payload_state(REPOSITORY, pushed.digest) is LinkState.Mismatch
    await artifacts.aclose()


async def test_the_operator_never_takes_in_more_than_64_kib(memory: MemoryRegistry) -> None:
    served = 0

    async def endless() -> object:
        nonlocal served
        while True:
            served += 1024
            yield b"x" * 1024

    from llmos.artifacts import AsyncArtifacts

    artifacts = AsyncArtifacts(RegistryAccess(), transport=httpx.MockTransport(lambda _: httpx.Response(200, content=endless())))
    with pytest.raises(PermanentError, match="larger than 65536"):
        await artifacts.get_version(REPOSITORY, "sha256:" + "0" * 64)
    await artifacts.aclose()
    assert served <= 70_000


def test_a_missing_ca_bundle_is_named_and_read_again_later() -> None:
    with pytest.raises(TransientError, match=r"/no/such/ca\.crt"):
        Registry(RegistryAccess(ca_file="/no/such/ca.crt"))


@pytest.mark.parametrize(
    ("change", "shallow", "deep"),
    [
        (lambda content: content[:-1] + b"!", LinkState.Present, "model.safetensors .* arrives as sha256:"),
        (lambda content: content[:-1], LinkState.Mismatch, "model.safetensors .* has 6999 bytes there, and must have 7000"),
        (lambda content: None, LinkState.Missing, r"model.safetensors .* is not in the registry"),
    ],
)
def test_what_is_wrong_with_a_payloads_bytes_is_said(
    store: Store, memory: MemoryRegistry, tmp_path: Path, change: Callable[[bytes], bytes | None], shallow: LinkState, deep: str
) -> None:
    with store.registry() as registry:
        payload = push(registry, store.repository, tmp_path).payload("weights")
        key = (REPOSITORY.path, digest_bytes(b"weights" * 1000))
        if (content := change(memory.blobs.pop(key))) is not None:
            memory.blobs[key] = content
        assert registry.examine_payload(store.repository, payload).state is shallow
        report = registry.examine_payload(store.repository, payload, deep=True)
    assert report.state.is_broken
    assert re.search(deep, report.problem)


def test_a_manifest_that_is_another_is_a_mismatch(store: Store, memory: MemoryRegistry, tmp_path: Path) -> None:
    with store.registry() as registry:
        payload = push(registry, store.repository, tmp_path).payload("weights")
        memory.manifests[REPOSITORY.path, payload.digest] = build_manifest("x", Descriptor("y", digest_bytes(b""), 0), [])
        report = registry.examine_payload(store.repository, payload)
    assert report.state is LinkState.Mismatch
    assert "the registry answered with sha256:" in report.problem


def test_long_lists_are_read_page_by_page(store: Store, memory: MemoryRegistry) -> None:
    memory.page = 2
    for number in range(5):
        memory.manifests[f"demo/model/m{number}", "in-x"] = b"{}"
        memory.manifests[REPOSITORY.path, f"in-{number}"] = b"{}"
    with store.registry() as registry:
        assert registry.list_tags(store.repository) == [f"in-{number}" for number in range(5)]
        found = registry.list_repositories(Repository("registry.test", "demo")) or []
        assert [item.path for item in found] == [*(f"demo/model/m{number}" for number in range(5)), "demo/model/minilm"]


def test_a_registry_that_shows_no_catalog_is_not_an_empty_one(store: Store, memory: MemoryRegistry) -> None:
    memory.has_catalog = False
    with store.registry() as registry:
        assert registry.list_repositories(REPOSITORY) is None

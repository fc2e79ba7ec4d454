"""What a registry client must do, against any registry: the in-memory one (fast) and a real one (tests/cluster)."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmos.artifacts import (
    MODEL_ARTIFACT,
    MODEL_CONFIG,
    MODEL_WEIGHT,
    AsyncArtifacts,
    FileLayer,
    LinkState,
    Payload,
    Provenance,
    PushedPayload,
    Registry,
    RegistryAccess,
    Repository,
    Version,
    inputs_hash,
    owner_tag,
    verify_chain,
)
from llmos.errors import ConfigError, NotFoundError
from llmos.retention import Fate, Marks, carry_out, plan_sweep, survey

NO_SUCH = "sha256:" + "0" * 64


@dataclass
class Store:
    """A registry under test and an empty repository in it."""

    repository: Repository
    access: RegistryAccess
    transport: httpx.MockTransport | None = None

    def registry(self) -> Registry:
        return Registry(self.access, transport=self.transport, sleep=lambda _seconds: None)

    def artifacts(self) -> AsyncArtifacts:
        return AsyncArtifacts(self.access, transport=self.transport)


def file_layers(directory: Path, files: dict[str, bytes]) -> list[FileLayer]:
    layers = []
    for index, (path, content) in enumerate(files.items()):
        source = directory / f"source-{index}"
        source.write_bytes(content)
        layers.append(FileLayer(path=path, source=source, media_type=MODEL_WEIGHT))
    return layers


def push(registry: Registry, repository: Repository, directory: Path, files: dict[str, bytes] | None = None) -> PushedPayload:
    files = {"model.safetensors": b"weights" * 1000, "sub/config.json": b"{}"} if files is None else files
    layers = file_layers(directory, files)
    return registry.push_payload(
        repository, layers, artifact_type=MODEL_ARTIFACT, config_type=MODEL_CONFIG, config={"descriptor": {"name": "m"}}
    )


def provenance_of(*payloads: Payload, spec: dict[str, Any] | None = None, parents: dict[str, str] | None = None) -> Provenance:
    spec, parents = spec or {"task": "FeatureExtraction"}, parents or {}
    return Provenance(
        kind="Model",
        inputs_hash=inputs_hash(kind="Model", spec=spec, parents=parents),
        spec=spec,
        parents=parents,
        payloads=payloads,
        tools={"llmos": "0.1.0"},
    )


class RegistryBehaviour:
    """Subclasses give the fixture `store`."""

    def test_a_payload_comes_back_as_it_went(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path)
            into = registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out")
        assert (into / "model.safetensors").read_bytes() == b"weights" * 1000
        assert (into / "sub/config.json").read_bytes() == b"{}"
        assert pushed.size_bytes == 7002

    def test_the_same_files_are_the_same_payload_whatever_their_order(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            first = push(registry, store.repository, tmp_path, {"a": b"1", "b": b"2"})
            second = push(registry, store.repository, tmp_path, {"b": b"2", "a": b"1"})
        assert first == second

    def test_an_empty_file_and_a_doubled_content_are_kept(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path, {"empty": b"", "one": b"same", "two": b"same"})
            into = registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out")
        assert [(into / name).read_bytes() for name in ("empty", "one", "two")] == [b"", b"same", b"same"]

    def test_a_directory_that_holds_the_payload_is_left_alone(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path)
            into = registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out")
            before = (into / "model.safetensors").stat().st_mtime_ns
            assert registry.fetch_payload(store.repository, pushed.digest, into) == into
        assert (into / "model.safetensors").stat().st_mtime_ns == before

    def test_a_directory_that_holds_something_else_is_never_replaced(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/precious").touch()
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path)
            with pytest.raises(ConfigError, match="does not hold"):
                registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out")
        assert os.listdir(tmp_path / "out") == ["precious"]

    def test_a_version_is_found_by_its_inputs_and_by_its_digest(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            weights = push(registry, store.repository, tmp_path).payload("weights", format="safetensors")
            provenance = provenance_of(weights)
            version = registry.push_version(store.repository, provenance, {"accuracy": "0.41", "rows": 7})
            assert version.provenance == provenance
            assert version.measurements == {"accuracy": "0.41", "rows": 7}
            assert registry.find_version(store.repository, provenance.inputs_hash) == version
            assert registry.get_version(store.repository, version.digest) == version

    def test_the_first_version_of_the_same_inputs_stands(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            one = push(registry, store.repository, tmp_path, {"model": b"one"}).payload("weights")
            two = push(registry, store.repository, tmp_path, {"model": b"two"}).payload("weights")
            first = registry.push_version(store.repository, provenance_of(one), {"loss": "1"})
            assert registry.push_version(store.repository, provenance_of(two), {"loss": "2"}) == first

    def test_a_version_of_a_payload_that_was_not_pushed_is_refused(self, store: Store) -> None:
        with store.registry() as registry, pytest.raises(NotFoundError, match="push it first"):
            registry.push_version(store.repository, provenance_of(Payload("weights", NO_SUCH, 1, {})), {})

    def test_what_is_absent_is_none_or_not_found(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            assert registry.find_version(store.repository, NO_SUCH) is None
            with pytest.raises(NotFoundError):
                registry.get_version(store.repository, NO_SUCH)
            with pytest.raises(NotFoundError):
                registry.fetch_payload(store.repository, NO_SUCH, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_payload_is_copied_to_another_repository(self, store: Store, tmp_path: Path) -> None:
        target = store.repository.child("copy")
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path)
            registry.copy_payload(store.repository, target, pushed.digest)
            into = registry.fetch_payload(target, pushed.digest, tmp_path / "out")
        assert (into / "sub/config.json").read_bytes() == b"{}"

    async def test_the_operator_reads_the_same_version(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            version = registry.push_version(
                store.repository, provenance_of(push(registry, store.repository, tmp_path).payload("weights")), {"n": 1}
            )
        artifacts = store.artifacts()
        assert await artifacts.find_version(store.repository, version.provenance.inputs_hash) == version
        assert await artifacts.get_version(store.repository, version.digest) == version
        assert await artifacts.find_version(store.repository, NO_SUCH) is None
        assert await artifacts.get_version(store.repository, NO_SUCH) is None
        await artifacts.aclose()

    async def test_the_operator_sees_what_is_present_missing_pruned_and_forgotten(self, store: Store, tmp_path: Path) -> None:
        pruned, forgotten = "sha256:" + "1" * 64, "sha256:" + "2" * 64
        with store.registry() as registry:
            present = push(registry, store.repository, tmp_path).digest
            registry.push_tombstone(store.repository, pruned, LinkState.Pruned, "keep 3")
            registry.push_tombstone(store.repository, forgotten, LinkState.Forgotten, "asked by the source's owner")
        artifacts = store.artifacts()
        states = [await artifacts.payload_state(store.repository, digest) for digest in (present, NO_SUCH, pruned, forgotten)]
        assert states == [LinkState.Present, LinkState.Missing, LinkState.Pruned, LinkState.Forgotten]
        await artifacts.aclose()

    @pytest.mark.parametrize("deep", [False, True])
    def test_a_payload_is_examined_where_it_lies(self, store: Store, tmp_path: Path, deep: bool) -> None:
        read: list[int] = []
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path)
            report = registry.examine_payload(store.repository, pushed.payload("weights"), deep=deep, on_bytes=read.append)
            assert (report.state, report.problem, report.files) == (LinkState.Present, "", 2)
            absent = registry.examine_payload(store.repository, Payload("weights", NO_SUCH, 1, {}), deep=deep)
            assert (absent.state, absent.problem) == (LinkState.Missing, "it is not in the registry, and no tombstone says why")
            registry.push_tombstone(store.repository, NO_SUCH, LinkState.Pruned, "keep 3")
            assert registry.examine_payload(store.repository, Payload("weights", NO_SUCH, 1, {}), deep=deep).state is LinkState.Pruned
        assert (sum(read) > pushed.size_bytes) is deep

    def test_tags_and_repositories_are_listed(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path)
            assert registry.list_tags(store.repository) == [f"p-{pushed.digest[7:]}"]
            assert registry.list_tags(store.repository.child("nothing")) == []
            root = Repository(store.repository.host, store.repository.path.rpartition("/")[0])
            assert store.repository in (registry.list_repositories(root) or [])
            assert registry.list_repositories(store.repository) == []

    def test_a_deleted_payload_is_gone_with_its_tag_and_deleting_again_is_fine(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            pushed = push(registry, store.repository, tmp_path)
            registry.mark_owner(store.repository, "llmos-system/llmos")
            registry.mark_owner(store.repository, "llmos-system/llmos")
            registry.delete_manifest(store.repository, pushed.digest)
            registry.delete_manifest(store.repository, pushed.digest)
            assert registry.list_tags(store.repository) == [owner_tag("llmos-system/llmos")]
            registry.delete_tag(store.repository, owner_tag("llmos-system/llmos"))
            registry.delete_tag(store.repository, owner_tag("llmos-system/llmos"))
            assert registry.list_tags(store.repository) == []

    def test_a_version_whose_payload_is_gone_is_replaced_and_stays_readable(self, store: Store, tmp_path: Path) -> None:
        with store.registry() as registry:
            one = push(registry, store.repository, tmp_path, {"model": b"one"}).payload("weights")
            first = registry.push_version(store.repository, provenance_of(one), {"loss": "1"})
            registry.push_tombstone(store.repository, one.digest, LinkState.Pruned, "keep 3")
            registry.delete_manifest(store.repository, one.digest)
            two = push(registry, store.repository, tmp_path, {"model": b"two"}).payload("weights")
            second = registry.push_version(store.repository, provenance_of(two), {"loss": "2"})
            assert second.digest != first.digest
            assert registry.find_version(store.repository, first.provenance.inputs_hash) == second
            assert registry.get_version(store.repository, first.digest).provenance == first.provenance
            assert f"was-{first.digest[7:]}" in registry.list_tags(store.repository)
            again = push(registry, store.repository, tmp_path, {"model": b"one"}).payload("weights")
            assert registry.examine_payload(store.repository, again).state is LinkState.Present, "a tombstone does not outlive its cause"

    def test_a_sweep_prunes_what_nobody_uses_and_every_chain_still_verifies(self, store: Store, tmp_path: Path) -> None:
        root = store.repository.child("sweep")
        where = {name: root.child("demo", "model", name) for name in ("base", "child")}
        with store.registry() as registry:
            base, base_old = (push_version(registry, where["base"], tmp_path, task) for task in ("now", "old"))
            child = push_version(registry, where["child"], tmp_path, "child", parents={"base": base_old.digest})
            for repository in where.values():
                registry.mark_owner(repository, "me/me")
            # The parent in the chain of the one in use is the old version: the new one is what nobody uses.
            marks = Marks(frozenset({child.digest}), frozenset({"demo/model/child"}), frozenset(), ())
            now = datetime(2026, 1, 1, tzinfo=UTC)
            for days, fate in ((0, Fate.Noted), (6, Fate.Waiting), (7, Fate.Pruned), (8, None)):
                then = now + timedelta(days=days)
                contents, is_all = survey(registry, root, marks, installation="me/me")
                plan = plan_sweep(contents, marks, root=root, now=then, grace=timedelta(days=7))
                carry_out(registry, plan, now=then)
                assert is_all
                assert (
                    [item.digest for item in plan.of(fate)] == [base.provenance.payloads[0].digest] if fate else plan.of(Fate.Pruned) == []
                )
            weights = {each.digest: each.provenance.payloads[0] for each in (base, base_old, child)}
            states = [registry.examine_payload(where["base"], weights[each.digest]).state for each in (base, base_old)]
            assert states == [LinkState.Pruned, LinkState.Present]
            assert registry.examine_payload(where["child"], weights[child.digest]).state is LinkState.Present
            assert verify_chain(child, lambda link: registry.load_version(where["base"], link.digest)) is None
            assert registry.get_version(where["base"], base.digest) == base
            assert not [tag for tag in registry.list_tags(where["base"]) if tag.startswith("idle-")]


def push_version(registry: Registry, repository: Repository, directory: Path, name: str, parents: dict[str, str] | None = None) -> Version:
    """Push a version with one payload of its own."""
    weights = push(registry, repository, directory, {"model": f"weights of {name}".encode()}).payload("weights")
    return registry.push_version(repository, provenance_of(weights, spec={"name": name}, parents=parents), {})

"""`llmos sweep`: what it shows, what it does only when it is told to, and what it refuses."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from llmos.artifacts import LinkState, Version
from llmos.cli.main import app
from llmos.errors import ConfigError, DependencyNotReady
from tests.unit.cli.library_world import LibraryWorld


def sweep(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sweep", *arguments])


@pytest.fixture
def outdated(world: LibraryWorld, chain: dict[str, Version]) -> Version:
    """The first version of a Model that has another now."""
    world.publish("Model", "spare", task="Old")
    spare = world.objects[-1]["status"]["version"]["digest"]
    world.publish("Model", "spare", task="New")
    for item in world.objects:
        item.setdefault("status", {})["conditions"] = [{"type": "Ready", "status": "True"}]
    with world.registry() as registry:
        return registry.get_version(world.repository("Model", "spare"), spare)


def states(world: LibraryWorld, version: Version, name: str = "spare") -> set[LinkState]:
    with world.registry() as registry:
        where = world.repository("Model", name)
        return {registry.examine_payload(where, payload).state for payload in version.provenance.payloads}


def test_without_delete_nothing_changes_and_all_is_shown(world: LibraryWorld, outdated: Version) -> None:
    before = dict(world.memory.manifests)
    result = sweep("--grace-days", "0")
    assert result.exit_code == 0, result.output
    assert world.memory.manifests == before
    assert "5 of 6 versions are used; 2 payloads (up to 0.0 MB) would be pruned" in result.output
    assert outdated.provenance.payloads[1].digest in result.output
    assert "nothing was changed; --delete does it" in result.output


def test_with_delete_the_unused_is_pruned_and_the_rest_still_verifies(world: LibraryWorld, outdated: Version) -> None:
    result = sweep("--grace-days", "0", "--delete")
    assert result.exit_code == 0, result.output
    assert "2 payloads (up to 0.0 MB) were pruned" in result.output
    assert states(world, outdated) == {LinkState.Pruned}
    for target in ("model/organ-system", "model/spare", "tjob/organ"):
        verified = CliRunner().invoke(app, ["verify", target, "--deep"])
        assert verified.exit_code == 0, verified.output
    earlier = CliRunner().invoke(app, ["verify", "model/spare", "--digest", outdated.digest])
    assert earlier.exit_code == 0
    assert "Pruned" in earlier.output
    assert "0 payloads" in sweep("--grace-days", "0", "--delete").output


def test_the_first_sweep_only_notes_what_it_finds(world: LibraryWorld, outdated: Version) -> None:
    assert "2 wait for their grace period" in sweep("--delete").output
    assert states(world, outdated) == {LinkState.Present}
    assert "Waiting" in sweep("--delete").output


def test_what_a_model_remembers_is_kept_as_long_as_asked(world: LibraryWorld, outdated: Version) -> None:
    spare = next(item for item in world.objects if item["metadata"]["name"] == "spare")
    spare["status"]["versions"] = [{"digest": spare["status"]["version"]["digest"]}, {"digest": outdated.digest}]
    assert "0 payloads" in sweep("--grace-days", "0").output
    assert "2 payloads" in sweep("--grace-days", "0", "--keep", "1").output


def test_a_deleted_models_repository_is_swept_only_with_our_mark(world: LibraryWorld, outdated: Version) -> None:
    world.objects = [item for item in world.objects if item["metadata"]["name"] != "spare"]
    assert "llmos/demo/model/spare: it does not carry this installation's mark" in sweep("--grace-days", "0").output
    with world.registry() as registry:
        registry.mark_owner(world.repository("Model", "spare"), "llmos-system/llmos")
    assert "4 payloads" in sweep("--grace-days", "0").output


def test_a_registry_without_a_catalog_is_swept_as_far_as_it_is_known(world: LibraryWorld, outdated: Version) -> None:
    world.memory.has_catalog = False
    result = sweep("--grace-days", "0")
    assert "the registry shows no catalog" in result.output
    assert "2 payloads" in result.output


def test_a_registry_that_does_not_delete_says_what_to_allow(world: LibraryWorld, outdated: Version) -> None:
    world.memory.deletes = False
    failure = sweep("--grace-days", "0", "--delete").exception
    assert isinstance(failure, ConfigError)
    assert "storage.delete.enabled" in failure.message
    assert states(world, outdated) == {LinkState.Present}


def test_an_object_without_a_status_stops_the_sweep(world: LibraryWorld, outdated: Version) -> None:
    world.objects.append({"kind": "TrainingJob", "metadata": {"name": "young", "namespace": "demo"}})
    assert isinstance(sweep("--delete").exception, DependencyNotReady)


@pytest.mark.parametrize("arguments", [["--installation", "no/such"], ["--registry", "mirror.example/llmos", "--delete"]])
def test_another_installation_or_a_mirror_is_not_swept(world: LibraryWorld, outdated: Version, arguments: list[str]) -> None:
    assert isinstance(sweep(*arguments).exception, ConfigError)

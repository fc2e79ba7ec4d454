"""`llmos versions`: all that the registry has, the present one marked."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from llmos.artifacts import LinkState, Version
from llmos.artifacts.manifests import provenance_tag
from llmos.cli.main import app
from tests.unit.cli.library_world import LibraryWorld


def versions(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["versions", *arguments])


def line_of(result: Result, digest: str) -> str:
    return next(line for line in result.output.splitlines() if digest in line)


def test_every_version_of_the_registry_is_listed_and_the_present_and_the_pinned_are_marked(
    world: LibraryWorld, chain: dict[str, Version]
) -> None:
    new = world.publish("Model", "minilm", task="Another")
    document = next(item for item in world.objects if item["metadata"]["name"] == "minilm")
    document["status"]["versions"] = [{"digest": new.digest, "time": "2026-01-02T00:00:00Z"}]
    document["spec"] = {"version": {"pinned": chain["base"].digest}}
    result = versions("model/minilm")
    assert result.exit_code == 0, result.output
    assert "2026-01-02T00:00:00Z  accuracy 0.4" in line_of(result, new.digest)
    assert line_of(result, new.digest).rstrip().endswith("Present   present")
    assert line_of(result, chain["base"].digest).rstrip().endswith("Present   pinned")
    assert result.output.index(new.digest) < result.output.index(chain["base"].digest)


def test_a_pruned_and_a_damaged_version_say_so(world: LibraryWorld, chain: dict[str, Version]) -> None:
    repository = world.repository("Model", "minilm")
    pruned = world.publish("Model", "minilm", task="Another")
    weights = pruned.provenance.payloads[0].digest
    del world.memory.manifests[repository.path, weights]
    with world.registry() as registry:
        registry.push_tombstone(repository, weights, LinkState.Pruned, "keep 3")
    tag = provenance_tag(chain["base"].provenance.inputs_hash)
    world.memory.manifests[repository.path, tag] = b"{}"
    result = versions("model/minilm")
    assert "Pruned" in line_of(result, pruned.digest)
    assert "Mismatch" in line_of(result, tag)
    assert f"{tag}: " in result.output
    assert "not an OCI image manifest" in result.output

"""`llmos verify`: which chain is walked, where its links are looked for, and what is said about a broken one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from llmos.artifacts import LinkState, Version, digest_bytes
from llmos.cli.main import app
from llmos.errors import ConfigError, DependencyNotReady, NotFoundError
from tests.unit.artifacts.cosign import new_key, pem_of, sign
from tests.unit.cli.library_world import NAMESPACE, LibraryWorld


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", *arguments])


def test_a_whole_chain_is_shown_and_holds(world: LibraryWorld, chain: dict[str, Version]) -> None:
    result = verify("model/organ-system")
    assert result.exit_code == 0, result.output
    assert "the chain holds: 4 versions, 6 payloads" in result.output
    for version in chain.values():
        assert f"{version.digest} Present" in result.output
    for name in ("model/organ-system", "trainingJob: organ", "base: minilm", "knowledge/hpo", "onnx Float32"):
        assert name in result.output


@pytest.mark.parametrize("deep", [False, True])
def test_a_flipped_byte_in_a_parents_payload_is_found_by_a_deep_look(world: LibraryWorld, chain: dict[str, Version], deep: bool) -> None:
    content = f"weights of Model minilm {{'task': 'FeatureExtraction'}}".encode()  # noqa: F541 - braces of a dict
    key = (world.repository("Model", "minilm").path, digest_bytes(content))
    world.memory.blobs[key] = world.memory.blobs[key][:-1] + b"!"
    result = verify("model/organ-system", *(["--deep"] if deep else []))
    assert result.exit_code == (1 if deep else 0)
    assert ("the chain is broken at trainingJob/base, payload weights" in result.output) is deep


def test_a_lost_parent_is_named_and_the_exit_code_is_one(world: LibraryWorld, chain: dict[str, Version]) -> None:
    del world.memory.manifests[world.repository("KnowledgeBase", "hpo").path, chain["hpo"].digest]
    result = verify("tjob/organ")
    assert result.exit_code == 1
    assert f"the chain is broken at knowledge/hpo ({chain['hpo'].digest}): it is in no registry" in result.output


def test_pruned_and_forgotten_links_are_shown_and_hold(world: LibraryWorld, chain: dict[str, Version]) -> None:
    base, hpo = world.repository("Model", "minilm"), world.repository("KnowledgeBase", "hpo")
    weights = chain["base"].provenance.payloads[0].digest
    del world.memory.manifests[base.path, weights]
    del world.memory.manifests[hpo.path, chain["hpo"].digest]
    with world.registry() as registry:
        registry.push_tombstone(base, weights, LinkState.Pruned, "keep 3")
        registry.push_tombstone(hpo, chain["hpo"].digest, LinkState.Forgotten, "asked")
    result = verify("model/organ-system")
    assert result.exit_code == 0, result.output
    assert f"{chain['hpo'].digest} Forgotten" in result.output
    assert "Pruned" in result.output


def test_a_service_stands_on_all_it_was_resolved_to(world: LibraryWorld, chain: dict[str, Version]) -> None:
    resolved = [
        {"role": "model", "kind": "Model", "name": "organ-system", "digest": chain["model"].digest},
        {"role": "knowledge/hpo", "kind": "KnowledgeBase", "name": "hpo", "digest": chain["hpo"].digest},
    ]
    metadata = {"name": "phenotype", "namespace": NAMESPACE}
    world.objects.append({"kind": "InferenceService", "metadata": metadata, "status": {"resolved": resolved}})
    result = verify("infsvc/phenotype")
    assert result.exit_code == 0, result.output
    assert "model: model/organ-system" in result.output
    assert "knowledge/hpo: knowledgebase/hpo" in result.output


@pytest.mark.parametrize("has_catalog", [True, False])
def test_parents_of_deleted_objects_are_found_where_the_registry_shows_its_catalog(
    world: LibraryWorld, chain: dict[str, Version], has_catalog: bool
) -> None:
    world.memory.has_catalog = has_catalog
    world.objects = [item for item in world.objects if item["metadata"]["name"] not in ("organ", "minilm")]
    result = verify("model/organ-system")
    assert result.exit_code == (0 if has_catalog else 1)
    assert ("base: minilm" in result.output) is has_catalog


def test_an_object_that_now_follows_another_is_verified_by_what_it_was_made_from(world: LibraryWorld, chain: dict[str, Version]) -> None:
    world.publish("TrainingJob", "another", rank=4)
    for item in world.objects:
        if item["metadata"]["name"] == "organ-system":
            item["status"]["resolved"] = [{"role": "trainingJob", "kind": "TrainingJob", "name": "another", "digest": "x"}]
    result = verify("model/organ-system")
    assert result.exit_code == 0, result.output
    assert "trainingJob: organ" in result.output


def test_a_parent_in_a_role_of_a_later_release_is_found_whatever_its_kind(world: LibraryWorld, chain: dict[str, Version]) -> None:
    world.publish("Model", "later", {"glossary/x": ("hpo", chain["hpo"])}, task="x")
    result = verify("model/later")
    assert result.exit_code == 0, result.output
    assert f"glossary/x: hpo {chain['hpo'].digest} Present" in result.output


def test_an_earlier_version_is_verified_by_its_digest(world: LibraryWorld, chain: dict[str, Version]) -> None:
    world.publish("Model", "minilm", task="Another")
    result = verify("model/minilm", "--digest", chain["base"].digest)
    assert result.exit_code == 0
    assert chain["base"].digest in result.output


def test_the_registry_may_be_named_and_needs_then_no_configuration(world: LibraryWorld, chain: dict[str, Version]) -> None:
    world.objects = [item for item in world.objects if item["kind"] != "ConfigMap"]
    assert verify("model/minilm", "--registry", f"{world.host}/llmos", "--plain-http").exit_code == 0


@pytest.mark.parametrize("grown", [[], ["llmos-system/llmos", "canary/llmos"]])
def test_without_one_installation_that_fits_the_option_is_named(world: LibraryWorld, chain: dict[str, Version], grown: list[str]) -> None:
    world.objects = [item for item in world.objects if item["kind"] != "ConfigMap"]
    for each in grown:
        world.install(each)
    failure = verify("model/minilm").exception
    assert isinstance(failure, ConfigError)
    assert "give --registry" in failure.message
    for item in world.objects:
        item["metadata"]["labels"] = {"llmos.dev/installation": "canary.llmos"}
    assert verify("model/minilm").exit_code == (0 if grown else 1)


def test_the_registrys_secret_is_read_with_the_users_rights(world: LibraryWorld, chain: dict[str, Version]) -> None:
    world.memory.scheme, world.memory.users = "Basic", {"me": "correct horse"}
    world.objects = [item for item in world.objects if item["kind"] != "ConfigMap"]
    world.install(secret="registry")
    failure = verify("model/minilm").exception
    assert isinstance(failure, ConfigError)
    assert "give --credentials-file" in failure.message
    login = {"auths": {world.host: {"username": "me", "password": "correct horse"}}}
    world.add_secret("registry", _dockerconfigjson=json.dumps(login).encode())
    result = verify("model/minilm")
    assert result.exit_code == 0, result.output
    assert "correct horse" not in result.output


def test_a_signature_that_is_asked_for_and_not_there_is_exit_code_one(world: LibraryWorld, chain: dict[str, Version]) -> None:
    key = new_key()
    world.objects = [item for item in world.objects if item["kind"] != "ConfigMap"]
    world.install(public_key=pem_of(key))
    result = verify("model/organ-system")
    assert result.exit_code == 1
    assert "the chain holds" in result.output
    assert "is not signed, and this installation asks for that" in result.output
    sign(world.memory, world.repository("Model", "organ-system"), chain["model"].digest, key)
    assert verify("model/organ-system").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["pod/x"], ConfigError, "one of model, knowledgebase, trainingjob, inferenceservice"),
        (["model/nothing"], NotFoundError, "Model nothing does not exist"),
        (["model/young"], DependencyNotReady, "no version to verify yet"),
        (["model/minilm", "--digest", "sha256:12"], ConfigError, "64 lower-case hex digits"),
        (["model/minilm", "--ca-file", "/nowhere"], ConfigError, "/nowhere is not a file"),
    ],
)
def test_what_cannot_be_verified_is_said(
    world: LibraryWorld, chain: dict[str, Version], arguments: list[str], error: type[Exception], words: str
) -> None:
    young: dict[str, Any] = {"kind": "Model", "metadata": {"name": "young", "namespace": NAMESPACE}}
    world.objects.append(young)
    failure = verify(*arguments).exception
    assert isinstance(failure, error)
    assert words in str(failure)

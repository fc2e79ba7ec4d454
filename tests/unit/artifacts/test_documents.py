"""Repositories, provenance documents and manifests as values."""

from typing import Any

import pytest

from llmos.artifacts import Payload, Provenance, Repository, canonical_json, inputs_hash
from llmos.artifacts.manifests import Descriptor, build_document_manifest, build_manifest, parse_manifest

DIGEST = "sha256:" + "a" * 64


def provenance(**changes: Any) -> Provenance:
    spec, parents = {"task": "FeatureExtraction", "onnx": {"precisions": ["Float32"]}}, {"trainingJob": DIGEST}
    values: dict[str, Any] = {
        "kind": "Model",
        "inputs_hash": inputs_hash(kind="Model", spec=spec, parents=parents),
        "spec": spec,
        "parents": parents,
        "payloads": [Payload("weights", DIGEST, 5, {}), Payload("onnx", DIGEST, 7, {"precision": "Float32"})],
        "tools": {"llmos": "0.1.0"},
    }
    return Provenance(**(values | changes))


def test_a_provenance_reads_back_as_it_was_written() -> None:
    assert Provenance.from_document(provenance().to_document()) == provenance()


def test_the_same_inputs_give_byte_equal_manifests_twice() -> None:
    first, second = (build_document_manifest("a/b", canonical_json(provenance().to_document())) for _ in range(2))
    assert first == second
    layers = [Descriptor("x/y", DIGEST, 1, {"org.cncf.model.filepath": name}) for name in ("b", "a")]
    assert build_manifest("a/b", layers[0], layers) == build_manifest("a/b", layers[0], layers[::-1])


def test_a_payload_is_found_by_role_and_attributes() -> None:
    found = provenance().payload("onnx", precision="Float32")
    assert found is not None
    assert found.size_bytes == 7
    assert provenance().payload("onnx", precision="Int8") is None
    assert provenance().payload("snapshot") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schemaVersion": 2}, "schemaVersion is 2"),
        ({"schemaVersion": True}, "schemaVersion must be"),
        ({"kind": 7}, "kind must be"),
        ({"inputsHash": "latest"}, "inputsHash"),
        ({"spec": None}, "spec must be"),
        ({"spec": {"x": 0.5}}, "float"),
        ({"parents": {"base": 1}}, r"parents\.base must be a string"),
        ({"parents": {"base": "latest"}}, "not a digest"),
        ({"payloads": [{"role": "w", "digest": DIGEST, "sizeBytes": "5", "attributes": {}}]}, "sizeBytes must be"),
        ({"payloads": [{"role": "w", "digest": "x", "sizeBytes": 5, "attributes": {}}]}, "not a digest"),
        ({"tools": []}, "tools must be"),
    ],
)
def test_a_malformed_provenance_is_refused_by_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Provenance.from_document(provenance().to_document() | changes)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schemaVersion":2}', b'{"schemaVersion":2,"config":{},"layers":[]}', b"\xff"])
def test_a_malformed_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own sentence
        parse_manifest(data)


def test_a_repository_is_parsed_and_extended() -> None:
    repository = Repository.parse("10.244.0.1:5000/llmos").child("demo", "model", "minilm")
    assert (repository.host, repository.path) == ("10.244.0.1:5000", "llmos/demo/model/minilm")
    assert str(repository) == "10.244.0.1:5000/llmos/demo/model/minilm"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host/",
        "/path",
        "host/UPPER",
        "host/a//b",
        "host/../x",
        "host/a:tag",
        "host/a@sha256:x",
        "http://host/a",
        "host:port/a",
        "host/-a",
        "host/" + "a" * 256,
    ],
)
def test_what_is_no_repository_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Repository.parse(text)

"""Models that must not be served: each ends in the right condition with the right words, no version of it exists, and nothing serves it.

The models are tiny and lie in the cluster's registry as anybody's artifacts do, so the real sources, Jobs and services do the refusing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, MODEL_WEIGHT, FileLayer, Registry, RegistryAccess, Repository
from llmos.local.cluster import Cluster
from llmos.models import Label, write_labels
from tests.cluster.installation import Installation
from tests.cluster.world import World, condition
from tests.unit.models.tiny import make_folder

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LABELS = ("heart", "lung", "skin")


def _with_nan(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["classifier.weight"][0, 0] = torch.nan
    save_file(weights, path, metadata={"format": "pt"})


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def _pickled(folder: Path) -> None:
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _permuted_labels(folder: Path) -> None:
    write_labels(folder, [Label(name, name) for name in (LABELS[1], LABELS[0], LABELS[2])])


def _with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForSequenceClassification": "evil.Model"}}))


BAD: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "not-a-number": (_with_nan, "InvalidSource", "NaN or infinite"),
    "cut": (_cut, "InvalidSource", "not a whole safetensors file"),
    "without-tokenizer": (_without_tokenizer, "InvalidSource", "tokenizer"),
    "pickled": (_pickled, "InvalidSource", "only safetensors are"),
    "permuted-labels": (_permuted_labels, "InvalidSource", "in another order"),
    "with-code": (_with_code, "InvalidSource", "auto_map"),
}
"""Name to what is done to a good model, the reason it ends with, and words of the message."""


@pytest.fixture
def repository(cluster: Cluster, installation: Installation) -> Repository:
    return Repository.parse(f"{cluster.registry}/{installation.repository}/made-elsewhere")


def test_a_bad_model_is_refused_in_its_own_words_and_cannot_be_served(
    world: World, cluster: Cluster, installation: Installation, repository: Repository, tmp_path: Path
) -> None:
    with Registry(RegistryAccess(plain_http=cluster.plain_http)) as registry:
        for name, (spoil, _, _) in BAD.items():
            folder = make_folder(tmp_path / name, labels=LABELS)
            spoil(folder)
            world.apply(_model(name, f"{repository}@{_push(registry, repository, folder)}", cluster), _service(name))
        for name, (_, reason, words) in BAD.items():
            said = world.until(
                lambda name=name: condition(world.get("Model", name), "Stalled"), bool, timeout_s=400, what=f"Model/{name} is refused"
            )
            assert (said["reason"], words in said["message"]) == (reason, True), f"{name}: {said}"
            assert (world.get("Model", name) or {})["status"].get("version") is None
            where = Repository.parse(f"{cluster.registry}/{installation.repository}/{world.namespace}/model/{name}")
            assert not [tag for tag in registry.list_tags(where) if tag.startswith("in-")], name
            assert condition(world.get("InferenceService", name), "Ready")["reason"] == "DependencyNotReady"
    assert world.list("deployment") == []


def _push(registry: Registry, repository: Repository, folder: Path) -> str:
    layers = [FileLayer(path=path.name, source=path, media_type=MODEL_WEIGHT) for path in sorted(folder.iterdir())]
    return registry.push_payload(
        repository, layers, artifact_type=MODEL_ARTIFACT, config_type=MODEL_CONFIG, config={"descriptor": {}}
    ).digest


def _model(name: str, reference: str, cluster: Cluster) -> dict[str, Any]:
    oci = {"reference": reference, "plainHTTP": cluster.plain_http}
    spec = {"task": "TextClassification", "source": {"oci": oci}, "onnx": {"maximumTokens": 16}}
    return {"apiVersion": "llmos.dev/v1alpha1", "kind": "Model", "metadata": {"name": name}, "spec": spec}


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "llmos.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"name": name},
        "spec": {"model": {"name": name}},
    }

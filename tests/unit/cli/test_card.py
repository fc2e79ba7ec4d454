"""`llmos card`: what of an object, its status and its owner's words goes into the card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from llmos.cli.main import app
from llmos.errors import ConfigError, DependencyNotReady
from tests.unit.cli.library_world import NAMESPACE, LibraryWorld

DIGEST = "sha256:" + "a" * 64
EXPORT = {
    "precision": "Float32",
    "digest": DIGEST,
    "sizeBytes": 91_000_000,
    "maximumDifference": "0.0000043",
    "p50MillisecondsBatch1": "5.10",
    "metric": "0.4100",
    "metricLow": "0.3900",
    "metricHigh": "0.4300",
}
STATUS: dict[str, Any] = {
    "version": {
        "digest": DIGEST,
        "weights": {"digest": DIGEST, "sizeBytes": 90_000_000},
        "onnx": [EXPORT],
        "labels": 14,
        "evaluation": {"metric": "MacroF1", "digest": DIGEST, "items": 1663},
        "refused": [{"precision": "Int8Dynamic", "reason": "GateFailed", "message": "the drop is 0.30"}],
    }
}


def add(world: LibraryWorld, source: dict[str, Any], **changes: Any) -> None:
    said = {"languages": ["en"], "license": "apache-2.0", "description": "Sentences about patients."}
    spec = {"task": "TextClassification", "source": source, "card": said}
    model = {"kind": "Model", "metadata": {"name": "organ-system", "namespace": NAMESPACE}, "spec": spec, "status": STATUS}
    world.objects.append({**model, **changes})


def show(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["card", "model/organ-system", *arguments])


def test_a_card_has_what_was_measured_and_what_its_owner_says(world: LibraryWorld) -> None:
    add(world, {"huggingFace": {"repository": "sentence-transformers/all-MiniLM-L6-v2", "revision": "abc"}})
    text = show().output
    data = ModelCard(text).data
    assert (data.base_model, data.language, data.license) == ("sentence-transformers/all-MiniLM-L6-v2", ["en"], "apache-2.0")
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("f1", 0.41, "1663 held-out items")
    assert f"| Float32 | 0.4100 (0.3900 to 0.4300) | 5.10 | 0.0000043 | 91.0 MB | `{DIGEST}` |" in text
    assert "| Int8Dynamic | GateFailed | the drop is 0.30 |" in text
    assert "`llmos verify model/organ-system -n demo`" in text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"pythonPackage": {"name": "p", "version": "1", "sha256": "ff"}}, "p 1 (Python package, sha256 ff)"),
        ({"oci": {"reference": "ghcr.io/x:1"}}, "ghcr.io/x:1 (OCI)"),
        ({"pvc": {"claimName": "models"}}, "volume models"),
        ({"http": {"files": [{}, {}]}}, "2 files from addresses"),
        ({"trainingJob": {"name": "organ"}}, f"TrainingJob organ {'sha256:' + 'b' * 64}"),
    ],
)
def test_every_source_is_said_so_that_it_can_be_found(world: LibraryWorld, source: dict[str, Any], words: str) -> None:
    resolved = [{"role": "trainingJob", "digest": "sha256:" + "b" * 64}] if "trainingJob" in source else []
    add(world, source, status={**STATUS, "resolved": resolved})
    text = show().output
    assert f"| Made from | {words} |" in text
    assert ModelCard(text).data.base_model == (resolved[0]["digest"] if resolved else DIGEST)


def test_without_an_evaluation_no_metric_is_claimed(world: LibraryWorld) -> None:
    version = {name: value for name, value in STATUS["version"].items() if name != "evaluation"}
    add(world, {"oci": {"reference": "x"}}, status={"version": version})
    assert ModelCard(show().output).data.eval_results is None


def test_a_card_can_be_written_to_a_file(world: LibraryWorld, tmp_path: Path) -> None:
    add(world, {"oci": {"reference": "x"}})
    assert show("--output", str(tmp_path / "README.md")).exit_code == 0
    assert (tmp_path / "README.md").read_text() == show().output


def test_a_model_without_a_version_has_no_card_and_no_other_kind_has_one(world: LibraryWorld) -> None:
    add(world, {"oci": {"reference": "x"}}, status={})
    assert isinstance(show().exception, DependencyNotReady)
    assert isinstance(CliRunner().invoke(app, ["card", "tjob/x"]).exception, ConfigError)

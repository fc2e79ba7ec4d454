from decimal import Decimal
from typing import Any

import pytest

from llmos.errors import ConfigError
from llmos.models import Task, parse_model_spec
from tests.unit.crds.crd_samples import load_crds, schema_of

PACKAGE = {"name": "a", "version": "1", "sha256": "0" * 64, "path": "a/model"}
SPEC: dict[str, Any] = {
    "task": "FeatureExtraction",
    "source": {"pythonPackage": PACKAGE},
    "onnx": {"precisions": ["Float32"], "maximumDifference": "0.001", "maximumTokens": 256},
}


def test_the_spec_of_the_contract_is_read() -> None:
    spec = parse_model_spec(SPEC)
    assert spec.task is Task.FEATURE_EXTRACTION
    assert spec.source.python_package is not None
    assert spec.source.python_package.path == "a/model"
    assert (spec.onnx.maximum_difference, spec.onnx.maximum_tokens) == (Decimal("0.001"), 256)
    assert parse_model_spec({"task": "TextClassification", "source": {"trainingJob": {}}}).source.training_job is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "Poetry"}, "spec.task: .*found 'Poetry'"),
        ({"source": {}}, "spec.source: must set exactly one of pythonPackage, .* and trainingJob"),
        ({"source": {"pythonPackage": PACKAGE, "trainingJob": {}}}, "spec.source: must set exactly one"),
        ({"source": {"pythonPackage": PACKAGE | {"sha256": "abc"}}}, "spec.source.pythonPackage.sha256: .*found 'abc'"),
        ({"source": {"http": {"files": []}}}, "spec.source.http.files: "),
        ({"source": {"http": {"files": [{"url": "ftp://a/b", "sha256": "0" * 64, "path": "b"}]}}}, "spec.source.http.files.0.url: "),
        ({"onnx": {"precisions": ["Int8"]}}, "spec.onnx.precisions.0: .*found 'Int8'"),
        (
            {"task": "TextGeneration", "onnx": {"precisions": ["Float16"]}},
            "spec: must set only Float32 and Int4 in onnx.precisions with a task that writes text",
        ),
        ({"onnx": {"precisions": ["Int4"]}}, "spec: must set Int4 in onnx.precisions only with a task that writes text"),
        ({"onnx": {"maximumDifference": 0.001}}, "spec.onnx.maximumDifference: must be a decimal number as text"),
        ({"onnx": {"maximumDifference": "NaN"}}, "spec.onnx.maximumDifference: "),
        ({"onnx": {"maximumTokens": 7}}, "spec.onnx.maximumTokens: .*found 7"),
        ({"onnx": {"maximum_tokens": 16}}, "spec.onnx.maximum_tokens is unknown"),
        ({"format": {"type": "Pickle"}}, "spec.format.type: .*found 'Pickle'"),
        ({"format": {"type": "StateDict"}}, "spec.format: must set architecture with type StateDict, and only then"),
        ({"format": {"type": "GGUF", "architecture": "EfficientNetLite0"}}, "spec.format: must set architecture with type StateDict"),
        ({"source": {"trainingJob": {}}, "format": {"type": "GGUF"}}, "spec: must not set format with source.trainingJob"),
        ({"task": "TextGeneration", "format": {"type": "ONNX"}}, "spec: must set format type ONNX only with a task of encoders of text"),
        ({"colour": "red"}, "spec.colour is unknown; remove it"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_model_spec({**SPEC, **change})
    assert caught.value.reason == "InvalidSpec"


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ConfigError, match=r"spec.task is missing"):
        parse_model_spec({"source": {"trainingJob": {}}})


def test_the_api_offers_the_tasks_that_are_built() -> None:
    offered = schema_of(load_crds()["Model"])["properties"]["spec"]["properties"]["task"]["enum"]
    assert offered == [str(task) for task in Task]

"""ONNX as it is: a graph of four nodes goes through everything but the export, and what cannot be taken is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from llmos.errors import ConfigError
from llmos.models import OnnxSpec, Task, export_onnx, load_network, read_labels
from llmos.models.config import FormatSpec
from llmos.models.folder import folder_layers
from llmos.models.formats import describe_conversion, is_wanted, take_model_folder
from llmos.models.onnx_build import build_onnx
from tests.unit.models.tiny import SPECIAL, WORDS

FORM = FormatSpec(type="ONNX")
VOCABULARY = len(SPECIAL) + len(WORDS) + 1


def make_graph(*, output: str = "logits", second: str = "attention_mask", domain: str = "", data_type: Any = np.float32) -> Any:
    """Sum of the embeddings of the tokens that are not padding, times a matrix."""
    generator = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(generator.normal(size=(VOCABULARY, 8)).astype(data_type), "embedding"),
        numpy_helper.from_array(generator.normal(size=(8, 3)).astype(data_type), "head"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(np.array([1]), "tokens"),
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(data_type))
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["hidden"]),
        helper.make_node("Cast", [second], ["mask"], to=kind),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["hidden", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "tokens"], ["summed"], keepdims=0),
        helper.make_node("MatMul", ["summed", "head"], [output]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens_"]) for name in ("input_ids", second)]
    outputs = [helper.make_tensor_value_info(output, kind, ["batch", 3])]
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(helper.make_graph(nodes, "given", inputs, outputs, weights), opset_imports=opsets, ir_version=9)


@pytest.fixture
def make_source(classifier_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    def make(**options: Any) -> Path:
        source = tmp_path / "source"
        source.mkdir()
        for path in classifier_folder.iterdir():
            if path.suffix == ".json":
                (source / path.name).write_bytes(path.read_bytes())
        onnx.save(make_graph(**options), str(source / "theirs.onnx"))
        return source

    return make


def test_a_given_graph_is_checked_measured_and_taken_without_a_change(make_source: Callable[..., Path], tmp_path: Path) -> None:
    source = make_source()
    folder = take_model_folder(source, tmp_path / "model", FORM)
    assert (folder / "model.onnx").read_bytes() == (source / "theirs.onnx").read_bytes()
    assert describe_conversion(folder, FORM) == {
        "format": "onnx",
        "changes": "theirs.onnx taken as it is (opset 17, 4 tensors); there is no original to compare it with",
    }
    network = load_network(folder, Task.TEXT_CLASSIFICATION, form=FORM)
    assert (network.input_names, network.num_parameters) == (("input_ids", "attention_mask"), VOCABULARY * 8 + 24 + 2)
    ids, mask = torch.tensor([[2, 4, 3, 0]]), torch.tensor([[1, 1, 1, 0]])
    torch.testing.assert_close(network(ids, mask), network(ids[:, :3], mask[:, :3]))

    exported = export_onnx(network, tmp_path / "exported.onnx", maximum_tokens=16)
    built = build_onnx(
        network, exported, tmp_path / "onnx", precision="Float32", spec=OnnxSpec.model_validate({"maximumTokens": 16}),
        labels=read_labels(folder), facts={},
    )  # fmt: skip
    assert (built.folder / "model.onnx").read_bytes() == (source / "theirs.onnx").read_bytes()
    assert built.measurements["maximumDifference"] == "0"
    assert json.loads((built.folder / "preprocessing.json").read_text())["inputs"] == ["input_ids", "attention_mask"]


def test_a_graph_s_own_length_is_bounded_by_its_configuration(make_source: Callable[..., Path], tmp_path: Path) -> None:
    network = load_network(take_model_folder(make_source(), tmp_path / "model", FORM), Task.TEXT_CLASSIFICATION, form=FORM)
    with pytest.raises(ConfigError, match="maximumTokens is 64, and the model has 32 positions"):
        export_onnx(network, tmp_path / "exported.onnx", maximum_tokens=64)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"domain": "com.example"}, "theirs.onnx has operators of com.example, which ONNX Runtime does not have"),
        ({"data_type": np.float16}, "rounded already .* is FLOAT16.; take the Float32 one"),
    ],
)
def test_a_graph_that_cannot_be_taken_is_refused(
    make_source: Callable[..., Path], tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        take_model_folder(make_source(**options), tmp_path / "model", FORM)
    assert caught.value.reason == "InvalidSource"


def move_weights(source: Path, *, name: str = "theirs.onnx_data") -> None:
    """Save the graph again, with its weights in a file beside it; the constants of shapes stay, as ONNX Runtime wants it."""
    (source / "theirs.onnx").unlink()
    onnx.save(make_graph(), str(source / "theirs.onnx"), save_as_external_data=True, location=name, size_threshold=64)


@pytest.mark.parametrize("name", ["theirs.onnx_data", "theirs.onnx.data"])
def test_a_graph_with_its_weights_beside_it_is_the_same_model(make_source: Callable[..., Path], tmp_path: Path, name: str) -> None:
    source = make_source()
    whole = load_network(take_model_folder(source, tmp_path / "whole", FORM), Task.TEXT_CLASSIFICATION, form=FORM)
    move_weights(source, name=name)
    folder = take_model_folder(source, tmp_path / "split", FORM)
    assert {path.name for path in folder.iterdir()} >= {"model.onnx", "model.onnx.data"}
    assert (folder / "model.onnx.data").read_bytes() == (source / name).read_bytes()
    assert all(layer.path in {path.name for path in folder.iterdir()} for layer in folder_layers(folder))
    network = load_network(folder, Task.TEXT_CLASSIFICATION, form=FORM)
    assert network.num_parameters == whole.num_parameters
    ids, mask = torch.tensor([[2, 4, 3]]), torch.ones(1, 3, dtype=torch.int64)
    torch.testing.assert_close(network(ids, mask), whole(ids, mask), rtol=0, atol=0)
    (tmp_path / "exported").mkdir()
    exported = export_onnx(network, tmp_path / "exported" / "model.onnx", maximum_tokens=16)
    built = build_onnx(
        network, exported, tmp_path / "onnx", precision="Float32", spec=OnnxSpec.model_validate({"maximumTokens": 16}),
        labels=read_labels(folder), facts={},
    )  # fmt: skip
    assert built.measurements["maximumDifference"] == "0"
    assert (built.folder / "model.onnx.data").exists()


def test_the_weights_of_a_named_graph_are_fetched_with_it() -> None:
    is_wanted_file = is_wanted(FormatSpec(type="ONNX", file="onnx/model.onnx"))
    names = ["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model.onnx.data", "onnx/model_q4.onnx", "onnx/model_q4.onnx_data"]
    assert [name for name in names if is_wanted_file(name)] == names[:3]


def test_weights_that_are_not_there_or_cut_are_refused(make_source: Callable[..., Path], tmp_path: Path) -> None:
    source = make_source()
    move_weights(source)
    data = source / "theirs.onnx_data"
    data.write_bytes(data.read_bytes()[:-5])
    with pytest.raises(ConfigError, match=r"theirs\.onnx_data has [\d,]+ bytes, and \w+ would be .*; the file is cut, or another graph's"):
        take_model_folder(source, tmp_path / "model", FORM)
    data.unlink()
    with pytest.raises(ConfigError, match=r"theirs\.onnx keeps its weights in theirs\.onnx_data, which is not there"):
        take_model_folder(source, tmp_path / "model", FORM)


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "config.json", "", "theirs.onnx"])
@pytest.mark.parametrize("is_inner", [False, True])
def test_weights_anywhere_else_are_refused_before_they_are_looked_for(
    make_source: Callable[..., Path], tmp_path: Path, location: str, is_inner: bool
) -> None:
    source = make_source()
    model = make_graph()
    tensor = model.graph.initializer[0]
    if is_inner:
        model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=numpy_helper.from_array(np.zeros(3), "inner")))
        tensor = model.graph.node[-1].attribute[0].t
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value=location)
    (source / "theirs.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ConfigError, match=r"theirs\.onnx keeps tensors in .*; only weights in one file called"):
        take_model_folder(source, tmp_path / "model", FORM)


@pytest.mark.parametrize("content", [b"not protobuf", b""])
def test_a_damaged_graph_is_refused(make_source: Callable[..., Path], tmp_path: Path, content: bytes) -> None:
    source = make_source()
    (source / "theirs.onnx").write_bytes(content)
    with pytest.raises(ConfigError, match=r"theirs\.onnx (is no ONNX file|does not pass)"):
        take_model_folder(source, tmp_path / "model", FORM)


@pytest.mark.parametrize(
    ("options", "task", "reason", "words"),
    [
        ({"output": "scores"}, Task.TEXT_CLASSIFICATION, "TaskMismatch", "gives .'scores': .*; it must give logits of .batch, 3."),
        ({"second": "mask_ids"}, Task.TEXT_CLASSIFICATION, "TaskMismatch", "takes input_ids, mask_ids; it must take INT64 input_ids"),
        ({}, Task.TOKEN_CLASSIFICATION, "TaskMismatch", r"it must give logits of \[batch, -1, 3\]"),
        ({}, Task.IMAGE_CLASSIFICATION, "InvalidSpec", "spec.format ONNX is taken for FeatureExtraction, .* only"),
    ],
)  # fmt: skip
def test_a_graph_of_another_task_is_refused(
    make_source: Callable[..., Path], tmp_path: Path, options: dict[str, Any], task: Task, reason: str, words: str
) -> None:
    folder = take_model_folder(make_source(**options), tmp_path / "model", FORM)
    with pytest.raises(ConfigError, match=words) as caught:
        load_network(folder, task, form=FORM)
    assert caught.value.reason == reason

"""Our backend for Triton, with a real ONNX Runtime and a fake of Triton's module: batching, errors, options."""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from llmos.models.precisions import build_precision
from llmos.runtime import triton
from tests.unit.runtime.tiny_onnx import CONFIG, write_tiny_onnx


class Tensor:
    def __init__(self, name: str, array: np.ndarray) -> None:
        self.name = name
        self.array = array

    def as_numpy(self) -> np.ndarray:
        return self.array


class Request:
    def __init__(self, *outputs: str, **inputs: list) -> None:
        self.tensors = {name: Tensor(name, np.asarray(value)) for name, value in inputs.items()}
        self.outputs = outputs or ("logits",)

    def requested_output_names(self) -> tuple[str, ...]:
        return self.outputs


UTILS = SimpleNamespace(
    Tensor=Tensor,
    TritonError=lambda words: words,
    InferenceResponse=lambda output_tensors, error=None: SimpleNamespace(tensors=output_tensors, error=error),
    get_input_tensor_by_name=lambda request, name: request.tensors.get(name),
)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch):
    """The file as Triton loads it: by path."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", UTILS)
    path = Path(triton.__file__).with_name("triton_backend") / "model.py"
    spec = importlib.util.spec_from_file_location("triton_onnxruntime_backend", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def load(backend, tmp_path: Path):
    def load(**changes):
        write_tiny_onnx(tmp_path / "1" / "model.onnx")
        made = backend.TritonPythonModel()
        made.initialize({"model_config": json.dumps(CONFIG | changes), "model_repository": str(tmp_path), "model_version": "1"})
        return made

    return load


@pytest.fixture
def model(load):
    return load()


def record_shapes(model) -> list[tuple[int, ...]]:
    """Note the shape of each run of the model."""
    shapes: list[tuple[int, ...]] = []
    run = model.session.run
    model.session = SimpleNamespace(run=lambda names, feed: shapes.append(feed["input_ids"].shape) or run(names, feed))
    return shapes


def request(ids: list[list[int]]) -> Request:
    return Request(input_ids=ids, attention_mask=np.ones_like(ids))


def logits(response) -> list[list[float]]:
    assert response.error is None
    (tensor,) = response.tensors
    assert (tensor.name, tensor.array.dtype) == ("logits", np.float32)
    return tensor.array.tolist()


def test_requests_of_one_shape_run_together_and_others_apart_and_each_gets_its_rows(model):
    shapes = record_shapes(model)
    responses = model.execute([request([[1, 2]]), request([[3, 4, 5]]), request([[5, 6], [7, 8]])])
    assert sorted(shapes) == [(1, 3), (3, 2)]
    # The tiny model's first logit is the sum of the ids, its second their number.
    assert [logits(response) for response in responses] == [[[3, 2]], [[12, 3]], [[11, 2], [15, 2]]]


def test_a_model_whose_answers_depend_on_their_neighbours_runs_requests_one_by_one(load):
    model = load(max_batch_size=0)
    shapes = record_shapes(model)
    responses = model.execute([request([[1, 2]]), request([[3, 4]])])
    assert shapes == [(1, 2), (1, 2)]
    assert [logits(response) for response in responses] == [[[3, 2]], [[7, 2]]]


def test_a_bad_request_gets_its_own_error_and_the_others_an_answer(model):
    responses = model.execute(
        [
            request([[1, 2]]),
            Request(input_ids=[[1]]),
            Request(input_ids=[[1]], attention_mask=[[1], [1]]),
            request([[9999]]),
        ]
    )
    assert logits(responses[0]) == [[3, 2]]
    assert "the input attention_mask is missing" in responses[1].error
    assert "different batch sizes" in responses[2].error
    assert responses[3].error


def test_only_the_wanted_outputs_are_returned(model):
    (response,) = model.execute([Request("other", input_ids=[[1]], attention_mask=[[1]])])
    assert (response.tensors, response.error) == ([], None)


def test_a_config_that_names_what_the_model_lacks_is_refused_at_load(load):
    with pytest.raises(ValueError, match=r"config.pbtxt names the outputs \['embedding'\], model.onnx has \['logits'\]"):
        load(output=[{"name": "embedding"}])


def test_threads_and_optimisation_come_from_the_config(backend):
    config = {
        "parameters": {"intra_op_thread_count": {"string_value": "3"}, "execution_mode": {"string_value": "1"}},
        "optimization": {"graph": {"level": 1}},
    }
    options = backend.session_options(config)
    assert options.intra_op_num_threads == 3
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu.max": "nonsense"}, 8),
    ],
)
def test_without_a_number_of_threads_the_containers_limit_counts(backend, tmp_path, monkeypatch, files, expected):
    """Control groups of version 2 (`cpu.max`) and of version 1."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(backend, "_CGROUP", tmp_path)
    monkeypatch.setattr(backend.os, "sched_getaffinity", lambda _pid: set(range(8)))
    assert backend.session_options({}).intra_op_num_threads == expected


PRECISIONS = {"Float32": 1e-6, "Float16": 0.01, "Int8Dynamic": 0.05, "Int8Static": 0.1}


def write_float32(path: Path) -> None:
    """Write what an export looks like to the recipes: a table, a normalisation, a product."""
    rng = np.random.default_rng(0)
    weights = {"table": rng.normal(size=(32, 16)), "gain": np.ones(16), "weight": rng.normal(size=(16, 4)) / 4}
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["embedded"], name="n0"),
            helper.make_node("LayerNormalization", ["embedded", "gain"], ["normal"], name="n1"),
            helper.make_node("MatMul", ["normal", "weight"], ["scores"], name="n2"),
            helper.make_node("ReduceMean", ["scores", "tokens"], ["logits"], name="n3", keepdims=0),
        ],
        "classifier",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [
            *(numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()),
            numpy_helper.from_array(np.array([1], np.int64), "tokens"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))


class FakeNetwork:
    maximum_positions = None

    def make_inputs(self, shape, generator, *, full=False):
        return {"input_ids": generator.integers(0, 32, shape)}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_that_runs_on_a_cpu_is_opened_and_answers_as_float32_does(backend, tmp_path, precision):
    write_float32(tmp_path / "float32.onnx")
    (tmp_path / "1").mkdir()
    network = FakeNetwork()
    texts = [network.make_inputs((1, 8), np.random.default_rng(seed)) for seed in range(16)]
    build_precision(precision, tmp_path / "float32.onnx", tmp_path / "1" / "model.onnx", network=network, calibration=texts)
    config = {"max_batch_size": 32, "input": [{"name": "input_ids"}], "output": [{"name": "logits"}]}
    made = backend.TritonPythonModel()
    made.initialize({"model_config": json.dumps(config), "model_repository": str(tmp_path), "model_version": "1"})
    ids = np.random.default_rng(99).integers(0, 32, (3, 6))
    answers = [logits(response) for response in made.execute([Request(input_ids=row[None]) for row in ids])]
    exact = onnxruntime.InferenceSession(str(tmp_path / "float32.onnx"), providers=["CPUExecutionProvider"]).run(None, {"input_ids": ids})[
        0
    ]
    # Joined by the backend, each request gets its own row; how far it may be is what the format can hold.
    np.testing.assert_allclose(np.concatenate(answers), exact, atol=PRECISIONS[precision])

"""Every precision, made from one export of a one-layer classifier: its answers, what they depend on, and that it is the same file twice."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from llmos.errors import ConfigError, PermanentError
from llmos.models import OnnxSpec, TextNetwork, compare, measure_invariance
from llmos.models.config import Precision
from llmos.models.measure.session import open_session
from llmos.models.onnx_build import build_onnx
from llmos.models.precisions import build_precision
from llmos.models.precisions.graphs import find_products
from llmos.models.tensors import Inputs
from tests.unit.models.tiny import make_folder

SPEC = OnnxSpec.model_validate({"maximumTokens": 16})
MADE = [Precision.FLOAT16, Precision.INT8_DYNAMIC, Precision.INT8_STATIC]
INT8 = [Precision.INT8_DYNAMIC, Precision.INT8_STATIC]


def real(network: TextNetwork) -> list[Inputs]:
    """Stands for real texts: each a batch of one, of its own length."""
    generator = np.random.default_rng(0)
    return [network.make_inputs((1, 4 + index % 13), generator, full=True) for index in range(32)]


@pytest.fixture(scope="module")
def files(classifier: TextNetwork, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    folder = tmp_path_factory.mktemp("precisions")
    texts = real(classifier)
    return {each: build_precision(each, exported, folder / f"{each}.onnx", network=classifier, calibration=texts) for each in MADE}


@pytest.mark.parametrize("precision", MADE)
def test_the_same_export_gives_the_same_bytes(
    classifier: TextNetwork, exported: Path, files: dict[Precision, Path], tmp_path: Path, precision: Precision
) -> None:
    again = build_precision(precision, exported, tmp_path / "other-name.onnx", network=classifier, calibration=real(classifier))
    assert again.read_bytes() == files[precision].read_bytes()


@pytest.mark.parametrize("precision", MADE)
def test_every_precision_is_valid_and_keeps_the_names_and_types_of_what_goes_in_and_out(
    exported: Path, files: dict[Precision, Path], precision: Precision
) -> None:
    made, original = onnx.load(str(files[precision])), onnx.load(str(exported))
    onnx.checker.check_model(made)
    for part in ("input", "output"):
        assert [(each.name, each.type) for each in getattr(made.graph, part)] == [
            (each.name, each.type) for each in getattr(original.graph, part)
        ]


# The logits here reach 0.8: Float16 has 11 bits, 8-bit rows lose about a hundredth of what they add up.
@pytest.mark.parametrize(
    ("precision", "least", "most"),
    [(Precision.FLOAT16, 1e-6, 0.003), (Precision.INT8_DYNAMIC, 1e-5, 0.05), (Precision.INT8_STATIC, 1e-5, 0.1)],
)
def test_answers_are_as_far_from_torch_as_the_format_allows(
    classifier: TextNetwork, files: dict[Precision, Path], precision: Precision, least: float, most: float
) -> None:
    assert least < compare(classifier, open_session(files[precision]), [(1, 5), (3, 16)]).maximum < most


@pytest.mark.parametrize("precision", INT8)
def test_eight_bits_depend_neither_on_neighbours_nor_on_padding(
    classifier: TextNetwork, files: dict[Precision, Path], precision: Precision
) -> None:
    found = measure_invariance(classifier, open_session(files[precision]), maximum_tokens=16)
    assert found.padding is not None
    # Only the order of additions in what stayed Float32 differs.
    assert max(found.batch.difference, found.padding.difference) < 1e-5


def test_one_scale_for_a_whole_tensor_is_found_out_by_its_neighbours(classifier: TextNetwork, exported: Path, tmp_path: Path) -> None:
    """What ONNX Runtime's own dynamic quantization does, and why it is not used."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(exported), str(tmp_path / "model.onnx"), weight_type=QuantType.QInt8)
    found = measure_invariance(classifier, open_session(tmp_path / "model.onnx"), maximum_tokens=16)
    assert found.batch.difference > 0.001


@pytest.mark.parametrize("precision", INT8)
def test_weights_of_eight_bits_cannot_overflow_where_two_products_are_added_in_sixteen(
    files: dict[Precision, Path], precision: Precision
) -> None:
    initializers = onnx.load(str(files[precision])).graph.initializer
    weights = [numpy_helper.to_array(tensor) for tensor in initializers if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2]
    assert len(weights) == 6  # query, key, value, output and the two of the feed-forward part; the heads stay Float32
    assert max(np.abs(array.astype(int)).max() for array in weights) == 64
    assert 2 * 255 * 64 < 2**15


def test_an_outlying_channel_costs_little(tmp_path: Path) -> None:
    """A channel forty times the others, whose weights are small for it, leaves the others three bits unless it is divided out first."""
    rng = np.random.default_rng(0)
    gain = np.ones(64, np.float32)
    gain[7] = 40
    weight = (rng.normal(size=(64, 32)) / gain[:, None]).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("LayerNormalization", ["x", "gain"], ["normal"]),
            helper.make_node("MatMul", ["normal", "weight"], ["logits"]),
        ],
        "outlier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", 64])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "tokens", 32])],
        [numpy_helper.from_array(gain, "gain"), numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(tmp_path / "model.onnx"))

    class Network:
        maximum_positions = None

        def make_inputs(self, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False) -> dict[str, Any]:
            return {"x": generator.normal(size=(*shape, 64)).astype(np.float32)}

    made = build_precision(Precision.INT8_DYNAMIC, tmp_path / "model.onnx", tmp_path / "made.onnx", network=Network())  # type: ignore[arg-type]
    given = Network().make_inputs((4, 8), rng)
    exact, found = (open_session(path).run(None, given)[0] for path in (tmp_path / "model.onnx", made))
    error = float(np.abs(found - exact).mean() / np.abs(exact).mean())
    assert error < 0.02  # 0.09 without


def test_bfloat16_is_made_tried_and_refused_on_a_cpu(classifier: TextNetwork, exported: Path, tmp_path: Path) -> None:
    path = build_precision(Precision.BFLOAT16, exported, tmp_path / "model.onnx", network=classifier)
    model = onnx.load(str(path))
    onnx.checker.check_model(model)
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    assert TensorProto.BFLOAT16 in kinds
    assert not kinds & {TensorProto.FLOAT, TensorProto.FLOAT16}
    with pytest.raises(PermanentError, match=r"BFloat16 was made and tried: ONNX Runtime .* cannot run it on a CPU: .*remove it") as caught:
        build_onnx(classifier, exported, tmp_path / "onnx", precision="BFloat16", spec=SPEC, labels=(), facts={})
    assert caught.value.reason == "PrecisionUnsupported"


def test_fixed_scales_need_real_inputs(classifier: TextNetwork, exported: Path, tmp_path: Path) -> None:
    for given in (None, []):
        with pytest.raises(ConfigError, match=r"give spec.evaluation.dataset, whose calibration part is used") as caught:
            build_precision(Precision.INT8_STATIC, exported, tmp_path / "model.onnx", network=classifier, calibration=given)
        assert caught.value.reason == "CalibrationMissing"


def test_a_graph_without_large_products_has_nothing_to_make_smaller() -> None:
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "kernel"], ["features"]), helper.make_node("MatMul", ["features", "head"], ["logits"])],
        "convolution",
        [],
        [],
        [
            numpy_helper.from_array(np.zeros((64, 3, 8, 8), np.float32), "kernel"),
            numpy_helper.from_array(np.zeros((64, 2), np.float32), "head"),
        ],
    )
    with pytest.raises(PermanentError, match="they hold 1% of the weights it computes with") as caught:
        find_products(helper.make_model(graph), precision="Int8Dynamic")
    assert caught.value.reason == "PrecisionUnsupported"


def test_weights_that_are_no_numbers_are_the_models_fault_in_one_sentence(exported: Path, tmp_path: Path) -> None:
    import torch

    from llmos.models import Task, load_network

    network = load_network(make_folder(tmp_path / "damaged", labels=["a", "b", "c"]), Task.TEXT_CLASSIFICATION)
    with torch.no_grad():
        network.model.classifier.weight[0, 0] = float("nan")
    with pytest.raises(PermanentError, match="the model itself, run by torch, answers with numbers that are none") as caught:
        build_onnx(network, exported, tmp_path / "onnx", precision="Float32", spec=SPEC, labels=(), facts={})
    assert caught.value.reason == "InvalidSource"


def test_a_quantization_that_answers_nonsense_shows_in_its_difference(classifier: TextNetwork, exported: Path, tmp_path: Path) -> None:
    """Outlying weights are what eight bits cannot hold; nothing refuses that but a metric, so the difference must show it."""
    model = onnx.load(str(exported))
    harmed = find_products(model, precision="Int8Dynamic")[0].weight
    for tensor in model.graph.initializer:
        if tensor.name == harmed:
            array = numpy_helper.to_array(tensor).copy()
            array[0] = 1e6
            tensor.CopyFrom(numpy_helper.from_array(array, harmed))
    onnx.save(model, str(tmp_path / "harmed.onnx"))
    path = build_precision(Precision.INT8_DYNAMIC, tmp_path / "harmed.onnx", tmp_path / "model.onnx", network=classifier)
    assert compare(classifier, open_session(path), [(3, 16)]).maximum > 0.1

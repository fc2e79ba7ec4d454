"""Export, comparison and the files beside the graph, on a one-layer model.

An export takes seconds whatever the size, so it is made once; that two exports are the same bytes is tested with the Jobs
(tests/unit/adaptation/test_jobs.py).
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tokenizers import Tokenizer

from llmos.errors import ConfigError, PermanentError
from llmos.models import Label, OnnxSpec, TextNetwork, compare, export_onnx, measure_invariance
from llmos.models.measure.comparison import Comparison
from llmos.models.measure.session import open_session
from llmos.models.onnx_build import BuiltOnnx, build_onnx
from llmos.models.onnx_export import EXAMPLE_SHAPE
from tests.unit.models.tiny import POSITIONS

LABELS = (Label("organ:heart", "Heart"), Label("organ:lung", "Lung"), Label("organ:skin", "Skin"))
SPEC = OnnxSpec.model_validate({"maximumTokens": 16, "maximumDifference": "0.0001"})
FACTS = {"Task": "TextClassification"}


@pytest.fixture(scope="module")
def built(classifier: TextNetwork, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltOnnx:
    folder = tmp_path_factory.mktemp("built") / "onnx"
    return build_onnx(classifier, exported, folder, precision="Float32", spec=SPEC, labels=LABELS, facts=FACTS)


@pytest.fixture(scope="module")
def session(built: BuiltOnnx) -> Any:
    return open_session(built.folder / "model.onnx")


def test_the_export_agrees_with_torch_at_shapes_it_never_saw(built: BuiltOnnx) -> None:
    # Float32: kernels that add up in another order differ in the seventh digit.
    assert 0 < float(built.measurements["maximumDifference"]) < 1e-5
    assert set(built.measurements["differences"]) == {"1x5", "3x16"}


def test_the_graph_does_not_say_where_or_how_it_was_made(built: BuiltOnnx) -> None:
    data = (built.folder / "model.onnx").read_bytes()
    for trace in (b".py", b"stack_trace", b"/llmos", b"torch", b"namespace"):
        assert trace not in data, trace


def test_the_graph_passes_onnx_own_check_and_names_its_tensors(built: BuiltOnnx) -> None:
    model = onnx.load(str(built.folder / "model.onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
    assert [value.name for value in model.graph.output] == ["logits"]
    assert [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim] == ["batch", "tokens"]


def test_another_model_is_found_out(session: Any, classifier_folder: Path, classifier: TextNetwork) -> None:
    before = classifier.model.classifier.bias.detach().clone()
    try:
        with torch.no_grad():
            classifier.model.classifier.bias += 0.01
        assert compare(classifier, session, [(1, 4)]).maximum == pytest.approx(0.01, rel=1e-3)
    finally:
        with torch.no_grad():
            classifier.model.classifier.bias.copy_(before)


def test_an_export_beyond_the_bound_is_refused_with_both_numbers(classifier: TextNetwork, exported: Path, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"maximum_difference": 0})
    with pytest.raises(PermanentError, match=r"differs from torch by 0\.0000\d+, and spec\.onnx\.maximumDifference allows 0;") as caught:
        build_onnx(classifier, exported, tmp_path / "onnx", precision="Float32", spec=spec, labels=LABELS, facts=FACTS)
    assert caught.value.reason == "ExportDiffers"


def test_a_number_that_is_none_is_within_no_bound() -> None:
    assert not Comparison({(1, 5): 0.0, (3, 16): math.nan}).is_within(1e9)


@pytest.mark.parametrize("shapes", [[], [EXAMPLE_SHAPE]])
def test_comparing_at_the_example_shape_or_nowhere_is_refused(classifier: TextNetwork, session: Any, shapes: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="not the example"):
        compare(classifier, session, shapes)


def test_an_answer_does_not_depend_on_its_neighbours_or_on_padding(classifier: TextNetwork, session: Any) -> None:
    found = measure_invariance(classifier, session, maximum_tokens=16)
    assert found.padding is not None
    assert max(found.batch.difference, found.padding.difference) < 1e-5
    assert found.batch.flips == found.padding.flips == 0


def test_more_tokens_than_the_model_has_positions_are_refused(classifier: TextNetwork, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"maximumTokens is {POSITIONS + 1}, and the model has {POSITIONS} positions"):
        export_onnx(classifier, tmp_path / "model.onnx", maximum_tokens=POSITIONS + 1)


def test_everything_a_server_needs_stands_beside_the_graph(built: BuiltOnnx) -> None:
    assert {path.name for path in built.folder.iterdir()} == {
        "README.md", "config.pbtxt", "labels.json", "model.onnx", "preprocessing.json", "tokenizer.json",
    }  # fmt: skip
    assert json.loads((built.folder / "preprocessing.json").read_text()) == {
        "maximumTokens": 16,
        "inputs": ["input_ids", "attention_mask", "token_type_ids"],
        "outputs": ["logits"],
        "padId": 0,
        "pooling": None,
    }
    assert json.loads((built.folder / "labels.json").read_text())["labels"][1] == {"id": "organ:lung", "name": "Lung"}


def test_a_text_prepared_with_the_files_alone_gets_torch_s_answer(built: BuiltOnnx, session: Any, classifier: TextNetwork) -> None:
    tokenizer = Tokenizer.from_file(str(built.folder / "tokenizer.json"))
    encoded = tokenizer.encode("Red rash left skin right heart pain")
    assert encoded.tokens == ["[CLS]", "red", "rash", "left", "skin", "right", "heart", "pain", "[SEP]"]
    assert len(tokenizer.encode("pain " * 40).ids) == 16
    inputs = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
    arrays = {name: np.asarray([values], dtype=np.int64) for name, values in inputs.items()}
    with torch.inference_mode():
        expected = classifier(*(torch.from_numpy(arrays[name]) for name in classifier.input_names)).numpy()
    np.testing.assert_allclose(session.run(None, arrays)[0], expected, atol=1e-5)

import json
from pathlib import Path

import pytest

from llmos.models import TensorSpec, build_triton_config
from llmos.models.serving_files import MADE_FROM, TASK, add_temperature, build_card, write_preprocessing

IDS, MASK = (TensorSpec(name, "INT64", (-1,)) for name in ("input_ids", "attention_mask"))
LOGITS = TensorSpec("logits", "FP32", (14,))


def test_the_triton_config_is_as_written_here() -> None:
    assert build_triton_config(inputs=[IDS, MASK], outputs=[LOGITS], is_batched=True) == (
        'name: "model"\n'
        'backend: "onnxruntime"\n'
        "max_batch_size: 32\n"
        'input { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }\n'
        'input { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }\n'
        'output { name: "logits" data_type: TYPE_FP32 dims: [ 14 ] }\n'
        "dynamic_batching { }\n"
    )


def test_a_model_that_is_not_batched_takes_the_batch_as_an_ordinary_axis() -> None:
    config = build_triton_config(inputs=[IDS], outputs=[TensorSpec("embedding", "FP32", (384,))], is_batched=False)
    assert "max_batch_size: 0\n" in config
    assert "dims: [ -1, -1 ]" in config
    assert "dims: [ -1, 384 ]" in config
    assert "dynamic_batching" not in config


@pytest.mark.parametrize("is_batched", [True, False])
def test_triton_s_own_parser_accepts_it(is_batched: bool) -> None:
    pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="needs tritonclient")
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    text = build_triton_config(inputs=[IDS], outputs=[LOGITS], is_batched=is_batched)
    parsed = text_format.Parse(text, ModelConfig())
    assert (parsed.name, parsed.backend, parsed.HasField("dynamic_batching")) == ("model", "onnxruntime", is_batched)


def test_a_card_is_a_table_of_facts() -> None:
    assert build_card(title="A model", facts={"Kind": "x"}) == "# A model\n\n| | |\n|---|---|\n| Kind | x |\n"


def test_the_front_matter_takes_task_and_origin_from_the_facts() -> None:
    card = build_card(title="A model", facts={TASK: "MaskedLM", MADE_FROM: "sha256:x"}, library="onnx")
    assert card.startswith("---\nbase_model: sha256:x\nlibrary_name: onnx\npipeline_tag: fill-mask\ntags:\n- llmos\n---\n")


@pytest.mark.parametrize(("activation", "is_said"), [({}, True), ({"activation": "Softmax"}, True), ({"activation": "Sigmoid"}, False)])
def test_a_temperature_is_said_only_where_scores_are_a_softmax(tmp_path: Path, activation: dict[str, str], is_said: bool) -> None:
    write_preprocessing(tmp_path, {"inputs": ["input_ids"], **activation})
    add_temperature(tmp_path, 1.37)
    document = json.loads((tmp_path / "preprocessing.json").read_text())
    assert document == {"inputs": ["input_ids"], **activation, **({"temperature": 1.37} if is_said else {})}

"""A two-output-column ONNX model in a few bytes: the first logit is the sum of the ids, the second their number."""

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CONFIG: Final = {"max_batch_size": 8, "input": [{"name": "input_ids"}, {"name": "attention_mask"}], "output": [{"name": "logits"}]}

CONFIG_PBTXT: Final = """\
name: "model"
backend: "onnxruntime"
max_batch_size: 8
input [ { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }, { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] } ]
output [ { name: "logits" data_type: TYPE_FP32 dims: [ 2 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 20000 }
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
model_warmup [ {
  name: "one token" batch_size: 1
  inputs { key: "input_ids" value: { data_type: TYPE_INT64 dims: [ 1 ] zero_data: true } }
  inputs { key: "attention_mask" value: { data_type: TYPE_INT64 dims: [ 1 ] zero_data: true } }
} ]
"""

_NUM_IDS: Final = 100


def write_tiny_onnx(path: Path) -> None:
    """Write the model; ids of 100 and more are outside its table, so that a request can fail inside the model."""
    table = np.stack([np.arange(_NUM_IDS), np.ones(_NUM_IDS)], axis=1).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["rows", "mask3"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "tokens"], ["logits"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])]
    constants = [("table", table), ("last", np.array([2])), ("tokens", np.array([1]))]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [numpy_helper.from_array(array, name) for name, array in constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)

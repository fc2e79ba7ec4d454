"""Float16 and BFloat16: every weight and every number between layers in two bytes; what goes in and comes out stays as it was.

Whether anything can run them is not known here: the caller opens what was made, and an answer of the provider decides.
"""

import logging
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from llmos.models.network import Network
from llmos.models.precisions.graphs import constants, save_model

__all__ = ["build_bfloat16", "build_float16"]

_CAST: Final = "to"


def build_float16(exported: Path, path: Path, _network: Network) -> Path:
    """Write the graph in Float16. ONNX Runtime's CPU provider computes most of it in Float32: half the size, and no faster."""
    return save_model(_to_float16(onnx.load(str(exported))), path)


def build_bfloat16(exported: Path, path: Path, _network: Network) -> Path:
    """Write the graph in BFloat16: the Float16 graph with the other type, and the weights rounded anew from Float32."""
    original = onnx.load(str(exported))
    exact = {name: numpy_helper.to_array(tensor) for name, tensor in constants(original).items()}
    model = _to_float16(original)
    for tensor in model.graph.initializer:
        _retype(tensor, exact.get(tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == _CAST and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.BFLOAT16
            if attribute.HasField("t"):
                _retype(attribute.t, None)
    # Types of values in between are inferred again when it is opened.
    del model.graph.value_info[:]
    return save_model(model, path)


def _retype(tensor: Any, exact: Any) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        array = numpy_helper.to_array(tensor) if exact is None else exact
        raw = numpy_helper.from_array(array.astype("float32")).raw_data
        name, dims = tensor.name, list(tensor.dims)
        tensor.Clear()
        tensor.CopyFrom(onnx.helper.make_tensor(name, TensorProto.BFLOAT16, dims, _upper_halves(raw), raw=True))


def _upper_halves(raw: bytes) -> bytes:
    """Return the first two bytes of each float32, rounded to even: that is what a BFloat16 is."""
    bits = np.frombuffer(raw, dtype="<u4").astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def _to_float16(model: Any) -> Any:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    logging.getLogger("onnxruntime.transformers.float16").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # It warns of each weight that is too small or too large; the comparison says what that does to the answers.
        warnings.simplefilter("ignore")
        return convert_float_to_float16(model, keep_io_types=True)

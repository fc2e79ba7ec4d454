"""ONNX as it is: a graph that somebody else exported, checked and taken without a change.

There is no original to compare it with: it is its own, and what is measured of other precisions is their distance from it. Must not:
repair a graph; what is wrong with it is said.
"""

import shutil
from pathlib import Path
from typing import Any, Final

import onnx

from llmos.errors import ConfigError, PermanentError
from llmos.models.config import FormatSpec
from llmos.models.folder import is_model_file
from llmos.models.formats.onnx_data import find_data, name_data
from llmos.models.formats.safety import choose_file
from llmos.models.measure.session import open_session

__all__ = ["GRAPH_FILE", "take_onnx"]

GRAPH_FILE: Final = "model.onnx"
_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that ONNX Runtime itself has; any other would be code to be brought along."""

_ROUNDED: Final = frozenset({"FLOAT16", "BFLOAT16", "INT8", "UINT8", "INT4", "UINT4", "FLOAT8E4M3FN", "FLOAT8E5M2"})


def take_onnx(source: Path, into: Path, spec: FormatSpec) -> str:
    """Copy graph, configuration and tokenizer into a new folder, and return what was found.

    Weights in a file beside the graph stay in one, under our name for it.

    Raises: ConfigError (InvalidSource) if the graph is damaged, has weights elsewhere, operators of its own, or is no Float32 one.
    """
    path = choose_file(source, spec.file, (".onnx",), format_name="ONNX")
    try:
        # Looked at before the weights are: a graph may name any file as theirs.
        graph: Any = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises several kinds, none of them public
        raise ConfigError(f"{path.name} is no ONNX file: {str(error)[:200]}", reason="InvalidSource") from error
    _check_graph(graph, path.name)
    data = find_data(graph, path)
    try:
        # By its path: with what is beside it, it may be larger than a message can be.
        onnx.checker.check_model(str(path), full_check=True)
        open_session(path)
    except (PermanentError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConfigError(f"{path.name} does not pass: {' '.join(str(error).split())[:300]}", reason="InvalidSource") from error
    into.mkdir(parents=True)
    for other in sorted(source.iterdir()):
        if other.is_file() and is_model_file(other.name) and other.suffix != ".safetensors":
            shutil.copyfile(other, into / other.name)
    if data is None:
        shutil.copyfile(path, into / GRAPH_FILE)
    else:
        name_data(graph, f"{GRAPH_FILE}.data")
        (into / GRAPH_FILE).write_bytes(graph.SerializeToString(deterministic=True))
        shutil.copyfile(data, into / f"{GRAPH_FILE}.data")
    opset = next(item.version for item in graph.opset_import if item.domain in ("", "ai.onnx"))
    return f"{path.name} taken as it is (opset {opset}, {len(graph.graph.initializer)} tensors); there is no original to compare it with"


def _check_graph(graph: Any, name: str) -> None:
    foreign = sorted({item.domain for item in graph.opset_import} - _DOMAINS)
    if foreign:
        raise ConfigError(
            f"{name} has operators of {', '.join(foreign)}, which ONNX Runtime does not have; export it without them",
            reason="InvalidSource",
        )
    types = {tensor.name: onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in graph.graph.initializer if tensor.dims}
    if rounded := sorted(tensor for tensor, type_name in types.items() if type_name in _ROUNDED):
        raise ConfigError(
            f"{name} is rounded already ({rounded[0]} is {types[rounded[0]]}); take the Float32 one, and let spec.onnx.precisions make the "
            "others",
            reason="InvalidSource",
        )

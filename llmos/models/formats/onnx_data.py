"""Weights that a graph keeps in a file beside it: which file that is, and whether every tensor lies wholly inside.

A graph may name any file of the machine as its weights, so none is opened here, nor by ONNX, before its name was found to be the one that a
graph of this name has, and every tensor's place to be within it. Must not: load a tensor.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx

from llmos.errors import ConfigError

__all__ = ["DATA_ENDINGS", "find_data", "name_data"]

DATA_ENDINGS = (".data", "_data")
"""What exporters append to a graph's name: `model.onnx.data`, `model.onnx_data`."""


def find_data(model: Any, path: Path) -> Path | None:
    """Return the file beside a graph that holds its weights; None where the graph holds them itself.

    Args:
        model: loaded without that file.
        path: of the graph.

    Raises: ConfigError (InvalidSource) if it is another file than the graph's own, is missing, or ends before a tensor does.
    """
    external = [tensor for tensor in _tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if not external:
        return None
    own = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    entries = [{entry.key: entry.value for entry in tensor.external_data} for tensor in external]
    names = {entry.get("location", "") for entry in entries}
    allowed = [f"{path.name}{ending}" for ending in DATA_ENDINGS]
    if len(names) > 1 or not names <= set(allowed) or len(own) < len(external):
        raise ConfigError(
            f"{path.name} keeps tensors in {', '.join(sorted(map(repr, names)))[:200]}; only weights in one file called "
            f"{' or '.join(allowed)}, beside it, are taken",
            reason="InvalidSource",
        )
    data = path.with_name(names.pop())
    if not data.is_file():
        raise ConfigError(f"{path.name} keeps its weights in {data.name}, which is not there; add it to the source", reason="InvalidSource")
    size = data.stat().st_size
    for tensor, entry in zip(external, entries, strict=True):
        _check_place(tensor, entry, size, data.name)
    return data


def name_data(model: Any, name: str) -> None:
    """Let a graph say that its weights are in a file of this name; nothing else of it changes."""
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = name


def _check_place(tensor: Any, entry: dict[str, str], size: int, name: str) -> None:
    try:
        count = 1
        for dim in tensor.dims:
            count *= int(dim)
        needed = count * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        offset, length = int(entry.get("offset", "0")), int(entry.get("length", str(needed)))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"where {tensor.name:.100} lies in {name} is not understood: {error}", reason="InvalidSource") from error
    if offset < 0 or length < needed or offset + length > size:
        raise ConfigError(
            f"{name} has {size:,} bytes, and {tensor.name:.100} would be {length:,} of them from {offset:,} on ({needed:,} are needed); "
            "the file is cut, or another graph's",
            reason="InvalidSource",
        )


def _tensors(model: Any) -> Iterator[Any]:
    """Yield every tensor of a model, those of inner graphs too."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _of_graph(graph)

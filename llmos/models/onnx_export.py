"""Export to ONNX, so that the same weights always give the same bytes.

The dynamo exporter is used: with transformers 5.23 the older one exports without an error a graph that is wrong at every batch size but the
example's. What it writes besides the graph (paths, stack traces, names that depend on what was exported before) is removed, because the
file's digest is its identity.
"""

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx_ir
import torch

from llmos.errors import ConfigError, PermanentError
from llmos.models.network import Network

__all__ = ["EXAMPLE_SHAPE", "export_onnx"]

EXAMPLE_SHAPE: Final = (2, 7)
"""Batch and length of the example the graph is traced with; both above 1, which torch.export would fix for ever."""

OPSET: Final = 20
_MAXIMUM_BATCH: Final = 1024
_EXTERNAL_DATA_BYTES: Final = 1 << 30
"""Above this, weights go to `model.onnx.data`: a protobuf file ends at 2 GiB."""


def export_onnx(network: Network, path: Path, *, maximum_tokens: int) -> Path:
    """Write `path` (and `<path>.data` if it is large); a graph that was given is copied.

    Inputs and outputs are those the network names, the batch axis before each; every free axis of an input is the same length.

    Args:
        maximum_tokens: the longest input it must take.

    Returns: `path`.
    Raises: ConfigError (InvalidSpec) if the model has fewer positions; PermanentError (ExportFailed) if torch cannot export it.
    """
    if network.maximum_positions is not None and maximum_tokens > network.maximum_positions:
        raise ConfigError(
            f"spec.onnx.maximumTokens is {maximum_tokens}, and the model has {network.maximum_positions} positions; lower it",
            reason="InvalidSpec",
        )
    if network.given is not None:
        data = network.given.with_name(f"{network.given.name}.data")
        if data.exists():
            # The graph names its file; only under that name does ONNX Runtime find it.
            assert path.name == network.given.name, "a graph with weights beside it keeps its name"
            shutil.copyfile(data, path.with_name(data.name))
        return Path(shutil.copyfile(network.given, path))
    arrays = network.make_inputs(EXAMPLE_SHAPE, np.random.default_rng(0), full=True)
    batch = torch.export.Dim("batch", min=1, max=_MAXIMUM_BATCH)
    length = torch.export.Dim("tokens", min=1, max=max(maximum_tokens, EXAMPLE_SHAPE[1]))
    axes = tuple({0: batch, **{axis: length for axis, size in enumerate(tensor.dims, 1) if size == -1}} for tensor in network.inputs)
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                tuple(torch.from_numpy(arrays[name]) for name in network.input_names),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=list(network.input_names),
                output_names=[tensor.name for tensor in network.outputs],
                dynamic_shapes=axes,
            )
    except Exception as error:
        # The exporter raises whatever its passes meet; the last line says what.
        raise PermanentError(
            f"torch cannot export this architecture to ONNX: {str(error).strip().splitlines()[-1]:.300}", reason="ExportFailed"
        ) from error
    _make_canonical(program.model)
    is_large = sum(value.const_value.nbytes for value in program.model.graph.initializers.values()) > _EXTERNAL_DATA_BYTES
    program.save(str(path), external_data=is_large)
    return path


def _make_canonical(model: Any) -> None:
    """Number nodes and values in graph order, and drop everything that says how the graph came to be.

    The numbering also mends a real fault: an output named `embedding` collides with the node torch names after the embedding layer.
    """
    graph = model.graph
    outputs = {id(value) for value in graph.outputs}
    count = 0
    for index, node in enumerate(onnx_ir.traversal.RecursiveGraphIterator(graph)):
        node.name, node.doc_string = f"n{index}", None
        node.metadata_props.clear()
        for value in node.outputs:
            _strip(value)
            if id(value) not in outputs:
                value.name, count = f"v{count}", count + 1
    for part in (*graph.inputs, *graph.initializers.values(), graph, model):
        _strip(part)
    model.producer_name, model.producer_version = "llmos", None


def _strip(part: Any) -> None:
    part.doc_string = None
    part.metadata_props.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own warnings and its log out of ours: none is about the model, and a failure raises."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""A text model that came as ONNX: the same to everything behind it as one of transformers, but nothing is exported.

Its own answers are what its other precisions are compared with. Must not: guess what an input means; names and axes are checked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor
from transformers import AutoConfig

from llmos.errors import ConfigError
from llmos.models.config import Task
from llmos.models.formats.onnx_file import GRAPH_FILE
from llmos.models.labels import check_label_count
from llmos.models.measure.session import open_session
from llmos.models.pretrained import load_part, load_tokenizer
from llmos.models.tensors import TensorSpec
from llmos.models.text_network import INPUTS, TextNetwork
from llmos.models.text_tasks import TEXT_TASKS

__all__ = ["GivenTextNetwork", "load_given_network"]


class GivenGraph:
    """As much of a transformers model as the rest looks at."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def forward(self) -> None:
        """Take nothing: the graph says itself what goes in."""


class GivenTextNetwork(TextNetwork):
    """Runs the given graph where another would run torch."""

    def __init__(self, path: Path, model: Any, tokenizer: Any, *, inputs: Sequence[str], **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        self.given = path
        self.inputs = tuple(TensorSpec(name, "INT64", (-1,)) for name in inputs)
        self.pooling = None
        self._session = open_session(path)
        self._num_parameters = sum(_count(tensor.dims) for tensor in onnx.load(str(path)).graph.initializer)

    @property
    def num_parameters(self) -> int:
        """Numbers in the graph's tensors."""
        return self._num_parameters

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the one output."""
        arrays = {name: tensor.numpy() for name, tensor in zip(self.input_names, tensors, strict=True)}
        return torch.from_numpy(self._session.run([self.outputs[0].name], arrays)[0])


def load_given_network(folder: Path, task: Task) -> GivenTextNetwork:
    """Open the graph of a folder that `take_onnx` wrote.

    Raises: ConfigError: InvalidSpec if the task is not one of encoders of text; TaskMismatch if inputs or outputs are not those of the
        task; InvalidSource as `load_network`.
    """
    if task not in TEXT_TASKS:
        names = ", ".join(TEXT_TASKS)
        raise ConfigError(f"spec.task is {task}, and spec.format ONNX is taken for {names} only", reason="InvalidSpec")
    wanted = TEXT_TASKS[task]
    tokenizer = load_tokenizer(folder)
    config = load_part(folder, lambda: AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
    output, path = wanted.output(config), folder / GRAPH_FILE
    graph = onnx.load(str(path)).graph
    inputs = _check_inputs(graph, task)
    _check_output(graph, output, task)
    if task.has_labels:
        check_label_count(folder, output.dims[-1])
    model = GivenGraph(config)
    network: GivenTextNetwork = GivenTextNetwork(
        path,
        model,
        tokenizer,
        inputs=inputs,
        output=output,
        pooling=wanted.pooling,
        is_pair=wanted.is_pair,
        preprocessing=wanted.describe(model, tokenizer, folder),
    ).eval()
    return network


def _check_inputs(graph: Any, task: Task) -> list[str]:
    constants = {tensor.name for tensor in graph.initializer}
    found = {value.name: value.type.tensor_type for value in graph.input if value.name not in constants}
    known = [name for name in INPUTS if name in found]
    is_free = all(
        found[name].elem_type == onnx.TensorProto.INT64
        and len(found[name].shape.dim) == 2
        and not any(dim.dim_value for dim in found[name].shape.dim)
        for name in known
    )
    if set(found) != set(known) or not {"input_ids", "attention_mask"} <= set(known) or not is_free:
        raise ConfigError(
            f"spec.task is {task}, and the graph takes {', '.join(sorted(found))}; it must take INT64 input_ids and attention_mask (and "
            "may take token_type_ids) of free batch and length",
            reason="TaskMismatch",
        )
    return known


def _check_output(graph: Any, wanted: TensorSpec, task: Task) -> None:
    found = {value.name: [dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim] for value in graph.output}
    dims = found.get(wanted.name)
    fits = dims is not None and len(dims) == 1 + len(wanted.dims) and dims[-1] in (-1, wanted.dims[-1]) and dims[0] == -1
    if len(found) != 1 or not fits:
        raise ConfigError(
            f"spec.task is {task}, and the graph gives {found}; it must give {wanted.name} of [batch, {', '.join(map(str, wanted.dims))}], "
            "and nothing else",
            reason="TaskMismatch",
        )


def _count(dims: Sequence[int]) -> int:
    total = 1
    for dim in dims:
        total *= int(dim)
    return total

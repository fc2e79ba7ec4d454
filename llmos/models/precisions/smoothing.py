"""Taking outlying channels out of what goes into a matrix product, before it is rounded to eight bits.

    K channels, N outputs. x·W = (x / s)·(s · W) for any s_K > 0: what is divided out of the activations is multiplied into the weights.

Encoders have a channel or two far larger than all others (in MiniLM 28 beside a median of 1.9). With one scale a row, every other channel
is then left with a few steps. This is SmoothQuant (Xiao et al., 2022) on what normalisation layers put out. Scales are powers of two, so
that nothing is lost by applying them, and the last digit of a measured maximum, which differs between processors, decides nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, helper

from llmos.models.precisions.graphs import Product, constants, producers, read_weight
from llmos.models.tensors import Inputs

__all__ = ["choose_scales", "is_normalised", "largest_by_channel"]

_ALPHA: Final = 0.6
"""How much of the difficulty goes into the weights; 0.5 to 0.8 were measured, and differ little."""

_NORMALISATIONS: Final = ("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")


def is_normalised(value: str, made_by: Mapping[str, NodeProto], known: Mapping[str, Any]) -> bool:
    """Say whether a value comes out of a normalisation, or is one multiplied by a weight for each channel."""
    node = made_by.get(value)
    if node is None:
        return False
    return node.op_type in _NORMALISATIONS or (
        node.op_type == "Mul" and any(len(known[name].dims) == 1 for name in node.input if name in known)
    )


def largest_by_channel(model: Any, values: Sequence[str], inputs: Iterable[Inputs]) -> dict[str, NDArray[np.float32]]:
    """Run the graph and return the largest absolute number of each channel, [K], of each of the values."""
    if not values:
        return {}
    probed = type(model)()
    probed.CopyFrom(model)
    probed.graph.output.extend(helper.make_empty_tensor_value_info(value) for value in values)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    largest: dict[str, NDArray[np.float32]] = {}
    for given in inputs:
        for value, array in zip(values, session.run(list(values), dict(given)), strict=True):
            found = np.abs(array).reshape(-1, array.shape[-1]).max(axis=0)
            largest[value] = np.maximum(largest.get(value, found), found)
    return largest


def choose_scales(model: Any, products: Sequence[Product], inputs: Iterable[Inputs]) -> dict[str, NDArray[np.float32]]:
    """Return s_K, powers of two, for each value that is worth dividing; the products of one value share it.

    Args:
        inputs: to run the graph on; each is used once.
    """
    known, made_by = constants(model), producers(model)
    users: dict[str, list[Product]] = {}
    for product in products:
        users.setdefault(product.input, []).append(product)
    largest = largest_by_channel(model, [value for value in users if is_normalised(value, made_by, known)], inputs)
    scales = {}
    for value, activation_K in largest.items():
        weight_K = np.max([np.abs(read_weight(product, known)).max(axis=1) for product in users[value]], axis=0)
        # A channel that is always zero, or meets only zeros, must not turn into a division by zero.
        ratio_K = np.maximum(activation_K, 1e-6) ** _ALPHA / np.maximum(weight_K, 1e-6) ** (1 - _ALPHA)
        scales[value] = (2.0 ** np.round(np.log2(ratio_K / np.median(ratio_K)))).astype(np.float32)
    return scales

"""Int8Dynamic: weights in eight bits, activations rounded while it runs, with a scale of their own for each row.

    x_RK a row for each token, W_KN weights; x_R · W ≈ (a_R · w_N) · (x8_RK · W8_KN)

ONNX Runtime's own recipe (`quantize_dynamic`) has one scale for a whole tensor: then an answer depends on what stands beside it in a batch,
and on padding (MiniLM as a classifier: scores moved by 1.4, 7 % of the labels flipped). A scale a row keeps every row to itself: the
difference is exactly 0, and the answers are twice as close to Float32, at the same speed.

Weights stay within ±64. On processors without VNNI (AVX2, AVX-512 of before 2019), two products of eight bits are added up in sixteen, and
255 · 127 · 2 does not fit: the same file would answer differently there. 255 · 64 · 2 fits, so the file answers the same everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper

from llmos.models.network import Network
from llmos.models.precisions.graphs import (
    Product,
    constants,
    find_products,
    keep_normalisation_apart,
    producers,
    read_weight,
    save_model,
    set_graph,
)
from llmos.models.precisions.smoothing import choose_scales
from llmos.models.tensors import Inputs

__all__ = ["build_int8_dynamic", "random_inputs"]

WEIGHT_LIMIT: Final = 64
_SEED: Final = 20261124
_DOMAIN: Final = "com.microsoft"


@dataclass(frozen=True, slots=True)
class _Range:
    """How numbers of one kind lie in 0 to 255."""

    zero: int
    above: int
    """Steps from zero to the largest number of a row."""

    least: float
    """The smallest number a row's largest may count as."""

    is_signed: bool
    """Whether numbers below zero reach as far as those above."""


_BOTH_SIDES: Final = _Range(zero=128, above=127, least=1e-20, is_signed=True)
_RANGES: Final[Mapping[str, _Range]] = {
    "Relu": _Range(zero=0, above=255, least=1e-20, is_signed=False),
    # GELU never falls below -0.17; sixteen steps reach there once the largest counts as 2.54 at least.
    "Gelu": _Range(zero=16, above=239, least=0.17 * 239 / 16, is_signed=False),
}


@dataclass(slots=True)
class _Rewriting:
    """A graph on its way from Float32 to rows of eight bits."""

    scales: Mapping[str, NDArray[np.float32]]
    kinds: Mapping[str, str]
    """Value → type of the node that makes it."""

    known: Mapping[str, Any]
    nodes: list[NodeProto] = field(default_factory=list)
    added: dict[str, NDArray[Any]] = field(default_factory=dict)
    rounded: dict[str, _Range] = field(default_factory=dict)

    def add(self, kind: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"int8.{len(self.nodes)}", domain=domain, **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        self.added.setdefault(name, value)
        return name

    def round_rows(self, value: str) -> _Range:
        """Make `<value>.u8` and `<value>.largest` (of each row), once for all products of the value."""
        if value in self.rounded:
            return self.rounded[value]
        rows = self.rounded[value] = _RANGES.get(self.kinds.get(value, ""), _BOTH_SIDES)
        source = value
        if value in self.scales:
            factor = self.constant(f"{value}.smooth", (1 / self.scales[value]).astype(np.float32))
            source = self.add("Mul", [value, factor], f"{value}.smoothed")
        size = self.add("Abs", [source], f"{value}.size") if rows.is_signed else source
        last = self.constant("int8.last", np.array([-1], np.int64))
        most = self.add("ReduceMax", [size, last], f"{value}.most", keepdims=1)
        least = self.constant(f"int8.least.{rows.zero}", np.array(rows.least, np.float32))
        largest = self.add("Max", [most, least], f"{value}.largest")
        share = self.add("Div", [source, largest], f"{value}.share")
        self.add("QuantizeLinear", [share, *self.range_constants(rows)], f"{value}.u8")
        return rows

    def range_constants(self, rows: _Range) -> tuple[str, str]:
        step = self.constant(f"int8.step.{rows.zero}", np.array(1 / rows.above, np.float32))
        return step, self.constant(f"int8.zero.{rows.zero}", np.array(rows.zero, np.uint8))

    def multiply(self, product: Product, index: int) -> None:
        """Replace a product."""
        rows = self.round_rows(product.input)
        weight_KN = read_weight(product, self.known)
        if product.input in self.scales:
            weight_KN = weight_KN * self.scales[product.input][:, None]
        rounded_KN, step_N = _round_weights(weight_KN)
        names = [self.constant(f"int8.weight.{index}", rounded_KN), self.constant(f"int8.weight.{index}.step", step_N)]
        step, zero = self.range_constants(rows)
        output = product.output
        self.add("MatMulIntegerToFloat", [f"{product.input}.u8", names[0], step, names[1], zero], f"{output}.sum", domain=_DOMAIN)
        scaled = self.add("Mul", [f"{output}.sum", f"{product.input}.largest"], f"{output}.scaled" if product.bias else output)
        if product.bias:
            self.add("Add", [scaled, product.bias], output)


def build_int8_dynamic(exported: Path, path: Path, network: Network) -> Path:
    """Write the graph with its matrix products in eight bits; what else there is (embeddings, attention, heads) stays Float32.

    Raises: PermanentError (PrecisionUnsupported) if hardly any weights are in matrix products.
    """
    model = onnx.load(str(exported))
    products = find_products(model, precision="Int8Dynamic")
    scales = choose_scales(model, products, random_inputs(network))
    kinds = {value: node.op_type for value, node in producers(model).items()}
    rewriting = _Rewriting(scales, kinds, constants(model))
    by_output = {product.output: (index, product) for index, product in enumerate(products)}
    for node in model.graph.node:
        found = by_output.get(node.output[0]) if node.output else None
        if found:
            rewriting.multiply(found[1], found[0])
        else:
            rewriting.nodes.append(node)
    keep_normalisation_apart(rewriting.nodes)
    set_graph(model, rewriting.nodes, rewriting.added)
    return save_model(model, path)


def random_inputs(network: Network) -> list[Inputs]:
    """Return what outlying channels are found with: they belong to the weights and show whatever goes in."""
    generator = np.random.default_rng(_SEED)
    length = min(32, network.maximum_positions or 32)
    return [network.make_inputs((4, length), generator, full=True) for _ in range(8)]


def _round_weights(weight_KN: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the weights within ±64, and the size of a step for each output."""
    step_N = np.abs(weight_KN).max(axis=0) / WEIGHT_LIMIT
    step_N = np.where(step_N == 0, 1, step_N).astype(np.float32)
    return np.clip(np.rint(weight_KN / step_N), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8), step_N

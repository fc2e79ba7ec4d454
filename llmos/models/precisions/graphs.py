"""Reading, finding and writing in ONNX graphs: what every recipe here needs. Must not: know a precision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from llmos.errors import PermanentError

__all__ = ["Product", "constants", "find_products", "keep_normalisation_apart", "producers", "read_weight", "save_model", "set_graph"]

_EXTERNAL_DATA_BYTES: Final = 1 << 30
_LEAST_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product with a fixed right side: `MatMul`, or `Gemm` with its bias."""

    node: NodeProto
    weight: str
    """The initializer, as the graph holds it."""

    is_transposed: bool
    bias: str | None

    @property
    def input(self) -> str:
        """What comes in, [..., K]."""
        return str(self.node.input[0])

    @property
    def output(self) -> str:
        """What goes out, [..., N]."""
        return str(self.node.output[0])


def constants(model: Any) -> dict[str, Any]:
    """Return the initializers by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def producers(model: Any) -> dict[str, NodeProto]:
    """Return which node makes each value."""
    return {output: node for node in model.graph.node for output in node.output}


def find_products(model: Any, *, precision: str) -> list[Product]:
    """Return the products whose weights can be made smaller, in the order of the graph.

    `Gemm`s are taken only where there is no `MatMul`: beside them they are heads, which see one row of each text; there is no time to gain,
    and what they lose goes straight into the answer.

    Raises: PermanentError (PrecisionUnsupported) if the products hold less than a quarter of the weights that are computed with.
    """
    known = constants(model)
    found = [product for node in model.graph.node if (product := _as_product(node, known))]
    chosen = [product for product in found if product.node.op_type == "MatMul"] or found
    # Tables that are only looked into (embeddings) take no time, however large they are.
    computed = {name for node in model.graph.node if node.op_type != "Gather" for name in node.input if name in known}
    total = sum(int(np.prod(known[name].dims)) for name in computed)
    share = sum(int(np.prod(known[name].dims)) for name in {product.weight for product in chosen}) / max(total, 1)
    if share < _LEAST_SHARE:
        raise PermanentError(
            f"{precision} makes matrix products with fixed weights smaller, and they hold {share:.0%} of the weights it computes with; "
            "remove it from spec.onnx.precisions",
            reason="PrecisionUnsupported",
        )
    return chosen


def _as_product(node: NodeProto, known: Mapping[str, Any]) -> Product | None:
    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in known or len(known[node.input[1]].dims) != 2:
        return None
    if known[node.input[1]].data_type != onnx.TensorProto.FLOAT:
        return None
    if node.op_type == "MatMul":
        return Product(node, node.input[1], False, None)
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if given.get("transA", 0) or given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0:
        return None
    return Product(node, node.input[1], bool(given.get("transB", 0)), node.input[2] if len(node.input) > 2 else None)


def read_weight(product: Product, known: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the weights of a product, [K, N]."""
    array: NDArray[np.float32] = numpy_helper.to_array(known[product.weight])
    return array.T if product.is_transposed else array


def set_graph(model: Any, nodes: Iterable[NodeProto], added: Mapping[str, NDArray[Any]]) -> None:
    """Replace the nodes, add constants, and drop the constants that nothing uses any more."""
    nodes = list(nodes)
    used = {name for node in nodes for name in node.input} | {value.name for value in model.graph.output}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    tensors = [*kept, *(numpy_helper.from_array(array, name) for name, array in added.items())]
    del model.graph.node[:], model.graph.initializer[:]
    # Shapes of values that are gone say nothing; ONNX Runtime infers those of the others.
    del model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)
    if not any(opset.domain == "com.microsoft" for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def save_model(model: Any, path: Path) -> Path:
    """Write a graph; above one GiB with its weights in `<path>.data`."""
    model.producer_name, model.producer_version, model.doc_string = "llmos", "", ""
    is_large = model.ByteSize() > _EXTERNAL_DATA_BYTES if _fits(model) else True
    onnx.save(model, str(path), save_as_external_data=is_large, location=f"{path.name}.data" if is_large else None)
    return path


def _fits(model: Any) -> bool:
    """Say whether the size can be asked at all; protobuf cannot count beyond 2 GiB."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer) < _EXTERNAL_DATA_BYTES


def keep_normalisation_apart(nodes: list[NodeProto]) -> None:
    """Write additions before a normalisation as `Sum`, which is the same.

    ONNX Runtime 1.32 joins `Add` and `LayerNormalization` into one operation that takes 125 µs on 64 x 384 numbers; apart, the two take 23.
    """
    made_by = {output: node for node in nodes for output in node.output}
    for node in nodes:
        before = made_by.get(node.input[0]) if node.op_type == "LayerNormalization" else None
        if before is not None and before.op_type == "Add":
            before.op_type = "Sum"

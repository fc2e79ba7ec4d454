"""Int8Static: weights and activations in eight bits, with scales fitted beforehand on real inputs (QDQ).

    K channels, N outputs.

The graph says with QuantizeLinear and DequantizeLinear what is rounded how, the form that other providers read, too. One fixed scale a
tensor: an answer cannot depend on its neighbours, and a number beyond what the fitting saw is cut off. ONNX Runtime's own tool does the
rounding; what is done before is `smoothing`, without which a single outlying channel spends the range of all others.
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from llmos.errors import ConfigError
from llmos.models.network import Network
from llmos.models.precisions.graphs import Product, constants, find_products, keep_normalisation_apart, read_weight, save_model, set_graph
from llmos.models.precisions.smoothing import choose_scales
from llmos.models.tensors import Inputs

__all__ = ["build_int8_static"]

MOST_INPUTS: Final = 256
"""More inputs change no range worth the time."""


def build_int8_static(exported: Path, path: Path, _network: Network, calibration: Iterable[Inputs] | None) -> Path:
    """Write the graph with its matrix products in eight bits.

    Args:
        calibration: real inputs; the first 256 are used.

    Raises: ConfigError (CalibrationMissing) without any; PermanentError (PrecisionUnsupported) if hardly any weights are in products.
    """
    inputs = list(islice(calibration or (), MOST_INPUTS))
    if not inputs:
        raise ConfigError(
            "Int8Static is in spec.onnx.precisions, and its scales are fitted on real inputs: give spec.evaluation.dataset, whose "
            "calibration part is used, or take Int8Dynamic",
            reason="CalibrationMissing",
        )
    model = onnx.load(str(exported))
    products = find_products(model, precision="Int8Static")
    names = _smooth(model, products, choose_scales(model, products, inputs))
    logging.getLogger().addFilter(_is_no_advice)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            smoothed, rounded = save_model(model, Path(folder) / "smoothed.onnx"), Path(folder) / "rounded.onnx"
            quantize_static(
                str(smoothed),
                str(rounded),
                _Reader(inputs),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                # Seven bits for weights: see `int8_dynamic`.
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=names,
                calibrate_method=CalibrationMethod.MinMax,
                # What comes out of a product is added to and normalised in Float32; rounding it would cost accuracy and save nothing.
                extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
            )
            return save_model(onnx.load(str(rounded)), path)
    finally:
        logging.getLogger().removeFilter(_is_no_advice)


class _Reader(CalibrationDataReader):
    def __init__(self, inputs: list[Inputs]) -> None:
        self._inputs: Iterator[Inputs] = iter(inputs)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        found = next(self._inputs, None)
        return None if found is None else dict(found)


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Keep the tool's advice to run a step of its own first out of our log; the export has done what that does."""
    return "pre-processing before quantization" not in record.getMessage()


def _smooth(model: Any, products: list[Product], scales: Mapping[str, NDArray[np.float32]]) -> list[str]:
    """Divide outlying channels out in Float32, give each product weights of its own, and return the names of the products."""
    known = constants(model)
    added: dict[str, NDArray[Any]] = {}
    nodes, by_output, divided = [], {product.output: product for product in products}, set()
    for node in model.graph.node:
        product = by_output.get(node.output[0]) if node.output else None
        if product is not None and product.input in scales:
            value, scale_K = product.input, scales[product.input]
            if value not in divided:
                added[f"{value}.smooth"] = (1 / scale_K).astype(np.float32)
                nodes.append(helper.make_node("Mul", [value, f"{value}.smooth"], [f"{value}.smoothed"], name=f"{value}.smoothing"))
                divided.add(value)
            weight_KN = read_weight(product, known) * scale_K[:, None]
            added[f"{product.output}.weight"] = weight_KN.T if product.is_transposed else weight_KN
            node.input[0], node.input[1] = f"{value}.smoothed", f"{product.output}.weight"
        nodes.append(node)
    keep_normalisation_apart(nodes)
    set_graph(model, nodes, added)
    return [product.node.name for product in products]

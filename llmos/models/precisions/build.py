"""From the name of a precision to the recipe that makes it. A new precision is a file with a recipe, and one line here."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmos.models.config import Precision
from llmos.models.tensors import Inputs

if TYPE_CHECKING:
    from llmos.models.network import Network

__all__ = ["build_precision"]

Recipe = Callable[[Path, Path, "Network"], Path]
"""Takes the exported Float32 graph, where to write, and the network; returns what it wrote."""


def build_precision(
    precision: Precision | str, exported: Path, path: Path, *, network: "Network", calibration: Iterable[Inputs] | None = None
) -> Path:
    """Write the graph of one precision (and `<path>.data` if it is large). The same inputs give the same bytes.

    Args:
        precision: one of spec.onnx.precisions.
        exported: the Float32 graph, with its `.data` beside it if it has one.
        path: where to write.
        network: what was exported.
        calibration: real inputs, for the precisions that need some.

    Raises: PermanentError (PrecisionUnsupported) where the graph has nothing to make smaller; ConfigError (CalibrationMissing) where
        inputs are needed and none are given.
    """
    precision = Precision(precision)
    if precision is Precision.FLOAT32:
        return _copy(exported, path)
    module, name = _RECIPES[precision]
    recipe = getattr(import_module(f"{__package__}.{module}"), name)
    if precision.needs_calibration:
        recipe = partial(recipe, calibration=calibration)
    written: Path = recipe(exported, path, network)
    return written


def _copy(exported: Path, path: Path) -> Path:
    data = exported.with_name(f"{exported.name}.data")
    if data.exists():
        shutil.copyfile(data, path.with_name(f"{path.name}.data"))
    return Path(shutil.copyfile(exported, path))


# Imported when used: onnx and ONNX Runtime's tools take a second.
_RECIPES: Final[Mapping[Precision, tuple[str, str]]] = {
    Precision.FLOAT16: ("halves", "build_float16"),
    Precision.BFLOAT16: ("halves", "build_bfloat16"),
    Precision.INT8_DYNAMIC: ("int8_dynamic", "build_int8_dynamic"),
    Precision.INT8_STATIC: ("int8_static", "build_int8_static"),
}

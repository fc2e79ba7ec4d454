"""Number formats of an export: one file here for each way of making one from the Float32 graph.

Must not: measure or decide; what comes out is compared, measured and judged by the caller like any other export.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from llmos.models.network import Network

__all__ = ["build_precision"]

Recipe = Callable[[Path, Path, Network], Path]
"""Takes the exported Float32 graph, where to write, and the network; returns what it wrote."""


def build_precision(precision: str, exported: Path, path: Path, *, network: Network) -> Path:
    """Write the graph of one precision (and `<path>.data` if it is large).

    Args:
        precision: one of spec.onnx.precisions.
        exported: the Float32 graph, with its `.data` beside it if it has one.
        path: where to write.
        network: what was exported.
    """
    return _RECIPES[precision](exported, path, network)


def _copy(exported: Path, path: Path, _network: Network) -> Path:
    data = exported.with_name(f"{exported.name}.data")
    if data.exists():
        shutil.copyfile(data, path.with_name(f"{path.name}.data"))
    return Path(shutil.copyfile(exported, path))


_RECIPES: Final[Mapping[str, Recipe]] = {"Float32": _copy}

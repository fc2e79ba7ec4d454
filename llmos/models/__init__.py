"""Models: taking weights in, exporting them to ONNX, and measuring that the export does what the original does.

Everything here works in a notebook, without a cluster; docs/models.md shows how. Importing this package does not import torch: names whose
modules need it are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmos.models.compute import count_cpus, wait_passively
from llmos.models.config import (
    HttpFileSource,
    HttpSource,
    HuggingFaceSource,
    ModelSpec,
    OciSource,
    OnnxSpec,
    Precision,
    PvcSource,
    PythonPackageSource,
    S3FileSource,
    S3Source,
    Task,
    parse_model_spec,
)
from llmos.models.folder import copy_model_folder, folder_layers
from llmos.models.labels import Label, read_labels, write_labels
from llmos.models.loading import load_network
from llmos.models.serving_files import build_triton_config
from llmos.models.sources import (
    import_from_http,
    import_from_hugging_face,
    import_from_oci,
    import_from_package,
    import_from_s3,
    import_from_volume,
)
from llmos.models.tensors import TensorSpec

if TYPE_CHECKING:
    from llmos.models.measure.comparison import Comparison, compare
    from llmos.models.measure.invariance import measure_invariance
    from llmos.models.measure.latency import measure_latency
    from llmos.models.network import Network
    from llmos.models.onnx_export import export_onnx
    from llmos.models.text_network import TextNetwork

__all__ = [
    "Comparison",
    "HttpFileSource",
    "HttpSource",
    "HuggingFaceSource",
    "Label",
    "ModelSpec",
    "Network",
    "OciSource",
    "OnnxSpec",
    "Precision",
    "PvcSource",
    "PythonPackageSource",
    "S3FileSource",
    "S3Source",
    "Task",
    "TensorSpec",
    "TextNetwork",
    "build_triton_config",
    "compare",
    "copy_model_folder",
    "count_cpus",
    "export_onnx",
    "folder_layers",
    "import_from_http",
    "import_from_hugging_face",
    "import_from_oci",
    "import_from_package",
    "import_from_s3",
    "import_from_volume",
    "load_network",
    "measure_invariance",
    "measure_latency",
    "parse_model_spec",
    "read_labels",
    "wait_passively",
    "write_labels",
]

_HEAVY = {
    "Comparison": "measure.comparison",
    "Network": "network",
    "TextNetwork": "text_network",
    "compare": "measure.comparison",
    "export_onnx": "onnx_export",
    "measure_invariance": "measure.invariance",
    "measure_latency": "measure.latency",
}


def __getattr__(name: str) -> Any:
    """Load a name whose module imports torch or onnxruntime."""
    if name in _HEAVY:
        return getattr(import_module(f"llmos.models.{_HEAVY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

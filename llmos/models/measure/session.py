"""Opening an ONNX file the way a server would: the CPU, this container's processors, threads that sleep while they wait."""

from pathlib import Path
from typing import Any

import onnxruntime

from llmos.errors import PermanentError
from llmos.models.compute import count_cpus

__all__ = ["open_session"]


def open_session(path: Path, *, threads: int | None = None) -> Any:
    """Open an ONNX file.

    Args:
        threads: None means as many as this process may use.

    Raises: PermanentError (PrecisionUnsupported) if the provider cannot run what is in it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or count_cpus()
    # Threads that spin while they wait take the processor from whoever else is on the node.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # What it raises has no public type; the text names the operator and its types.
        raise PermanentError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run it on a CPU: {' '.join(str(error).split())[:300]}",
            reason="PrecisionUnsupported",
        ) from error

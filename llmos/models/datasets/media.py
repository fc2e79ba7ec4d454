"""Pictures and recordings of an evaluation set: out of one ZIP archive or one wheel, each known by the digest of its bytes.

Only files that a row names are taken out of a ZIP archive, under names of our own, so no path in it is ever believed. Must not: decode
anything.
"""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from llmos.artifacts import digest_file
from llmos.errors import ConfigError
from llmos.models.datasets.examples import Dataset
from llmos.models.evaluation.spec import MediaArchive
from llmos.workload import HttpFile, Reporter, fetch_http_files, fetch_python_package

__all__ = ["attach_media"]

MAX_FILE_BYTES: Final = 64 << 20
"""Of one picture or recording."""

MAX_TOTAL_BYTES: Final = 8 << 30
_PIECE_BYTES: Final = 1 << 20
_FIELD: Final = "spec.evaluation.dataset.file.media"
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)
"""What zipfile raises for an archive that is damaged, encrypted, or packed in a way it does not know."""


def attach_media(dataset: Dataset, archive: MediaArchive, into: Path, *, reporter: Reporter | None = None) -> Dataset:
    """Bring the files here that the rows' texts name, and return the set with their digests.

    Args:
        into: a folder that does not exist yet.

    Raises: ConfigError (InvalidDataset) for a file that is missing, too large or cannot be unpacked; otherwise as the fetching functions.
    """
    names = list(dict.fromkeys(example.text for example in dataset.examples))
    if archive.http is not None:
        fetch_http_files([HttpFile(archive.http.url, archive.http.sha256, "media.zip")], into, reporter=reporter)
        files = _unpack(into / "media.zip", names, into)
    else:
        package = archive.python_package
        assert package is not None
        found = fetch_python_package(
            name=package.name, version=package.version, sha256=package.sha256, paths=[package.path], into=into, reporter=reporter
        )
        files = _choose(names, found, into / package.path)
    digests = {name: digest_file(path) for name, path in files.items()}
    examples = tuple(replace(example, media=digests[example.text]) for example in dataset.examples)
    return Dataset(examples, {digests[name]: path for name, path in files.items()})


def _choose(names: Iterable[str], found: Iterable[Path], folder: Path) -> Mapping[str, Path]:
    known = {path.relative_to(folder).as_posix(): path for path in found}
    files: dict[str, Path] = {}
    for name in names:
        if name not in known:
            raise _refused(name, "is not in the wheel below that path")
        if known[name].stat().st_size > MAX_FILE_BYTES:
            raise _refused(name, f"has more than {MAX_FILE_BYTES:,} bytes")
        files[name] = known[name]
    return files


def _unpack(path: Path, names: Iterable[str], into: Path) -> Mapping[str, Path]:
    files: dict[str, Path] = {}
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for number, name in enumerate(names):
                if name not in archive.NameToInfo or name.endswith("/"):
                    raise _refused(name, "is not in the archive")
                files[name] = into / f"{number}"
                total += _copy(archive, name, files[name])
                if total > MAX_TOTAL_BYTES:
                    raise _refused(name, f"is beyond the {MAX_TOTAL_BYTES:,} bytes that are unpacked of one archive")
    except _BROKEN as error:
        raise ConfigError(f"{_FIELD} is no ZIP archive that can be unpacked: {error!r:.200}", reason="InvalidDataset") from error
    path.unlink()
    return files


def _copy(archive: zipfile.ZipFile, name: str, target: Path) -> int:
    """Copy one member, and return its size; what an archive says of a size is not believed."""
    size = 0
    with archive.open(name) as source, target.open("wb") as stream:
        while piece := source.read(_PIECE_BYTES):
            size += len(piece)
            if size > MAX_FILE_BYTES:
                raise _refused(name, f"has more than {MAX_FILE_BYTES:,} bytes")
            stream.write(piece)
    return size


def _refused(name: str, problem: str) -> ConfigError:
    return ConfigError(f"{name!r:.100}, which a row of spec.evaluation.dataset.file names, {problem} ({_FIELD})", reason="InvalidDataset")

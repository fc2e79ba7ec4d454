"""huggingface_hub's cache, read: what a repository is, what its files must be, and those that are here already.

A file of the cache is kept under its hash, and is checked against it. Must not: write to the cache, or ask anybody.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.errors import NotFoundError, PermanentError
from llmos.workload.transfer import Arrival, arriving_folder, place_inside

__all__ = ["SHA1", "SHA256", "HubFile", "HuggingFaceRepository", "copy_cached", "no_model_in", "take_from_cache"]

SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
SHA1: Final = re.compile(r"[0-9a-f]{40}\Z")
_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class HuggingFaceRepository:
    """A repository of models, and which state of it is wanted."""

    repository: str
    """`owner/name`."""
    revision: str = "main"
    """A branch, a tag or a commit."""
    endpoint: str = ""
    """Of the server; empty: the Hub, or what HF_ENDPOINT says."""

    def __str__(self) -> str:
        return f"{self.repository} at revision {self.revision}"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the repository lists it."""

    path: str
    size_bytes: int
    hash: str
    """Hex: SHA-256 of the content (Git LFS), else Git's own SHA-1."""

    def open_arrival(self, target: Path) -> Arrival:
        """Begin it, with the hash it must have in the end."""
        if SHA256.match(self.hash):
            return Arrival(target)
        return Arrival(target, algorithm="sha1", prefix=f"blob {self.size_bytes}\0".encode())


def no_model_in(wished: HuggingFaceRepository, names: Sequence[str]) -> PermanentError:
    """Build the error for a repository without a file of a model."""
    return PermanentError(
        f"{wished} holds no file of a model; it has {', '.join(sorted(names)[:8]) or 'no file at all'}", reason="InvalidSource"
    )


def copy_cached(wished: HuggingFaceRepository, commit: str, file: HubFile, target: Path) -> bool:
    """Take a file from the library's cache, if it is there and right."""
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(wished.repository, file.path, cache_dir=constants.HF_HUB_CACHE, revision=commit)
    if not isinstance(found, str):
        return False
    try:
        _copy_checked(Path(found), file, target)
    except PermanentError:
        target.unlink(missing_ok=True)
        return False
    return True


def take_from_cache(wished: HuggingFaceRepository, into: Path, wanted: Callable[[str], bool]) -> str:
    """Take a whole snapshot from the library's cache, each file checked against the hash it is kept under."""
    from huggingface_hub import constants, try_to_load_from_cache

    config = try_to_load_from_cache(wished.repository, "config.json", cache_dir=constants.HF_HUB_CACHE, revision=wished.revision)
    if not isinstance(config, str):
        raise NotFoundError(
            f"HF_HUB_OFFLINE is set, and the cache {constants.HF_HUB_CACHE} has no {wished}; fill it, or unset HF_HUB_OFFLINE in "
            "workload.env; it is looked for again by itself",
            reason="InvalidSource",
        )
    snapshot = Path(config).parent
    paths = sorted(path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file())
    if not (taken := [path for path in paths if wanted(path)]):
        raise no_model_in(wished, paths)
    with arriving_folder(into) as folder:
        for path in taken:
            blob = (snapshot / path).resolve()
            kept_under = blob.name if SHA256.match(blob.name) or SHA1.match(blob.name) else ""
            if blob.parent != snapshot.parent.parent / "blobs" or not kept_under:
                raise PermanentError(f"{path} in the cache of {wished} is no link to a blob named by its hash", reason="InvalidSource")
            file = HubFile(path, blob.stat().st_size, kept_under)
            _copy_checked(blob, file, place_inside(folder, path, f"the cache of {wished.repository}"))
    return f"{wished.repository}@{snapshot.name}"


def _copy_checked(source: Path, file: HubFile, target: Path) -> None:
    with source.open("rb") as stream, file.open_arrival(target) as arrival:
        arrival.check_room(os.fstat(stream.fileno()).st_size)
        while piece := stream.read(_PIECE_BYTES):
            arrival.append(piece)
    if arrival.size != file.size_bytes or arrival.digest() != file.hash:
        raise PermanentError(
            f"{file.path} in the cache has hash {arrival.digest()} and is kept under {file.hash}; fill the cache anew",
            reason="ChecksumMismatch",
        )

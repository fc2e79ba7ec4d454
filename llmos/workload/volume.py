"""Taking a source from a mounted volume: the files of one folder, read once, hashed and copied in that pass.

Others may write to the volume while it is read, so nothing is believed from a name alone: folders and files are opened one below the other,
links never followed, and a file that changes under the reader is noticed. Must not: write to the volume.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.workload.report import Reporter
from llmos.workload.transfer import NO_MODEL, Arrival, Meter, arriving_folder, folder_digest, place_inside

__all__ = ["fetch_from_volume"]

_PIECE_BYTES: Final = 1 << 20
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_SYSTEM: Final = "lost+found"
"""What some file systems have at their root, for root only."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A file below the folder, by the open folder that holds it."""

    folder_fd: int
    name: str
    path: str


def fetch_from_volume(
    volume: Path,
    path: str,
    into: Path,
    *,
    wanted: Callable[[str], bool],
    name: str,
    missing: str = NO_MODEL,
    reporter: Reporter | None = None,
) -> str:
    """Copy the wanted files of a volume's folder into a new folder.

    Args:
        volume: where it is mounted.
        path: the folder in it, relative; empty: its root.
        into: must not exist yet; it appears when everything is there.
        wanted: says of a file's path whether it is taken.
        name: what the folder is called in messages.
        missing: what it holds, if nothing of it is wanted.

    Returns: the digest of what was taken: over the paths, sizes and hashes of the files.
    Raises: ConfigError for a path that climbs; NotFoundError if the folder is not there (yet); PermanentError (InvalidSource) for links and
        for a folder without what is wanted; TransientError if the volume cannot be read, or changes meanwhile.
    """
    seen: dict[str, tuple[str, int]] = {}
    meter = Meter(reporter)
    with _readable(name), _opened(volume, path, name) as folder_fd, arriving_folder(into) as folder:
        for found in _walk(folder_fd, name):
            if not wanted(found.path):
                continue
            meter.begin(found.path)
            with Arrival(place_inside(folder, found.path, name)) as arrival:
                _copy(found, arrival, meter, name)
            seen[found.path] = arrival.digest(), arrival.size
        if not seen:
            raise PermanentError(f"{name} holds {missing}; copy them there, or correct pvc.path", reason="InvalidSource")
    return folder_digest(seen)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn what a file system says into our errors: it is mended outside the spec, so it is tried again."""
    try:
        yield
    except PermissionError as error:
        raise TransientError(
            f"{name}: {error.filename or 'a file'} may not be read by user {os.getuid()}; give it read permission", reason="InvalidSource"
        ) from error
    except OSError as error:
        raise TransientError(f"{name} cannot be read: {error.strerror or error}", reason="InvalidSource") from error


@contextmanager
def _opened(volume: Path, path: str, name: str) -> Iterator[int]:
    """Open a folder of the volume, part by part, none of them a link."""
    parts = path.split("/") if path else []
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"pvc.path {path!r:.100} must be relative, without empty parts, `.` or `..`", reason="InvalidSpec")
    handle = os.open(volume, _FOLDER)
    try:
        for part in parts:
            try:
                below = os.open(part, _FOLDER, dir_fd=handle)
            except (FileNotFoundError, NotADirectoryError):
                raise _missing(handle, part, name) from None
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def _missing(parent_fd: int, part: str, name: str) -> LlmosError:
    """Say why a part of the path cannot be opened as a folder: O_NOFOLLOW makes a link look like a file."""
    try:
        is_link = stat.S_ISLNK(os.stat(part, dir_fd=parent_fd, follow_symlinks=False).st_mode)
    except OSError:
        is_link = False
    if is_link:
        return PermanentError(f"{name}: {part!r:.100} is a link; it is refused", reason="InvalidSource")
    others = ", ".join(sorted(os.listdir(parent_fd))[:8]) or "nothing"
    return NotFoundError(
        f"{name} is not there: no folder {part!r:.100} beside {others}; copy it there, or correct pvc.path; "
        "it is looked for again by itself",
        reason="InvalidSource",
    )


def _walk(folder_fd: int, name: str) -> Iterator[_Found]:
    """Yield every ordinary file, in the order of names; links are refused wherever they stand."""

    def fail(error: OSError) -> None:
        raise error

    for place, folders, files, handle in os.fwalk(".", dir_fd=folder_fd, onerror=fail):
        if place == "." and _SYSTEM in folders:
            folders.remove(_SYSTEM)
        folders.sort()
        below = place.removeprefix(".").removeprefix("/")
        for entry in sorted([*folders, *files]):
            path = f"{below}/{entry}" if below else entry
            mode = os.stat(entry, dir_fd=handle, follow_symlinks=False).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise PermanentError(
                    f"{name} contains {path!r:.100}, which is a link or a device; copy the files themselves (cp -rL)",
                    reason="InvalidSource",
                )
            if stat.S_ISREG(mode):
                yield _Found(handle, entry, path)


def _copy(found: _Found, arrival: Arrival, meter: Meter, name: str) -> None:
    handle = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=found.folder_fd)
    with os.fdopen(handle, "rb", buffering=0) as stream:
        before = os.fstat(handle)
        arrival.check_room(before.st_size)
        # Not further than it was: whoever appends faster than we read would keep us for ever.
        while arrival.size <= before.st_size and (piece := stream.read(_PIECE_BYTES)):
            arrival.append(piece)
            meter.tell(arrival.size, before.st_size)
        after = os.fstat(handle)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or arrival.size != after.st_size:
        raise TransientError(f"{found.path} of {name} changed while it was read; it is tried again", reason="InvalidSource")

"""Unpacking a tar layer without believing it: ordinary files only, each below the folder, never over another.

Must not: write a link, a device, a path that climbs, or more bytes than allowed; nor keep owners and modes.
"""

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from llmos.errors import ConfigError, PermanentError
from llmos.workload.transfer import Arrival, place_inside

__all__ = ["TarForm", "unpack_tar"]

TarForm = Literal["r|", "r|gz"]
"""tarfile's modes for a plain and a gzipped stream."""

_PIECE_BYTES: Final = 1 << 20


def unpack_tar(archive: Path, into: Path, *, form: TarForm, wanted: Callable[[str], bool], name: str, maximum_bytes: int) -> None:
    """Unpack the wanted files of a tar archive below a folder.

    Args:
        wanted: says of a member's path whether it is taken; a link or a climbing path is refused even where it is not.
        name: what the archive is called in messages.
        maximum_bytes: bound on what is unpacked.

    Raises: PermanentError (InvalidSource) for what is unsafe, doubled, cut or too large; ConfigError when scratch is full.
    """
    total = 0
    try:
        # As a stream: nothing is sought, so an archive that points at itself cannot make us read for ever.
        with tarfile.open(archive, mode=form) as members:
            for member in members:
                path = member.name.removeprefix("./").rstrip("/")
                if path in ("", ".") and member.isdir():
                    continue
                _check(member, path, name)
                total += member.size
                if total > maximum_bytes:
                    raise _refused(f"{name} would unpack to more than {maximum_bytes} bytes")
                content = members.extractfile(member) if member.isreg() and wanted(path) else None
                if content is not None:
                    with Arrival(_place(into, path, name)) as arrival:
                        while piece := content.read(_PIECE_BYTES):
                            arrival.append(piece)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        # A full disk is a ConfigError by now; what is left is the archive's.
        raise _refused(f"{name} is not a whole tar archive ({type(error).__name__})") from error


def _check(member: tarfile.TarInfo, path: str, name: str) -> None:
    if path.startswith("/") or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise _refused(f"{name} contains {member.name!r:.100}, which would leave its directory; it is refused")
    if not (member.isreg() or member.isdir()):
        raise _refused(f"{name} contains {member.name!r:.100}, which is a link or a device; it is refused")


def _place(into: Path, path: str, name: str) -> Path:
    try:
        return place_inside(into, path, name)
    except ConfigError as error:
        raise _refused(error.message) from error


def _refused(message: str) -> PermanentError:
    return PermanentError(message, reason="InvalidSource")

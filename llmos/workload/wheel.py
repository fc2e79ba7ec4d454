"""Unpacking a wheel without believing it: only the members that were asked for, checked one by one.

Must not: write a link, a path that leaves the directory, a pickle, or more bytes than allowed; nor run or import anything.
"""

import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError, PermanentError

__all__ = ["MAX_UNPACKED_BYTES", "unpack_members"]

MAX_UNPACKED_BYTES: Final = 32 << 30

_PICKLE_SUFFIXES: Final = frozenset({".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib"})
_PICKLE_PROTOCOLS: Final = frozenset(bytes((0x80, version)) for version in (2, 3, 4, 5))
_PIECE_BYTES: Final = 1 << 20


def unpack_members(
    wheel: Path,
    paths: Sequence[str],
    into: Path,
    *,
    maximum_bytes: int = MAX_UNPACKED_BYTES,
    converted: Callable[[str], bool] = lambda _name: False,
) -> None:
    """Unpack the asked members of a wheel below a directory, under their paths in the wheel.

    Args:
        paths: members; a directory means everything below it.
        maximum_bytes: bound on what is unpacked.
        converted: says of a member's path whether the caller reads nothing but tensors from it; it may then look like a pickle.

    Raises: ConfigError for a path that cannot be one; PermanentError (InvalidSource) for what is absent, unsafe or too large.
    """
    shutil.rmtree(into, ignore_errors=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = _select(archive, paths, wheel.name, converted)
            total = sum(member.file_size for member in members)
            if total > maximum_bytes:
                raise PermanentError(
                    f"{wheel.name} would unpack to {total} bytes; at most {maximum_bytes} are allowed", reason="InvalidSource"
                )
            for member in members:
                _extract(archive, member, into, wheel.name, converted)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise PermanentError(f"{wheel.name} is not a readable wheel: {error}", reason="InvalidSource") from error


def _select(archive: zipfile.ZipFile, paths: Sequence[str], wheel: str, converted: Callable[[str], bool]) -> list[zipfile.ZipInfo]:
    """Return the members that were asked for, each checked, in a stable order."""
    chosen: dict[str, zipfile.ZipInfo] = {}
    for path in paths:
        wanted = path.rstrip("/")
        if not wanted or wanted.startswith("/") or any(part in ("", ".", "..") for part in wanted.split("/")):
            raise ConfigError(f"path {path!r:.100} is refused; it must be relative, without empty, '.' or '..' parts", reason="InvalidSpec")
        found = [
            item for item in archive.infolist() if not item.is_dir() and (item.filename == wanted or item.filename.startswith(wanted + "/"))
        ]
        if not found:
            top = sorted({item.filename.split("/")[0] for item in archive.infolist()})
            raise PermanentError(f"{wheel} has no {wanted!r}; at its top are {', '.join(top[:8])}", reason="InvalidSource")
        for item in found:
            _check_member(item, wheel, converted)
            chosen[item.filename] = item
    return [chosen[name] for name in sorted(chosen)]


def _check_member(member: zipfile.ZipInfo, wheel: str, converted: Callable[[str], bool]) -> None:
    name = member.filename
    if name.startswith("/") or "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise PermanentError(f"{wheel} contains {name!r:.100}, which would leave its directory; it is refused", reason="InvalidSource")
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise PermanentError(f"{wheel} contains {name!r:.100}, which is a link or a device; it is refused", reason="InvalidSource")
    if Path(name).suffix.lower() in _PICKLE_SUFFIXES and not converted(name):
        raise _pickle_refused(wheel, name)


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, wheel: str, converted: Callable[[str], bool]) -> None:
    """Write one member, never more bytes than its header says."""
    target = into / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    # safetensors begins with a length, which may look like a pickle's first bytes, and is never read as one.
    may_be_pickle = target.suffix != ".safetensors" and not converted(member.filename)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with archive.open(member) as source, os.fdopen(handle, "wb") as file:
        while piece := source.read(_PIECE_BYTES):
            if may_be_pickle and left == member.file_size and piece[:2] in _PICKLE_PROTOCOLS:
                raise _pickle_refused(wheel, member.filename)
            left -= len(piece)
            if left < 0:
                raise PermanentError(f"{member.filename} in {wheel} is larger than its header says", reason="InvalidSource")
            file.write(piece)


def _pickle_refused(wheel: str, name: str) -> PermanentError:
    return PermanentError(
        f"{name} in {wheel} is, or may be, a pickle, which can run code when it is read; use a source with safetensors, or a narrower path",
        reason="InvalidSource",
    )

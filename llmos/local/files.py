"""Write files and build folders so that a kill at any moment leaves the old state or the new one, and take the lock between two `llmos`."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmos.local.progress import say

__all__ = ["folder_made_whole", "hash_files", "locked", "write_atomically"]


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file's content in one step; an equal file is left untouched."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def folder_made_whole(path: Path) -> Iterator[Path]:
    """Yield an empty folder that takes `path`'s place when the block ends well; what a killed run left is removed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*"):
        shutil.rmtree(leftover)
    working = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield working
        if path.exists():
            shutil.rmtree(path)
        working.chmod(0o755)
        working.rename(path)
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise


@contextmanager
def locked(path: Path, *, purpose: str) -> Iterator[None]:
    """Hold an exclusive lock; the kernel frees it when we die. `purpose` is said if we must wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another llmos that is {purpose} …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hash_files(root: Path, paths: Iterable[Path], *salt: str) -> str:
    """Return a hex digest over names and contents (and the salt): the key under which what they make is cached."""
    digest = hashlib.sha256()
    for text in salt:
        digest.update(f"salt {len(text)}\0{text}".encode())
    for path in sorted(paths):
        data = path.read_bytes()
        executable = "x" if path.stat().st_mode & 0o100 else "-"
        digest.update(f"{path.relative_to(root)}\0{executable}{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()

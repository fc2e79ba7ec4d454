"""The operator as a process of its own: started from source, watched from outside (memory, CPU time, its metrics)."""

import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import yaml

from bench.control_plane import ControlPlane, Ports

__all__ = ["OperatorProcess"]

_ROOT: Final = Path(__file__).resolve().parents[1]
_SAMPLE_S: Final = 0.1
_CALM_S: Final = 8.0
"""The operator's queue gauges are a few seconds old: rest is believed only after longer than that."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def operator_settings(plane: ControlPlane, *, probes: int, metrics: int) -> dict[str, Any]:
    """Return the configuration: as the chart renders it, without the report endpoint (kwok's pods report nothing)."""
    image = f"{plane.registry}/llmos"
    return {
        "installationId": "llmos-system/bench",
        "artifacts": {"repository": image, "plainHTTP": True},
        "images": {name: f"{image}/{name}:bench" for name in ("trainer", "sidecar", "triton")},
        "networkPolicies": {"enabled": True, "operatorNamespace": "llmos-system"},
        "probes": {"port": probes},
        "metrics": {"port": metrics},
        "logLevel": "WARNING",
    }


class OperatorProcess:
    """One run of the operator; a context manager that stops it."""

    def __init__(self, plane: ControlPlane, kubeconfig: Path, *, profile: Path | None = None) -> None:
        """Start it.

        Args:
            profile: where cProfile's figures go; for finding out where the time goes, never for measuring.
        """
        ports = Ports.free()
        self._metrics_port, probes = ports.kwok, ports.registry
        config = plane.folder / "operator.yaml"
        config.write_text(yaml.safe_dump(operator_settings(plane, probes=probes, metrics=self._metrics_port)))
        self.log = plane.folder / "logs" / "operator.log"
        module = ["-m", "cProfile", "-o", str(profile), "-m"] if profile else ["-m"]
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": f"{_ROOT}:{_ROOT / 'operator'}"}
        # The plane stops what carries this mark if we are killed.
        environment |= {"LLMOS_NODE": str(plane.folder), "LLMOS_COMPONENT": "operator"}
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            argv = [sys.executable, *module, "llmos_operator.main", "--config", str(config)]
            self._process = subprocess.Popen(argv, cwd=plane.folder, env=environment, stdout=log, stderr=log)
        self.peak_anonymous_bytes = 0
        self.peak_resident_bytes = 0
        self.cpu_s = 0.0
        self._stopping = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def __enter__(self) -> "OperatorProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end and wait until it has."""
        self._stopping.set()
        self._sampler.join()
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the operator did not end within 60 s of SIGTERM; its log is {self.log}") from None

    def wait_until_drained(self, *, minimum_passes: int, timeout_s: float) -> float:
        """Wait until every key had its pass and no pass has ended for a while; return the moment (monotonic) the last one did.

        Args:
            minimum_passes: how many passes there must have been since it started.
        """
        deadline = time.monotonic() + timeout_s
        passes, last_change = 0.0, time.monotonic()
        while (now := time.monotonic()) < deadline:
            found, busy = self._passes_and_busy()
            if found != passes:
                passes, last_change = found, now
            elif passes >= minimum_passes and not busy and now - last_change >= _CALM_S:
                return last_change
            time.sleep(0.05)
        raise RuntimeError(
            f"the operator was not done after {timeout_s:.0f} s ({passes:.0f} of {minimum_passes} passes); its log is {self.log}"
        )

    def _passes_and_busy(self) -> tuple[float, bool]:
        self._check_alive()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return 0, True  # not listening yet
        waiting = _sum(text, "llmos_operator_queue_depth") + _sum(text, "llmos_operator_queue_running")
        return _sum(text, "llmos_operator_reconciles_total"), waiting > 0

    def _check_alive(self) -> None:
        if (code := self._process.poll()) is not None:
            raise RuntimeError(f"the operator ended with {code}; its log {self.log} ends:\n{self.log.read_text(errors='replace')[-3000:]}")

    def _sample(self) -> None:
        status, stat = Path(f"/proc/{self._process.pid}/status"), Path(f"/proc/{self._process.pid}/stat")
        while not self._stopping.wait(_SAMPLE_S):
            try:
                text, fields = status.read_text(), stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                return
            sizes = {name: int(value) * 1024 for name, value in re.findall(r"^(RssAnon|VmHWM):\s+(\d+) kB", text, re.MULTILINE)}
            self.peak_anonymous_bytes = max(self.peak_anonymous_bytes, sizes.get("RssAnon", 0))
            self.peak_resident_bytes = max(self.peak_resident_bytes, sizes.get("VmHWM", 0))
            self.cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS


def _sum(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))

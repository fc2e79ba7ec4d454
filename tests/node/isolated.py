"""A machine within the machine: its own network, mounts and process ids, in which a second cluster disturbs nobody.

Whatever a test leaves behind dies with it: the kernel ends every process of a pid namespace whose first process ends.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from llmos.local.settings import LocalSettings

# Reaps what is orphaned, as a real first process does.
_FIRST_PROCESS = "import signal, time; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True: time.sleep(1000)"
LLMOS = (sys.executable, "-c", "from llmos.cli.main import main; main()")
_SHADOWED = ("/var/lib/kubelet", "/var/log/containers", "/run/containerd")


@dataclass
class Isolated:
    """The inner machine and the one cluster in it."""

    settings: LocalSettings
    holder: subprocess.Popen[bytes]
    first_pid: int

    @classmethod
    def start(cls, state: Path) -> Isolated:
        unshare = ["unshare", "--net", "--mount", "--propagation=slave", "--pid", "--fork", "--mount-proc", "--kill-child"]
        holder = subprocess.Popen([*unshare, "/usr/bin/python3", "-c", _FIRST_PROCESS])
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        while not children.read_text().strip():
            time.sleep(0.02)
        machine = cls(LocalSettings(state=state), holder, int(children.read_text()))
        for folder in _SHADOWED:  # the kubelet writes there whatever it is told
            machine.run("sh", "-c", f"mkdir -p {folder} && mount -t tmpfs none {folder}")
        return machine

    def close(self) -> None:
        os.kill(self.first_pid, signal.SIGKILL)
        self.holder.wait()
        shutil.rmtree(self.settings.state, ignore_errors=True)
        shutil.rmtree(self.settings.run, ignore_errors=True)

    def command(self, *argv: str) -> list[str]:
        inside = ["nsenter", f"--target={self.first_pid}", "--net", "--mount", "--pid", f"--wd={Path.cwd()}", "--"]
        return [*inside, "env", f"LLMOS_STATE={self.settings.state}", *argv]

    def run(self, *argv: str, code: int | None = 0, timeout_s: float = 180.0, text: str | None = None) -> str:
        done = subprocess.run(self.command(*argv), input=text, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert code is None or done.returncode == code, f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def llmos(self, *argv: str, code: int | None = 0) -> str:
        return self.run(*LLMOS, *argv, code=code)

    def start_llmos(self, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(*LLMOS, *argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kubectl(self, *argv: str, text: str | None = None) -> str:
        return self.run(*LLMOS, "kubectl", *argv, text=text)

    def traces(self) -> dict[str, list[str]]:
        """What a cluster can leave in a kernel."""
        processes = self.run("ps", "-eo", "stat=,args=").splitlines()
        mounts = self.run("cat", "/proc/self/mounts").splitlines()
        links = self.run("ip", "-oneline", "link").splitlines()
        hierarchies = Path("/sys/fs/cgroup").iterdir()
        return {
            "processes": [
                line for line in processes if not line.startswith("Z") and "ps -eo" not in line and _FIRST_PROCESS[:20] not in line
            ],
            "mounts": [line for line in mounts if str(self.settings.state) in line or str(self.settings.run) in line],
            "links": [re.sub(r"<.*", "", line) for line in links if " lo: " not in line],
            "network namespaces": self.run("ip", "netns", "list").splitlines(),
            "firewall": self.run("nft", "list", "ruleset").splitlines(),
            "control groups": [str(path) for path in hierarchies if (path / self.settings.instance).exists()],
            "files": self.run("find", *_SHADOWED, "-not", "-type", "d").splitlines(),
            "run folder": [str(self.settings.run)] if self.settings.run.exists() else [],
        }

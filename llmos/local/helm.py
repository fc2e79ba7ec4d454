"""Helm against one cluster, with our errors. Adds nothing to Helm: its own server-side waiting and its own messages."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmos.errors import LlmosError
from llmos.local.command import try_run
from llmos.local.proxies import without_proxy

__all__ = ["Helm", "HelmError"]

Values = Mapping[str, Any]


class HelmError(LlmosError):
    """Helm failed; the message is what it said."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="HelmFailed")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message,))


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm against one cluster."""

    kubeconfig: Path
    program: Path = Path("helm")
    is_local: bool = True
    """Whether it is the local cluster; see `Kubectl`."""

    def run(self, *args: str, input: str | None = None, timeout_s: float = 330.0) -> str:
        """Run helm and return what it printed; raises HelmError with its message."""
        environment = {**(without_proxy(os.environ) if self.is_local else os.environ), "KUBECONFIG": str(self.kubeconfig)}
        done = try_run([self.program, *args], stdin=input, timeout_s=timeout_s, environment=environment)
        if done.returncode != 0:
            words = done.stderr.strip() or done.stdout.strip() or f"helm ended with {done.returncode}"
            raise HelmError(words.removeprefix("Error: "))
        return done.stdout

    def install(self, release: str, chart: Path, *, namespace: str, values: Values | None = None, timeout_s: float = 180.0) -> str:
        """Install a release into an existing namespace and wait until it is ready."""
        return self._deploy(["install"], release, chart, namespace, values, timeout_s)

    def upgrade(
        self, release: str, chart: Path, *, namespace: str, values: Values | None = None, install: bool = True, timeout_s: float = 180.0
    ) -> str:
        """Upgrade a release (or install it) and wait until it is ready."""
        return self._deploy(["upgrade", *(["--install"] if install else [])], release, chart, namespace, values, timeout_s)

    def uninstall(self, release: str, *, namespace: str, timeout_s: float = 120.0) -> str:
        """Remove a release and wait until what it owns is gone; none there is fine."""
        flags = ["--ignore-not-found", "--wait", f"--timeout={timeout_s:.0f}s"]
        return self.run("uninstall", release, f"--namespace={namespace}", *flags, timeout_s=timeout_s + 30)

    def template(self, release: str, chart: Path, *, namespace: str, values: Values | None = None) -> str:
        """Render a chart without a cluster."""
        return self.run("template", release, str(chart), f"--namespace={namespace}", "--values=-", input=json.dumps(dict(values or {})))

    def _deploy(self, verb: list[str], release: str, chart: Path, namespace: str, values: Values | None, timeout_s: float) -> str:
        flags = [f"--namespace={namespace}", "--values=-", "--wait", f"--timeout={timeout_s:.0f}s"]
        return self.run(*verb, release, str(chart), *flags, input=json.dumps(dict(values or {})), timeout_s=timeout_s + 30)

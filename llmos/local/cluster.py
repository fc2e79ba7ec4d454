"""Which cluster the user means: the local one, or with `CLUSTER=current` the one that KUBECONFIG names. The door for cli, demo and tests.

CLUSTER=current    start nothing local; use KUBECONFIG (or ~/.kube/config) and its current context
LLMOS_REGISTRY     with CLUSTER=current: the registry that this machine and that cluster both reach, as host[:port]
    LLMOS_REGISTRY_TLS=1    with CLUSTER=current: that registry speaks HTTPS
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from llmos.errors import ConfigError
from llmos.local.helm import Helm
from llmos.local.kubectl import Kubectl
from llmos.local.node import bring_down, bring_up, is_running
from llmos.local.settings import REGISTRY, LocalSettings
from llmos.local.toolchain import Toolchain

__all__ = ["Cluster", "borrowed", "ensure", "existing", "is_current"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is up, and the registry it pulls from."""

    kubeconfig: Path
    registry: str
    """host[:port], the same name from laptop, node and pod."""
    is_local: bool
    plain_http: bool = True
    """Whether the registry speaks HTTP without TLS."""

    def kubectl(self, namespace: str | None = None) -> Kubectl:
        """Return a client; another's cluster is spoken to with the user's own kubectl if there is one."""
        own = None if self.is_local else shutil.which("kubectl")
        program = Path(own) if own else Toolchain(LocalSettings.from_environment()).kubectl()
        return Kubectl(self.kubeconfig, namespace, program, self.is_local)

    def helm(self) -> Helm:
        """Return Helm for this cluster."""
        return Helm(self.kubeconfig, Toolchain(LocalSettings.from_environment()).helm(), self.is_local)


def ensure(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Return the cluster the user means, starting the local one if it is meant and does not run."""
    if is_current(environment):
        return _current(environment)
    settings = LocalSettings.from_environment(environment)
    bring_up(settings)
    return Cluster(settings.kubeconfig, REGISTRY, is_local=True)


def existing(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Return the cluster the user means without starting anything; whether it answers is the caller's to find out."""
    if is_current(environment):
        return _current(environment)
    settings = LocalSettings.from_environment(environment)
    if not settings.kubeconfig.is_file():
        raise ConfigError("there is no local cluster; start it with `llmos up`", reason="NoCluster")
    return Cluster(settings.kubeconfig, REGISTRY, is_local=True)


@contextmanager
def borrowed(environment: Mapping[str, str] = os.environ) -> Iterator[Cluster]:
    """Yield the cluster the user means and leave it as it was found: one that was started here is stopped again."""
    if is_current(environment):
        yield _current(environment)
        return
    settings = LocalSettings.from_environment(environment)
    was_running = is_running(settings)
    try:
        yield ensure(environment)
    finally:
        if not was_running:
            bring_down(settings)


def is_current(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the user brings a cluster."""
    choice = environment.get("CLUSTER", "local")
    if choice not in {"local", "current", ""}:
        raise ConfigError(f"CLUSTER must be `local` or `current`, not {choice!r}", reason="InvalidSetting")
    return choice == "current"


def _current(environment: Mapping[str, str]) -> Cluster:
    kubeconfig = environment.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any(Path(part).is_file() for part in kubeconfig.split(os.pathsep)):
        raise ConfigError(f"CLUSTER=current needs a kubeconfig, and {kubeconfig} does not exist; set KUBECONFIG", reason="InvalidSetting")
    registry = environment.get("LLMOS_REGISTRY", "")
    if not registry:
        raise ConfigError(
            "CLUSTER=current needs LLMOS_REGISTRY: the registry, as host[:port], that this machine pushes to and that cluster pulls from",
            reason="InvalidSetting",
        )
    return Cluster(Path(kubeconfig), registry, is_local=False, plain_http=environment.get("LLMOS_REGISTRY_TLS", "") != "1")

"""Where the local cluster keeps its things, and the addresses it uses. Read once from the environment; must not touch the disk.

Two clusters cannot share a network namespace (kube-proxy's table has one name), so addresses and ports are fixed here: a second cluster
runs in a network namespace of its own with another `LLMOS_STATE`, as the tests in tests/node do.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError

__all__ = [
    "BRIDGE",
    "CLUSTER_DOMAIN",
    "NODE_ADDRESS",
    "NODE_NAME",
    "POD_SUBNET",
    "REGISTRY",
    "SERVICE_SUBNET",
    "STORAGE_CLASS",
    "LocalSettings",
    "source_root",
]

NODE_NAME: Final = "llmos"
BRIDGE: Final = "llmos0"
NODE_ADDRESS: Final = "10.244.0.1"
"""The bridge's address: node, API server, registry and DNS answer there, from laptop, node and pods alike."""
POD_SUBNET: Final = "10.244.0.0/24"
SERVICE_SUBNET: Final = "10.96.0.0/16"
CLUSTER_DOMAIN: Final = "cluster.local"
REGISTRY: Final = f"{NODE_ADDRESS}:5000"
STORAGE_CLASS: Final = "local"

DEFAULT_STATE: Final = Path("/var/lib/llmos")
DEFAULT_CACHE: Final = Path("/var/cache/llmos")


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The folders of one local cluster."""

    state: Path = DEFAULT_STATE
    """Everything that must survive `llmos down`: objects (etcd), images, volumes, keys, logs."""
    cache: Path = DEFAULT_CACHE
    """What can be made again: binaries, build caches, layers. Shared by all clusters of the machine."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "LocalSettings":
        """Read LLMOS_STATE and LLMOS_CACHE; both must be absolute."""
        return cls(
            state=_absolute(environment, "LLMOS_STATE", DEFAULT_STATE),
            cache=_absolute(environment, "LLMOS_CACHE", DEFAULT_CACHE),
        )

    @property
    def instance(self) -> str:
        """A short name for this cluster's cgroup and run folder; differs for every state folder."""
        if self.state == DEFAULT_STATE:
            return "llmos"
        return f"llmos-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"

    @property
    def run(self) -> Path:
        """Sockets and mounts: on a tmpfs, and short, for a socket's path may have 107 characters."""
        return Path("/run") / self.instance

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """Rendered configuration files."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """One log a component; `<name>.log.1` is the run before."""
        return self.state / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def registry_repositories(self) -> Path:
        """Where the local registry keeps one folder a repository."""
        return self.state / "registry" / "docker" / "registry" / "v2" / "repositories"

    @property
    def images_file(self) -> Path:
        """Image name → reference by digest, written by `llmos images`."""
        return self.state / "images.json"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd answers."""
        return self.run / "containerd.sock"


def _absolute(environment: Mapping[str, str], name: str, default: Path) -> Path:
    value = environment.get(name, "")
    if not value:
        return default
    path = Path(value)
    if not path.is_absolute() or path == Path("/"):
        raise ConfigError(f"{name} must be an absolute folder other than /, not {value!r}", reason="InvalidSetting")
    return path


def source_root() -> Path:
    """Return the checkout this package runs from: images and node sources are not in the wheel."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "images" / "node" / "go.mod").is_file():
        raise ConfigError(
            f"{root} is not a checkout of LLMOS: the local cluster and images are built from its sources; clone it and run `make up`",
            reason="NoCheckout",
        )
    return root

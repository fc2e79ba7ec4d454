"""A Kubernetes control plane of the benchmark's own: etcd, API server, controller-manager, scheduler, kwok and a registry on free ports.

Empty at every start, so that one measurement leaves nothing behind for the next. There is no kubelet: kwok plays the nodes and says that
pods are ready. The API server writes an audit log of one user, the operator, which is how its requests are counted.
"""

import base64
import json
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.local.files import write_atomically
from llmos.local.health import HealthCheck, HttpHealth
from llmos.local.pki import ensure_pki
from llmos.local.processes import find_processes, start, stop
from llmos.local.settings import LocalSettings
from llmos.local.toolchain import Toolchain

__all__ = ["OPERATOR_NAMESPACE", "OPERATOR_USER", "ControlPlane", "running_control_plane"]

OPERATOR_NAMESPACE: Final = "llmos-system"
OPERATOR_USER: Final = f"system:serviceaccount:{OPERATOR_NAMESPACE}:llmos-operator"
DEFAULT_MANAGER_QPS: Final = 20
"""kube-controller-manager's own default; it bounds how fast anything becomes Ready."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on loopback."""

    etcd: int
    etcd_peer: int
    api: int
    manager: int
    scheduler: int
    kwok: int
    registry: int

    @classmethod
    def free(cls) -> "Ports":
        """Take ports that nobody has."""
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in cls.__slots__]
        ports = [listener.getsockname()[1] for listener in listeners]
        for listener in listeners:
            listener.close()
        return cls(*ports)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane."""

    folder: Path
    ports: Ports
    kubernetes: Path

    @property
    def url(self) -> str:
        """The API server."""
        return f"https://127.0.0.1:{self.ports.api}"

    @property
    def pki(self) -> Path:
        """Certificates and kubeconfigs."""
        return self.folder / "pki"

    @property
    def audit_log(self) -> Path:
        """One JSON line for each finished request of the operator."""
        return self.folder / "audit.log"

    @property
    def registry(self) -> str:
        """host:port of the registry."""
        return f"127.0.0.1:{self.ports.registry}"

    def write_operator_kubeconfig(self, token: str) -> Path:
        """Write a kubeconfig with a service account's token."""
        path = self.folder / "operator.kubeconfig"
        authority = base64.b64encode((self.pki / "ca.crt").read_bytes()).decode()
        path.write_text(json.dumps(_kubeconfig(self.url, authority, {"token": token})))
        return path

    def restart_manager(self, qps: int) -> None:
        """Start the controller-manager again with another limit on its own requests."""
        stop([process.pid for process in find_processes(self.folder) if process.component == "controller-manager"], grace_s=15)
        self.start_manager(qps)

    def start_manager(self, qps: int) -> None:
        """Start the controller-manager."""
        argv = (
            f"{self.kubernetes}/kube-controller-manager",
            *self._client_flags("controller-manager", self.ports.manager),
            f"--service-account-private-key-file={self.pki}/service-account.key",
            f"--root-ca-file={self.pki}/ca.crt",
            "--use-service-account-credentials=true",
            f"--kube-api-qps={qps}",
            f"--kube-api-burst={qps * 3 // 2}",
        )
        self.run("controller-manager", argv, HttpHealth(f"https://127.0.0.1:{self.ports.manager}/healthz", ca_file=self.pki / "ca.crt"))

    def run(self, name: str, argv: tuple[str, ...], health: HealthCheck) -> None:
        """Start a component and wait until it is healthy."""
        log = self.folder / "logs" / f"{name}.log"
        child = start(name, argv, state=self.folder, log=log, fingerprint="bench")
        deadline = time.monotonic() + 90
        while problem := health.problem():
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start ({problem}); its log is {log}:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def _client_flags(self, name: str, port: int) -> tuple[str, ...]:
        kubeconfig = f"{self.folder}/{name}.kubeconfig"
        return (
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={self.pki}/loopback.crt",
            f"--tls-private-key-file={self.pki}/loopback.key",
        )

    def start_scheduler(self) -> None:
        """Start the scheduler."""
        argv = (f"{self.kubernetes}/kube-scheduler", *self._client_flags("scheduler", self.ports.scheduler))
        self.run("scheduler", argv, HttpHealth(f"https://127.0.0.1:{self.ports.scheduler}/healthz", ca_file=self.pki / "ca.crt"))


@contextmanager
def running_control_plane(settings: LocalSettings) -> Iterator[ControlPlane]:
    """Start an empty control plane, and stop it at the end; what a killed benchmark left is stopped first."""
    folder = settings.cache / "bench"
    toolchain = Toolchain(settings)
    _stop_all(folder)
    for name in ("etcd", "registry", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audit.log").unlink(missing_ok=True)
    plane = ControlPlane(folder, Ports.free(), toolchain.kubernetes())
    try:
        _write_files(plane)
        _start_store_and_api(plane, toolchain.registry())
        plane.start_manager(DEFAULT_MANAGER_QPS)
        plane.start_scheduler()
        kwok = (
            str(toolchain.kwok()),
            f"--kubeconfig={folder}/admin.kubeconfig",
            # Named, so that nothing is taken from the user's own configuration.
            f"--config={Path(__file__).with_name('kwok.yaml')}",
            "--node-lease-duration-seconds=40",
            "--manage-all-nodes=true",
            "--cidr=10.128.0.0/16",
            f"--server-address=127.0.0.1:{plane.ports.kwok}",
        )
        plane.run("kwok", kwok, HttpHealth(f"http://127.0.0.1:{plane.ports.kwok}/healthz"))
        yield plane
    finally:
        _stop_all(folder)


def _stop_all(folder: Path) -> None:
    stop([process.pid for process in find_processes(folder)], grace_s=15)


def _write_files(plane: ControlPlane) -> None:
    ensure_pki(LocalSettings(state=plane.folder))
    for name in ("admin", "controller-manager", "scheduler"):
        # The certificates of the local cluster's PKI also name 127.0.0.1; only the address is another here.
        document = json.loads((plane.pki / f"{name}.kubeconfig").read_text())
        document["clusters"][0]["cluster"]["server"] = plane.url
        write_atomically(plane.folder / f"{name}.kubeconfig", json.dumps(document), mode=0o600)
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata", "users": [OPERATOR_USER]}, {"level": "None"}],
    }
    write_atomically(plane.folder / "audit-policy.yaml", json.dumps(policy))
    registry = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(plane.folder / "registry")}},
        "http": {"addr": plane.registry},
    }
    write_atomically(plane.folder / "registry.yaml", json.dumps(registry))


def _start_store_and_api(plane: ControlPlane, registry: Path) -> None:
    ports, pki = plane.ports, plane.pki
    plane.run("registry", (str(registry), "serve", f"{plane.folder}/registry.yaml"), HttpHealth(f"http://{plane.registry}/v2/"))
    store = f"http://127.0.0.1:{ports.etcd}"
    peer = f"http://127.0.0.1:{ports.etcd_peer}"
    etcd = (
        f"{plane.kubernetes}/etcd",
        f"--data-dir={plane.folder}/etcd",
        f"--listen-client-urls={store}",
        f"--advertise-client-urls={store}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    )
    plane.run("etcd", etcd, HttpHealth(f"{store}/health"))
    api_server = (
        f"{plane.kubernetes}/kube-apiserver",
        f"--etcd-servers={store}",
        "--bind-address=127.0.0.1",
        # An address that cannot be loopback; it stands in an Endpoints object that nobody uses.
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={ports.api}",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        "--authorization-mode=Node,RBAC",
        f"--audit-policy-file={plane.folder}/audit-policy.yaml",
        f"--audit-log-path={plane.audit_log}",
    )
    plane.run("kube-apiserver", api_server, HttpHealth(f"{plane.url}/readyz", ca_file=pki / "ca.crt"))


def _kubeconfig(server: str, authority: str, user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "bench", "user": user}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    }

"""What the cluster consists of: each component's command line, health check and place in the starting order. Pure."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.local.health import HealthCheck, HttpHealth, SocketHealth
from llmos.local.pki import API_SERVER
from llmos.local.settings import NODE_ADDRESS, NODE_NAME, REGISTRY, SERVICE_SUBNET, STORAGE_CLASS, LocalSettings

__all__ = ["Component", "build_components"]

_ETCD: Final = "http://127.0.0.1:2379"


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the cluster."""

    name: str
    argv: tuple[str, ...]
    health: HealthCheck
    address: str
    """Where it serves, for people."""
    port: tuple[str, int] | None
    """A TCP address it must be able to take."""
    stage: int
    """Components of a stage start together, once all of the earlier stages are healthy."""
    timeout_s: float = 60.0

    @property
    def program(self) -> str:
        """Base name it runs under."""
        return Path(self.argv[0]).name

    def fingerprint(self, configuration: str) -> str:
        """Return a digest of what decides how it behaves; another one means it has to be restarted."""
        return hashlib.sha256("\0".join((*self.argv, configuration)).encode()).hexdigest()[:16]


def build_components(settings: LocalSettings, *, kubernetes: Path, registry: Path) -> tuple[Component, ...]:
    """Return all components. `kubernetes`: folder of the multi-call binary's links; `registry`: the registry server."""
    return (
        *_foundations(settings, kubernetes, registry),
        _api_server(settings, kubernetes),
        *_controllers(settings, kubernetes),
        *_node_agents(settings, kubernetes),
    )


def _foundations(settings: LocalSettings, kubernetes: Path, registry: Path) -> tuple[Component, ...]:
    etcd = (
        f"{kubernetes}/etcd",
        f"--data-dir={settings.state}/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # faster by far on a laptop's disk; costs the last writes if the *machine* dies, not if etcd does
        "--auto-compaction-retention=1h",
        "--quota-backend-bytes=4294967296",
        "--log-level=warn",
    )
    containerd = ("/usr/bin/containerd", f"--config={settings.config}/containerd.toml")
    return (
        Component("etcd", etcd, HttpHealth(f"{_ETCD}/health"), _ETCD, ("127.0.0.1", 2379), stage=0),
        Component("containerd", containerd, SocketHealth(settings.containerd_socket), str(settings.containerd_socket), None, stage=0),
        Component(
            "registry",
            (str(registry), "serve", f"{settings.config}/registry.yaml"),
            HttpHealth(f"http://{REGISTRY}/v2/"),
            REGISTRY,
            (NODE_ADDRESS, 5000),
            stage=0,
        ),
    )


def _api_server(settings: LocalSettings, kubernetes: Path) -> Component:
    pki = settings.pki
    argv = (
        f"{kubernetes}/kube-apiserver",
        f"--etcd-servers={_ETCD}",
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICE_SUBNET}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
    )
    health = HttpHealth(f"{API_SERVER}/readyz", ca_file=pki / "ca.crt")
    return Component("kube-apiserver", argv, health, API_SERVER, (NODE_ADDRESS, 6443), stage=1, timeout_s=120.0)


def _controllers(settings: LocalSettings, kubernetes: Path) -> tuple[Component, ...]:
    """These exit if the API server has not laid its roles down yet, so they come a stage later."""
    pki = settings.pki

    def common(name: str) -> tuple[str, ...]:
        kubeconfig = f"{pki}/{name}.kubeconfig"
        return (
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--tls-cert-file={pki}/loopback.crt",
            f"--tls-private-key-file={pki}/loopback.key",
        )

    manager = (
        f"{kubernetes}/kube-controller-manager",
        *common("controller-manager"),
        f"--service-account-private-key-file={pki}/service-account.key",
        f"--root-ca-file={pki}/ca.crt",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
    )
    scheduler = (f"{kubernetes}/kube-scheduler", *common("scheduler"))
    return (
        _https("kube-controller-manager", manager, pki, 10257),
        _https("kube-scheduler", scheduler, pki, 10259),
    )


def _node_agents(settings: LocalSettings, kubernetes: Path) -> tuple[Component, ...]:
    pki = settings.pki
    kubelet = (
        f"{kubernetes}/kubelet",
        f"--kubeconfig={pki}/kubelet.kubeconfig",
        f"--config={settings.config}/kubelet.yaml",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
        f"--root-dir={settings.state}/kubelet",
        f"--cert-dir={settings.state}/kubelet/pki",
    )
    volumes = (
        f"{kubernetes}/local-volumes",
        f"--kubeconfig={pki}/admin.kubeconfig",
        f"--root={settings.state}/volumes",
        f"--node={NODE_NAME}",
        f"--class={STORAGE_CLASS}",
        "--healthz-bind-address=127.0.0.1:10262",
    )
    return (
        Component(
            "kubelet", kubelet, HttpHealth("http://127.0.0.1:10248/healthz"), f"https://{NODE_ADDRESS}:10250", ("127.0.0.1", 10248), stage=2
        ),
        _http("kube-proxy", (f"{kubernetes}/kube-proxy", f"--config={settings.config}/kube-proxy.yaml"), 10256),
        Component(
            "coredns",
            (f"{kubernetes}/coredns", "-conf", f"{settings.config}/Corefile"),
            HttpHealth("http://127.0.0.1:10264/ready"),
            f"{NODE_ADDRESS}:53",
            (NODE_ADDRESS, 53),
            stage=2,
        ),
        _http("local-volumes", volumes, 10262),
    )


def _http(name: str, argv: tuple[str, ...], port: int) -> Component:
    url = f"http://127.0.0.1:{port}/healthz"
    return Component(name, argv, HttpHealth(url), url, ("127.0.0.1", port), stage=2)


def _https(name: str, argv: tuple[str, ...], pki: Path, port: int) -> Component:
    url = f"https://127.0.0.1:{port}/healthz"
    return Component(name, argv, HttpHealth(url, ca_file=pki / "ca.crt"), url, ("127.0.0.1", port), stage=2)

"""The configuration files of containerd, CNI, kubelet, kube-proxy, CoreDNS and the registry, as text. Pure: renders, writes nothing."""

import json
from pathlib import Path

from llmos.local.settings import BRIDGE, CLUSTER_DOMAIN, NODE_ADDRESS, NODE_NAME, POD_SUBNET, REGISTRY, LocalSettings

__all__ = ["PAUSE_IMAGE", "render_configuration"]

PAUSE_IMAGE = "llmos.local/pause:1"
_REGISTRY_HOST = f"""server = "http://{REGISTRY}"
[host."http://{REGISTRY}"]
  capabilities = ["pull", "resolve"]
"""
"""containerd 1.6 takes a file without a [host] for broken, and then speaks TLS."""


def render_configuration(settings: LocalSettings, *, may_raise_oom_score: bool) -> dict[Path, str]:
    """Return every configuration file by path. `may_raise_oom_score`: whether this process has CAP_SYS_RESOURCE."""
    config = settings.config
    return {
        config / "containerd.toml": _containerd(settings, may_raise_oom_score=may_raise_oom_score),
        config / "certs.d" / REGISTRY / "hosts.toml": _REGISTRY_HOST,
        config / "cni" / "10-llmos.conflist": _cni(settings),
        config / "kubelet.yaml": _kubelet(settings),
        config / "kube-proxy.yaml": _kube_proxy(settings),
        config / "Corefile": _corefile(settings),
        config / "registry.yaml": _registry(settings),
    }


def _containerd(settings: LocalSettings, *, may_raise_oom_score: bool) -> str:
    # netns_mounts_under_state_dir: pods' network namespaces lie in a folder of ours, so that `down` knows which to remove.
    # discard_unpacked_layers: the registry keeps the layers; a second copy of the trainer image would cost five gigabytes.
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE every pod fails with "can't get final child's PID from pipe: EOF".
    return f'''version = 2
root = "{settings.state}/containerd"
state = "{settings.run}/containerd"
[grpc]
  address = "{settings.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = {str(not may_raise_oom_score).lower()}
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    discard_unpacked_layers = true
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{settings.run}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{settings.config}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{settings.config}/certs.d"
'''


def _cni(settings: LocalSettings) -> str:
    address_management = {
        "type": "host-local",
        "dataDir": f"{settings.run}/addresses",  # on a tmpfs: after a reboot no address is taken
        "ranges": [[{"subnet": POD_SUBNET, "gateway": NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": address_management}
    return json.dumps({"cniVersion": "1.0.0", "name": "llmos", "plugins": [bridge]}, indent=1)


def _kubelet(settings: LocalSettings) -> str:
    pki = settings.pki
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "healthzBindAddress": "127.0.0.1",
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pki}/kubelet.crt",
            "tlsPrivateKeyFile": f"{pki}/kubelet.key",
            "clusterDNS": [NODE_ADDRESS],
            "clusterDomain": CLUSTER_DOMAIN,
            "containerRuntimeEndpoint": f"unix://{settings.containerd_socket}",
            "podLogsDir": f"{settings.logs}/pods",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{settings.instance}",
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,  # chains that nothing here uses and `down` would have to find again
            "maxPods": 110,
            "serializeImagePulls": False,
            "syncFrequency": "10s",
            "shutdownGracePeriod": "0s",
            # The defaults are percentages: on a large, half-full disk they report pressure and delete the images.
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "1Gi",
                "imagefs.available": "1Gi",
                "nodefs.inodesFree": "1%",
            },
            "imageGCHighThresholdPercent": 100,
        },
        indent=1,
    )


def _kube_proxy(settings: LocalSettings) -> str:
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": f"{settings.pki}/proxy.kubeconfig"},
            "mode": "nftables",
            "clusterCIDR": POD_SUBNET,
            "bindAddress": NODE_ADDRESS,
            "hostnameOverride": NODE_NAME,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "conntrack": {"maxPerCore": 0},
        },
        indent=1,
    )


def _corefile(settings: LocalSettings) -> str:
    return f""".:53 {{
    bind {NODE_ADDRESS}
    errors
    health 127.0.0.1:10263
    ready 127.0.0.1:10264
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {settings.pki}/admin.kubeconfig llmos
        pods insecure
        ttl 5
    }}
    cache 5
    forward . /etc/resolv.conf
}}
"""


def _registry(settings: LocalSettings) -> str:
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": f"{settings.state}/registry"}, "delete": {"enabled": True}},
            "http": {"addr": REGISTRY, "host": f"http://{REGISTRY}", "relativeurls": True},
        },
        indent=1,
    )

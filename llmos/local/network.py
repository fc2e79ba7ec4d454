"""The pod bridge and the one firewall table of ours. Must not touch anything it did not make, but for two sysctls that routing needs.

The bridge's own address is the node's: this kernel family may lack dummy devices, and an address that pods, node and laptop all reach
under the same name is what the registry needs anyway. Masquerading is one rule in a table of our own instead of the CNI plugin's chains,
because one table can be removed in one step.
"""

from pathlib import Path
from typing import Final

from llmos.errors import LlmosError
from llmos.local.command import run, try_run
from llmos.local.settings import BRIDGE, NODE_ADDRESS, POD_SUBNET

__all__ = ["ensure_network", "has_bridge", "remove_network"]

_TABLE: Final = "llmos"
_KUBE_PROXY_TABLES: Final = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
_BRIDGE_FILTER: Final = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def ensure_network() -> None:
    """Bring up the bridge with its address, routing, and masquerading of what leaves the pods' subnet."""
    if not has_bridge():
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "replace", f"{NODE_ADDRESS}/24", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    run(["ip", "link", "set", "lo", "up"])  # in a fresh network namespace it is down
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    rules = [f"ip saddr {POD_SUBNET} ip daddr != {POD_SUBNET} ip daddr != 224.0.0.0/4 masquerade"]
    if not _has_bridge_filter():
        # Pod to pod through a Service: the answer would cross the bridge without passing conntrack, and with the wrong sender.
        rules.append(f"ip saddr {POD_SUBNET} ip daddr {POD_SUBNET} ct status dnat masquerade")
    chain = "chain postrouting { type nat hook postrouting priority srcnat; " + "; ".join(rules) + "; }"
    run(["nft", "-f", "-"], stdin=f"table ip {_TABLE}\ndelete table ip {_TABLE}\ntable ip {_TABLE} {{\n{chain}\n}}\n")


def remove_network() -> None:
    """Remove the bridge, our table and kube-proxy's tables; what is not there is fine."""
    for family, table in (("ip", _TABLE), *_KUBE_PROXY_TABLES):
        try_run(["nft", "delete", "table", family, table])
    if has_bridge():
        run(["ip", "link", "delete", BRIDGE])


def has_bridge() -> bool:
    """Tell whether our bridge exists."""
    return try_run(["ip", "link", "show", BRIDGE]).returncode == 0


def _has_bridge_filter() -> bool:
    """Let bridged packets pass conntrack if the kernel can."""
    if not _BRIDGE_FILTER.exists():
        try:
            try_run(["modprobe", "br_netfilter"])
        except LlmosError:  # no modprobe here, or no such module
            return False
    if not _BRIDGE_FILTER.exists():
        return False
    _BRIDGE_FILTER.write_text("1")
    return True

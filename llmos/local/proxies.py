"""What must not go through the proxy of an organisation: this machine, and the local cluster's node, pods and Services.

Go, pip and httpx each read NO_PROXY, and none of them exempts a private network by itself. Must not: decide who gets which environment.
"""

from collections.abc import Mapping
from typing import Final

from llmos.local.settings import CLUSTER_DOMAIN, NODE_ADDRESS, POD_SUBNET, SERVICE_SUBNET

__all__ = ["CLUSTER_NAMES", "LOCAL_CLUSTER", "without_proxy"]

CLUSTER_NAMES: Final = ("127.0.0.1", "localhost", ".svc", f".{CLUSTER_DOMAIN}")
"""Direct in any cluster."""

# The node's address stands by itself, too: httpx knows no subnets.
LOCAL_CLUSTER: Final = (*CLUSTER_NAMES, NODE_ADDRESS, POD_SUBNET, SERVICE_SUBNET)
"""Direct in the local cluster."""

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def without_proxy(environment: Mapping[str, str], names: tuple[str, ...] = LOCAL_CLUSTER) -> dict[str, str]:
    """Return an environment in which these names are reached directly, beside the user's own; unchanged where no proxy is set."""
    if not any(environment.get(name) or environment.get(name.lower()) for name in _PROXIES):
        return dict(environment)
    written = f"{environment.get('NO_PROXY', '')},{environment.get('no_proxy', '')}".split(",")
    value = ",".join(dict.fromkeys(name for name in (*(item.strip() for item in written), *names) if name))
    return {**environment, "NO_PROXY": value, "no_proxy": value}

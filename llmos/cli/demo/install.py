"""Installs LLMOS with its own chart, and prepares a namespace for the example.

Owns: chart values from image references, the namespace's Pod Security level, the certificate bundle of this machine.
Must not: know what the example contains.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.errors import ConfigError
from llmos.local.helm import Helm
from llmos.local.kubectl import Kubectl
from llmos.local.proxies import CLUSTER_NAMES, LOCAL_CLUSTER, without_proxy
from llmos.local.settings import source_root

__all__ = ["CA_CONFIG_MAP", "RELEASE", "SYSTEM_NAMESPACE", "chart_values", "install_chart", "prepare_namespace"]

SYSTEM_NAMESPACE = "llmos-system"
RELEASE = "llmos"
CA_CONFIG_MAP = "llmos-ca-bundle"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"}
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
USER_INFORMATION = re.compile(r"://[^/\s]*@")


def chart_values(
    images: Mapping[str, str],
    *,
    registry: str,
    plain_http: bool = True,
    is_local: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Values for the chart.

    Args:
        images: name → `registry/repository@sha256:…`, for operator, trainer, sidecar and triton.
        registry: host[:port] where artifacts go.
        plain_http: whether that registry speaks HTTP without TLS.
        is_local: whether it is the local cluster; others can read what another's is given.
        environment: variables of this machine that pods need as well (package index, proxies).

    Raises:
        ConfigError: an image reference has no digest, or a credential of this machine would be shown to others.
    """
    passed_on = without_proxy(environment, LOCAL_CLUSTER if is_local else CLUSTER_NAMES)
    env = [{"name": name, "value": passed_on[name]} for name in PASSED_ON if passed_on.get(name)]
    secret = next((item["name"] for item in env if USER_INFORMATION.search(item["value"])), "")
    if secret and not is_local:
        raise ConfigError(
            f"{secret} carries a user name or password, which everybody who may read that cluster's chart values and pods would see; "
            "unset it here, and give it to each object by workload.env with a secretKeyRef",
            reason="InvalidSetting",
        )
    bundle = CA_CONFIG_MAP if host_bundle(environment) else ""
    return {
        "images": {"pullPolicy": "IfNotPresent", **{name: _image(reference) for name, reference in images.items()}},
        "artifacts": {"repository": f"{registry}/llmos", "plainHTTP": plain_http},
        "workloads": {"caBundleConfigMapName": bundle, "env": env},
    }


def host_bundle(environment: Mapping[str, str]) -> Path | None:
    """The certificate bundle this machine was told to trust (SSL_CERT_FILE), if any: its network may have an authority of its own."""
    path = environment.get("SSL_CERT_FILE", "")
    return Path(path) if path and Path(path).is_file() else None


def install_chart(helm: Helm, kubectl: Kubectl, values: Mapping[str, Any]) -> None:
    """`helm upgrade --install` into a namespace that enforces the restricted level."""
    kubectl.apply(_namespace(SYSTEM_NAMESPACE), server_side=True)
    helm.upgrade(RELEASE, source_root() / "charts" / "llmos", namespace=SYSTEM_NAMESPACE, values=values)


def prepare_namespace(kubectl: Kubectl, name: str, *, environment: Mapping[str, str] = os.environ) -> None:
    """Make the namespace, restricted, with this machine's certificate bundle where it has one of its own."""
    kubectl.apply(_namespace(name), server_side=True)
    bundle = host_bundle(environment)
    if bundle is not None:
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CA_CONFIG_MAP, "namespace": name},
            "data": {"ca.crt": bundle.read_text()},
        }
        kubectl.apply(document, server_side=True)  # server-side: the bundle is larger than kubectl's last-applied annotation may be


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}


def _image(reference: str) -> dict[str, str]:
    place, separator, digest = reference.partition("@")
    host, slash, repository = place.partition("/")
    if not separator or not slash:
        raise ConfigError(
            f"an image must be given as registry/repository@sha256:…, not {reference!r}; run `llmos images`", reason="InvalidImage"
        )
    return {"registry": host, "repository": repository, "digest": digest}

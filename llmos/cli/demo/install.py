"""Installs LLMOS with its own chart, and prepares a namespace for the example.

Owns: chart values from image references, the namespace's Pod Security level, the certificate bundle of this machine.
Must not: know what the example contains.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmos.errors import ConfigError
from llmos.local.helm import Helm
from llmos.local.kubectl import Kubectl
from llmos.local.settings import source_root

__all__ = ["CA_CONFIG_MAP", "RELEASE", "SYSTEM_NAMESPACE", "chart_values", "install_chart", "prepare_namespace"]

SYSTEM_NAMESPACE = "llmos-system"
RELEASE = "llmos"
CA_CONFIG_MAP = "llmos-ca-bundle"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"}
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def chart_values(images: Mapping[str, str], *, registry: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Values for the chart.

    Args:
        images: name → `registry/repository@sha256:…`, for operator, trainer, sidecar and triton.
        registry: host[:port] where artifacts go; plain HTTP where it is not a name with a dot or an address.
        environment: variables of this machine that pods need as well (package index, proxies).

    Raises:
        ConfigError: an image reference has no digest.
    """
    env = [{"name": name, "value": environment[name]} for name in PASSED_ON if environment.get(name)]
    bundle = CA_CONFIG_MAP if host_bundle(environment) else ""
    return {
        "images": {"pullPolicy": "IfNotPresent", **{name: _image(reference) for name, reference in images.items()}},
        "artifacts": {"repository": f"{registry}/llmos", "plainHTTP": environment.get("LLMOS_REGISTRY_TLS", "") != "1"},
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

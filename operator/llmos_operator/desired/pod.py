"""What every pod of ours has: identity, security, token, scratch space, registry and CA mounts, and the user's `workload` block.

Pure. Must not: know which program runs; `job` and `inference_pod` add the containers.
"""

from typing import Any, Final

from llmos_operator.api import Workload
from llmos_operator.api.v1alpha1 import Resources
from llmos_operator.desired.context import CACHE_FOLDER, Installation
from llmos_operator.desired.quantity import quantity
from llmos_operator.names import CONFIG_ANNOTATION, GROUP, REPORT_AUDIENCE, Json, ObjectKey, child_labels

__all__ = [
    "build_container",
    "build_metadata",
    "build_pod_spec",
    "common_mounts",
    "environment",
    "merged_resources",
    "owner_reference",
]

USER_ID: Final = 65532
TOKEN_SECONDS: Final = 600
_CA_ENV: Final = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


def owner_reference(owner: ObjectKey, uid: str) -> Json:
    """Return the controller reference that makes garbage collection find the child."""
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": owner.kind,
        "name": owner.name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def build_metadata(
    owner: ObjectKey, uid: str, *, name: str, annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None
) -> Json:
    """Return a child's metadata; a user's labels never replace ours."""
    metadata: Json = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**(labels or {}), **child_labels(owner)},
        "ownerReferences": [owner_reference(owner, uid)],
    }
    if annotations:
        metadata["annotations"] = annotations
    return metadata


def merged_resources(defaults: Json, chosen: Resources) -> Json:
    """Return the user's resources over the defaults; a default that the user's own value contradicts goes."""
    limits = {name: value for name, value in defaults["limits"].items() if not _exceeds(chosen.requests.get(name), value)}
    # Where a default request goes, Kubernetes takes the limit as the request: requests are always set.
    requests = {name: value for name, value in defaults["requests"].items() if not _exceeds(value, chosen.limits.get(name))}
    return {"requests": {**requests, **chosen.requests}, "limits": {**limits, **chosen.limits}}


def _exceeds(request: int | str | None, limit: int | str | None) -> bool:
    asked, allowed = quantity(request), quantity(limit)
    return asked is not None and allowed is not None and asked > allowed


def build_container(
    name: str,
    image: str,
    command: list[str],
    *,
    resources: Json,
    workload: Workload,
    installation: Installation,
    mounts: list[Json],
) -> Json:
    """Return a container with our security context, environment and mounts."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": installation.settings.image_pull_policy,
        "command": command,
        "env": environment(workload, installation, has_ca=any(mount["name"] == "ca" for mount in mounts)),
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # A crash before our own message was written still says its last lines in the pod's status, and so in a condition.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def common_mounts(workload: Workload, installation: Installation) -> list[Json]:
    """Return what every container mounts."""
    mounts: list[Json] = [
        {"name": "config", "mountPath": "/etc/llmos/config.yaml", "subPath": "config.yaml", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod
        {"name": "scratch", "mountPath": "/scratch"},
    ]
    if installation.has_reports:
        mounts.append({"name": "report-token", "mountPath": "/var/run/llmos/report", "readOnly": True})
    if installation.settings.artifacts.credentials_secret_name:
        mounts.append({"name": "registry", "mountPath": "/etc/llmos/registry", "readOnly": True})
    if installation.settings.artifacts.ca_secret_name:
        mounts.append({"name": "registry-ca", "mountPath": "/etc/llmos/registry-ca", "readOnly": True})
    if _ca_bundle(workload, installation):
        mounts.append({"name": "ca", "mountPath": "/etc/llmos/ca", "readOnly": True})
    if workload.cache:
        mounts.append({"name": "cache", "mountPath": CACHE_FOLDER})
    return mounts


def build_pod_spec(
    workload: Workload,
    installation: Installation,
    *,
    containers: list[Json],
    init_containers: list[Json] | None = None,
    volumes: list[Json] | None = None,
) -> Json:
    """Return a pod spec of the `restricted` level with the user's scheduling in it."""
    spec: Json = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": [*_common_volumes(workload, installation), *(volumes or [])],
    }
    if init_containers:
        spec["initContainers"] = init_containers
    spec.update(_scheduling(workload))
    secrets = [{"name": secret.name} for secret in installation.settings.image_pull_secrets]
    if pull_secrets := [*secrets, *(secret for secret in workload.image_pull_secrets if secret not in secrets)]:
        spec["imagePullSecrets"] = pull_secrets
    return spec


def _scheduling(workload: Workload) -> Json:
    chosen: dict[str, Any] = {
        "nodeSelector": dict(workload.node_selector),
        "tolerations": list(workload.tolerations),
        "affinity": workload.affinity,
        "topologySpreadConstraints": list(workload.topology_spread_constraints),
        "priorityClassName": workload.priority_class_name,
        "runtimeClassName": workload.runtime_class_name,
        "serviceAccountName": workload.service_account_name,
    }
    return {name: value for name, value in chosen.items() if value}


def _common_volumes(workload: Workload, installation: Installation) -> list[Json]:
    artifacts = installation.settings.artifacts
    config = {"path": "config.yaml", "fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{CONFIG_ANNOTATION}']"}}
    volumes: list[Json] = [
        {"name": "config", "downwardAPI": {"items": [config]}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": workload.scratch.size_limit}},
    ]
    if installation.has_reports:
        token = {"audience": REPORT_AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
        volumes.append({"name": "report-token", "projected": {"sources": [{"serviceAccountToken": token}]}})
    if artifacts.credentials_secret_name:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        volumes.append({"name": "registry", "secret": {"secretName": artifacts.credentials_secret_name, "items": items}})
    if artifacts.ca_secret_name:
        items = [{"key": "ca.crt", "path": "ca.crt"}]
        volumes.append({"name": "registry-ca", "secret": {"secretName": artifacts.ca_secret_name, "items": items}})
    if bundle := _ca_bundle(workload, installation):
        name, key = bundle
        volumes.append({"name": "ca", "configMap": {"name": name, "items": [{"key": key, "path": "ca.crt"}]}})
    if workload.cache:
        volumes.append({"name": "cache", "persistentVolumeClaim": {"claimName": workload.cache.claim_name}})
    return volumes


def _ca_bundle(workload: Workload, installation: Installation) -> tuple[str, str] | None:
    if workload.ca_bundle:
        return workload.ca_bundle.config_map_name, workload.ca_bundle.key
    default = installation.settings.workloads.ca_bundle_config_map_name
    return (default, "ca.crt") if default else None


def environment(workload: Workload, installation: Installation, *, has_ca: bool) -> list[Json]:
    """Return the variables, later ones winning: ours, the installation's, the user's.

    Args:
        workload: the user's.
        installation: the installation's.
        has_ca: whether the container mounts a CA bundle, if there is one.
    """
    variables: dict[str, Json] = {"HOME": {"name": "HOME", "value": "/tmp"}}  # noqa: S108 - an emptyDir of the pod
    if has_ca:
        variables.update({name: {"name": name, "value": "/etc/llmos/ca/ca.crt"} for name in _CA_ENV})
    for variable in (*installation.settings.workloads.env, *workload.env):
        variables[variable["name"]] = dict(variable)
    return list(variables.values())

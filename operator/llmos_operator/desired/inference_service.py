"""The children of an InferenceService, in the order they are made.

Pure. One builder a child. Must not: look at live objects but for the one value that has another owner, the observed replicas.
"""

import json
from dataclasses import dataclass
from typing import Final

from llmos.artifacts import Repository, canonical_json, digest_bytes
from llmos_operator.api import InferenceServiceSpec
from llmos_operator.desired.context import Installation, Source
from llmos_operator.desired.difference import with_fingerprint
from llmos_operator.desired.inference_pod import PORT, REPORT_CA_KEY, build_template
from llmos_operator.desired.pod import build_metadata, environment
from llmos_operator.names import RESOURCES, WORKLOAD_ANNOTATION, Json, ObjectKey, knowledge_name, selector_labels

__all__ = ["ACTIVE_KEY", "ServiceInputs", "active_knowledge", "build_children"]

ACTIVE_KEY: Final = "active.yaml"


@dataclass(frozen=True, slots=True)
class ServiceInputs:
    """All that the children are built from."""

    owner: ObjectKey
    uid: str
    spec: InferenceServiceSpec
    model: Source
    knowledge: tuple[tuple[str, Source], ...]
    """Name and version, in the user's order."""

    observed_replicas: int | None = None
    """With autoscaling: what the Deployment has now, to be applied until the autoscaler owns the field; None once it does."""


def active_knowledge(knowledge: tuple[tuple[str, Source], ...], spec: InferenceServiceSpec) -> str:
    """Return the document that says which snapshots are active, and what of them may be seen."""
    items = []
    for name, source in knowledge:
        partitions = spec.partitions_of(name)
        items.append({"name": name, **source.to_json(), **({"partitions": partitions} if partitions else {})})
    return json.dumps({"knowledge": items})


def build_children(inputs: ServiceInputs, installation: Installation) -> tuple[Json, ...]:
    """Return all children that should exist.

    The autoscaler comes before the Deployment: once `replicas` is no longer applied, somebody must own it already. The ConfigMap comes
    before it too, because pods mount it.
    """
    children: list[Json] = [_config_map(inputs, installation)]
    if inputs.spec.autoscaling:
        children.append(_autoscaler(inputs))
    children += [_deployment(inputs, installation), _service(inputs)]
    minimum = inputs.spec.autoscaling.min_replicas if inputs.spec.autoscaling else inputs.spec.replicas
    if minimum > 1:
        children.append(_disruption_budget(inputs))
    if installation.settings.network_policies.enabled:
        children.append(_network_policy(inputs, installation))
    return tuple(with_fingerprint(child) for child in children)


def _child(inputs: ServiceInputs, kind: str, name: str | None = None, **fields: Json) -> Json:
    metadata = build_metadata(inputs.owner, inputs.uid, name=name or inputs.owner.name)
    return {"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": metadata, **fields}


def _config_map(inputs: ServiceInputs, installation: Installation) -> Json:
    data = {ACTIVE_KEY: active_knowledge(inputs.knowledge, inputs.spec)}
    if installation.has_reports:
        data[REPORT_CA_KEY] = installation.report_ca or ""
    return _child(inputs, "ConfigMap", knowledge_name(inputs.owner.name), data=data)


def _deployment(inputs: ServiceInputs, installation: Installation) -> Json:
    spec: Json = {
        "selector": {"matchLabels": selector_labels(inputs.owner)},
        # A new pod must be ready before an old one goes: one replica stays one replica, five never dip.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "progressDeadlineSeconds": 600,
        "revisionHistoryLimit": 2,
        "template": build_template(inputs.owner, inputs.uid, inputs.spec, inputs.model, installation),
    }
    replicas = inputs.observed_replicas if inputs.spec.autoscaling else inputs.spec.replicas
    if replicas is not None:
        spec["replicas"] = replicas
    deployment = _child(inputs, "Deployment", spec=spec)
    # Tells a change the user made from one the installation made: the second kind waits for its turn.
    asked = {name: value for name, value in inputs.spec.to_json().items() if name != "knowledge"}
    deployment["metadata"]["annotations"] = {WORKLOAD_ANNOTATION: digest_bytes(canonical_json(asked))}
    return deployment


def _service(inputs: ServiceInputs) -> Json:
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}]
    return _child(inputs, "Service", spec={"type": "ClusterIP", "selector": selector_labels(inputs.owner), "ports": ports})


def _autoscaler(inputs: ServiceInputs) -> Json:
    autoscaling = inputs.spec.autoscaling
    assert autoscaling is not None
    target = {"type": "Utilization", "averageUtilization": autoscaling.target_cpu}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": inputs.owner.name},
        "minReplicas": autoscaling.min_replicas,
        "maxReplicas": autoscaling.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return _child(inputs, "HorizontalPodAutoscaler", spec=spec)


def _disruption_budget(inputs: ServiceInputs) -> Json:
    return _child(inputs, "PodDisruptionBudget", spec={"maxUnavailable": 1, "selector": {"matchLabels": selector_labels(inputs.owner)}})


def _network_policy(inputs: ServiceInputs, installation: Installation) -> Json:
    """In: the sidecar's port only. Out: DNS, the registry, the operator's report endpoint."""
    egress: list[Json] = [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}, _registry_rule(installation)]
    if installation.has_reports:
        namespace = installation.settings.network_policies.operator_namespace
        operator = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        egress.append({"to": [operator], "ports": [{"port": installation.settings.report.port, "protocol": "TCP"}]})
    spec: Json = {
        "podSelector": {"matchLabels": selector_labels(inputs.owner)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"port": PORT, "protocol": "TCP"}]}],
        "egress": egress,
    }
    proxies = ("http_proxy", "https_proxy", "all_proxy")
    if any(variable["name"].lower() in proxies for variable in environment(inputs.spec.workload, installation, has_ca=False)):
        # The way out is the proxy's, whose address we do not know.
        spec = {**spec, "policyTypes": ["Ingress"]}
        del spec["egress"]
    return _child(inputs, "NetworkPolicy", spec=spec)


def _registry_rule(installation: Installation) -> Json:
    repository: Repository = installation.settings.artifacts.root
    default = "80" if installation.settings.artifacts.plain_http else "443"
    host, _, port = repository.host.partition(":") if not repository.host.startswith("[") else (repository.host, "", "")
    rule: Json = {"ports": [{"port": int(port or default), "protocol": "TCP"}]}
    # A name can resolve to anything, so only an address narrows the rule.
    if host.replace(".", "").isdigit():
        rule["to"] = [{"ipBlock": {"cidr": f"{host}/32"}}]
    return rule

"""The pod of an InferenceService: fetch, then Triton on loopback with the sidecar in front.

Pure. Must not: hold the snapshots' digests; they stand in a ConfigMap, so that a switch is not a rollout.
"""

import json
from typing import Any, Final

from llmos_operator.api import InferenceServiceSpec
from llmos_operator.desired.context import Installation, Source
from llmos_operator.desired.pod import build_container, build_pod_spec, common_mounts, merged_resources
from llmos_operator.names import CONFIG_ANNOTATION, MODEL_ANNOTATION, Json, ObjectKey, child_labels, knowledge_name

__all__ = ["PORT", "REPORT_CA_KEY", "build_template"]

PORT: Final = 8080
REPORT_CA_KEY: Final = "report-ca.crt"
"""In the ConfigMap beside the snapshots' digests: like them it may change without a rollout."""
_CONFIG: Final = ["--config", "/etc/llmos/config.yaml"]
_TRITON_RESOURCES: Final = {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
_SIDECAR_RESOURCES: Final = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
_WORKER_MIB: Final = 512
"""What a SPARQL worker may take; llmos.runtime.sparql.pool ends those that want more."""
_MODELS: Final = {"name": "models", "mountPath": "/models"}
_KNOWLEDGE: Final = {"name": "knowledge", "mountPath": "/knowledge"}
_ACTIVE: Final = {"name": "active", "mountPath": "/etc/llmos/knowledge", "readOnly": True}
_OUTLIVES_DRAIN_S: Final = 7
"""How long Triton goes on after SIGTERM: the sidecar takes requests for five more seconds, and then sends on the last of them."""


def build_template(owner: ObjectKey, uid: str, spec: InferenceServiceSpec, model: Source, installation: Installation) -> Json:
    """Return the pod template."""
    workload = spec.workload
    pod = build_pod_spec(
        workload,
        installation,
        init_containers=[_fetch(spec, installation)],
        containers=[_triton(spec, installation), _sidecar(spec, installation)],
        volumes=_volumes(owner),
    )
    annotations = {
        **workload.annotations,
        CONFIG_ANNOTATION: _config(owner, uid, spec, model, installation),
        MODEL_ANNOTATION: model.digest,
    }
    return {
        "metadata": {"labels": {**workload.labels, **child_labels(owner)}, "annotations": annotations},
        # Long enough for requests in flight: their own limit is at most 300 s, the default 10 s.
        "spec": {**pod, "terminationGracePeriodSeconds": spec.longest_request_s + 20},
    }


def _fetch(spec: InferenceServiceSpec, installation: Installation) -> Json:
    return build_container(
        "fetch",
        installation.settings.images.sidecar,
        ["python", "-m", "llmos.runtime.fetch", *_CONFIG],
        resources=merged_resources(_SIDECAR_RESOURCES, spec.sidecar.resources),
        workload=spec.workload,
        installation=installation,
        mounts=[*common_mounts(spec.workload, installation), _MODELS, _KNOWLEDGE, _ACTIVE],
    )


def _triton(spec: InferenceServiceSpec, installation: Installation) -> Json:
    loopback = [f"--{door}-address=127.0.0.1" for door in ("http", "grpc", "metrics")]
    tmp = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - an emptyDir of the pod
    mounts: list[Json] = [tmp, {**_MODELS, "readOnly": True}, {"name": "shm", "mountPath": "/dev/shm"}]  # noqa: S108
    container = build_container(
        "triton",
        installation.settings.images.triton,
        ["tritonserver", "--model-repository=/models/repository", *loopback],
        resources=merged_resources(_TRITON_RESOURCES, spec.workload.resources),
        workload=spec.workload,
        installation=installation,
        mounts=[*mounts, {"name": "backends", "mountPath": "/backends"}],
    )
    # Triton listens on loopback only, where the kubelet cannot reach it: its probes go through the sidecar.
    live = _probe("/internal/triton/live")
    return {
        **container,
        "startupProbe": {**live, "periodSeconds": 5, "failureThreshold": 60},
        "livenessProbe": {**live, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": _OUTLIVES_DRAIN_S}}},
    }


def _sidecar(spec: InferenceServiceSpec, installation: Installation) -> Json:
    container = build_container(
        "sidecar",
        installation.settings.images.sidecar,
        ["python", "-m", "llmos.runtime.sidecar", *_CONFIG],
        resources=merged_resources(_sidecar_defaults(spec), spec.sidecar.resources),
        workload=spec.workload,
        installation=installation,
        mounts=[*common_mounts(spec.workload, installation), {**_MODELS, "readOnly": True}, _KNOWLEDGE, _ACTIVE],
    )
    return {
        **container,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": {**_probe("/livez"), "periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": {**_probe("/livez"), "failureThreshold": 3},
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 5, "failureThreshold": 2},
    }


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": PORT}, "periodSeconds": 10, "timeoutSeconds": 5}


def _volumes(owner: ObjectKey) -> list[Json]:
    return [
        {"name": "models", "emptyDir": {}},
        {"name": "knowledge", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
        {"name": "backends", "emptyDir": {}},
        {"name": "active", "configMap": {"name": knowledge_name(owner.name)}},
    ]


def _sparql(spec: InferenceServiceSpec) -> Json:
    """Return the field of the pod's configuration; none where nothing is offered."""
    if spec.sparql is None or not spec.offers_sparql:
        return {}
    return {"sparql": {name: value for name, value in spec.sparql.to_json().items() if name != "mode"}}


def _sidecar_defaults(spec: InferenceServiceSpec) -> Json:
    """Return the sidecar's default resources: its own, and what its SPARQL workers may take."""
    if spec.sparql is None or not spec.offers_sparql:
        return _SIDECAR_RESOURCES
    num_workers = spec.sparql.workers * max(len(spec.knowledge), 1)
    return {**_SIDECAR_RESOURCES, "limits": {"memory": f"{1024 + num_workers * _WORKER_MIB}Mi"}}


def _config(owner: ObjectKey, uid: str, spec: InferenceServiceSpec, model: Source, installation: Installation) -> str:
    document = {
        "apiVersion": "llmos.dev/workload-v1",
        "kind": "Inference",
        "object": {"kind": owner.kind, "namespace": owner.namespace, "name": owner.name, "uid": uid},
        "model": {"name": spec.model.name, **model.to_json(), "precision": spec.precision},
        "grounding": spec.grounding.to_json(),
        "limits": spec.limits.to_json(),
        **_sparql(spec),
        "artifacts": installation.artifacts_config(spec.workload),
        "report": installation.report_config(ca_file=f"{_ACTIVE['mountPath']}/{REPORT_CA_KEY}"),
        "scratch": "/scratch",
    }
    return json.dumps(document, sort_keys=True, ensure_ascii=False)

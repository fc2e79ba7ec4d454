"""The Job of a Model, KnowledgeBase or TrainingJob: one run of one workload for one inputs hash.

Pure. Must not: be applied twice; a Job is created once and, of its spec, only `suspend`, the deadline and the TTL ever change.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from llmos.artifacts import canonical_json, digest_bytes
from llmos.errors import EXIT_PERMANENT
from llmos_operator.api import KnowledgeBaseSpec, ModelSpec, Spec, TrainingJobSpec
from llmos_operator.desired.context import Installation, Source
from llmos_operator.desired.pod import build_container, build_metadata, build_pod_spec, common_mounts, merged_resources
from llmos_operator.desired.quantity import quantity
from llmos_operator.desired.source import access_of, source_access
from llmos_operator.names import (
    ATTEMPT_LABEL,
    CONFIG_ANNOTATION,
    GENERATION_ANNOTATION,
    IMAGE_ANNOTATION,
    INPUTS_HASH_ANNOTATION,
    QUEUE_LABEL,
    REQUESTED_AT_ANNOTATION,
    WORKLOAD_ANNOTATION,
    Json,
    ObjectKey,
    child_labels,
    job_name,
)

__all__ = ["CONTAINER", "JobInputs", "build_job", "has_old_image", "job_changes", "workload_digest"]

CONTAINER: Final = "workload"
BACKOFF_LIMIT: Final = 3


@dataclass(frozen=True, slots=True)
class _Program:
    config_kind: str
    module: str
    image: str
    resources: Json


_PROGRAMS: Final = {
    "Model": _Program(
        "ModelImport",
        "llmos.models.import_job",
        "trainer",
        {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "6Gi"}},
    ),
    "KnowledgeBase": _Program(
        "KnowledgeBuild",
        "llmos.knowledge.build_job",
        "sidecar",
        {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
    ),
    "TrainingJob": _Program(
        "Training",
        "llmos.adaptation.train_job",
        "trainer",
        {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "8Gi"}},
    ),
}


@dataclass(frozen=True, slots=True)
class JobInputs:
    """All that a Job is built from."""

    owner: ObjectKey
    uid: str
    generation: int
    spec: ModelSpec | KnowledgeBaseSpec | TrainingJobSpec
    inputs_hash: str
    parents: dict[str, Source]
    repository: str
    attempt: int
    requested_at: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    """The custom resource's own labels: a queue label on it is meant for its Job."""


def workload_digest(spec: Spec) -> str:
    """Return what tells whether the user changed how the pod runs, or how it reaches its source; not what it makes."""
    access = access_of(spec)
    return digest_bytes(canonical_json({**spec.workload.to_json(), **({"source": access} if access else {})}))


def has_old_image(job: Json, kind: str, installation: Installation) -> bool:
    """Say whether a Job was made for another image than the installation has now.

    The annotation is compared, not the pod template: an admission webhook may have rewritten the image there.
    """
    wanted = _image(kind, installation)
    return bool(job["metadata"].get("annotations", {}).get(IMAGE_ANNOTATION, wanted) != wanted)


def _image(kind: str, installation: Installation) -> str:
    return str(getattr(installation.settings.images, _PROGRAMS[kind].image))


def build_job(inputs: JobInputs, installation: Installation) -> Json:
    """Return the Job."""
    workload = inputs.spec.workload
    program = _PROGRAMS[inputs.owner.kind]
    source = source_access(inputs.spec)
    container = build_container(
        CONTAINER,
        _image(inputs.owner.kind, installation),
        ["python", "-m", program.module, "--config", "/etc/llmos/config.yaml"],
        resources=merged_resources(program.resources, workload.resources),
        workload=workload,
        installation=installation,
        mounts=[*common_mounts(workload, installation), *source.mounts],
    )
    queue = {QUEUE_LABEL: inputs.labels[QUEUE_LABEL]} if QUEUE_LABEL in inputs.labels else {}
    labels = {**workload.labels, **queue, ATTEMPT_LABEL: str(inputs.attempt)}
    template = {
        "metadata": {
            "labels": {**labels, **child_labels(inputs.owner)},
            "annotations": {**workload.annotations, CONFIG_ANNOTATION: _config(inputs, program, installation)},
        },
        "spec": {**build_pod_spec(workload, installation, containers=[container], volumes=source.volumes), "restartPolicy": "Never"},
    }
    annotations = {
        INPUTS_HASH_ANNOTATION: inputs.inputs_hash,
        GENERATION_ANNOTATION: str(inputs.generation),
        WORKLOAD_ANNOTATION: workload_digest(inputs.spec),
        IMAGE_ANNOTATION: _image(inputs.owner.kind, installation),
        **({REQUESTED_AT_ANNOTATION: inputs.requested_at} if inputs.requested_at else {}),
    }
    name = job_name(inputs.owner.name, inputs.inputs_hash, inputs.attempt)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": build_metadata(inputs.owner, inputs.uid, name=name, annotations=annotations, labels=labels),
        "spec": {**_policy(inputs), "template": template},
    }


def job_changes(job: Json, spec: TrainingJobSpec) -> Json:
    """Return the merge patch of the mutable part of a live Job's spec; empty if it is as wanted.

    With a queue label, suspending is Kueue's business.
    """
    live = job["spec"]
    wanted: dict[str, Any] = {
        "activeDeadlineSeconds": spec.active_deadline_seconds,
        "ttlSecondsAfterFinished": spec.ttl_seconds_after_finished,
    }
    changes = {name: value for name, value in wanted.items() if live.get(name) != value}
    if QUEUE_LABEL not in job["metadata"].get("labels", {}) and bool(live.get("suspend")) != spec.suspend:
        changes["suspend"] = spec.suspend
    return changes


def _policy(inputs: JobInputs) -> Json:
    on_exit = {"containerName": CONTAINER, "operator": "In", "values": [EXIT_PERMANENT]}
    policy: Json = {
        "backoffLimit": BACKOFF_LIMIT,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onExitCodes": on_exit},
                # An evicted or preempted pod is nobody's mistake and must not use up the attempts.
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
    }
    if isinstance(inputs.spec, TrainingJobSpec):
        queued = QUEUE_LABEL in inputs.labels or QUEUE_LABEL in inputs.spec.workload.labels
        policy["suspend"] = inputs.spec.suspend or queued
        if inputs.spec.active_deadline_seconds is not None:
            policy["activeDeadlineSeconds"] = inputs.spec.active_deadline_seconds
        if inputs.spec.ttl_seconds_after_finished is not None:
            policy["ttlSecondsAfterFinished"] = inputs.spec.ttl_seconds_after_finished
    return policy


def _config(inputs: JobInputs, program: _Program, installation: Installation) -> str:
    """Return the workload's configuration (JSON is YAML)."""
    owner = inputs.owner
    document: Json = {
        "apiVersion": "llmos.dev/workload-v1",
        "kind": program.config_kind,
        "object": {"kind": owner.kind, "namespace": owner.namespace, "name": owner.name, "uid": inputs.uid},
        "inputsHash": inputs.inputs_hash,
        "spec": inputs.spec.hashed(),
        "parents": {role: source.to_json() for role, source in sorted(inputs.parents.items())},
        "target": {"repository": inputs.repository},
        "installation": installation.settings.installation_id,
        "artifacts": installation.artifacts_config(inputs.spec.workload),
        **source_access(inputs.spec).config,
        "report": installation.report_config(),
        "scratch": "/scratch",
    }
    if (size := quantity(inputs.spec.workload.scratch.size_limit)) is not None:
        document["scratchBytes"] = int(size)
    return json.dumps(document, sort_keys=True, ensure_ascii=False)

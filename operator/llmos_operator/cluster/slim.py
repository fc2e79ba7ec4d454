"""What is kept in memory of an object: a thousand services with their children and pods must fit in little.

Pure. Must not: decide anything. Objects are kept as packed JSON: ten times smaller than the dicts, and unpacked in microseconds.
"""

import json

from llmos_operator.names import MANAGER, Json

__all__ = ["pack", "slim_child", "slim_custom_resource", "slim_pod", "unpack"]

_METADATA = ("name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp", "labels", "annotations")
_NOISE = ("kubectl.kubernetes.io/last-applied-configuration",)


def pack(body: Json) -> bytes:
    """Return the packed form."""
    return json.dumps(body, separators=(",", ":")).encode()


def unpack(data: bytes) -> Json:
    """Return the object."""
    result: Json = json.loads(data)
    return result


def slim_custom_resource(body: Json) -> Json:
    """Keep spec, status and what identifies a custom resource."""
    return {"kind": body["kind"], "metadata": _metadata(body), "spec": body.get("spec", {}), "status": body.get("status", {})}


def slim_child(body: Json) -> Json:
    """Keep all that is compared or read of a child, and who else manages a Deployment's replicas."""
    kept = {name: body[name] for name in ("kind", "spec", "data", "status") if name in body}
    metadata = {**_metadata(body), "ownerReferences": body["metadata"].get("ownerReferences", [])}
    slim = {**kept, "metadata": metadata}
    if body["kind"] == "Deployment":
        slim["replicasManagedElsewhere"] = any(_owns_replicas(entry) for entry in body["metadata"].get("managedFields", []))
    return slim


def slim_pod(body: Json) -> Json:
    """Keep what explains why a pod is not well, and who it belongs to."""
    status = body.get("status", {})
    spec = body.get("spec", {})
    containers = [
        {
            "name": item["name"],
            "init": init,
            **{name: item[name] for name in ("ready", "state", "lastState", "restartCount") if name in item},
        }
        for field, init in (("initContainerStatuses", True), ("containerStatuses", False))
        for item in status.get(field, [])
    ]
    conditions = [item for item in status.get("conditions", []) if item["type"] in ("PodScheduled", "Ready", "DisruptionTarget")]
    metadata = _metadata(body)
    annotations = metadata.get("annotations", {})
    # The configuration travels in an annotation and is the bulk of the pod; the child that made it has it too.
    metadata["annotations"] = {name: value for name, value in annotations.items() if not name.endswith("/config")}
    metadata["ownerReferences"] = body["metadata"].get("ownerReferences", [])
    kept = {name: status[name] for name in ("phase", "reason", "message") if name in status}
    return {
        "kind": "Pod",
        "metadata": metadata,
        "node": spec.get("nodeName", ""),
        "conditions": conditions,
        "containers": containers,
        **kept,
    }


def _metadata(body: Json) -> Json:
    source = body["metadata"]
    kept: Json = {name: source[name] for name in _METADATA if name in source}
    if "annotations" in kept:
        kept["annotations"] = {name: value for name, value in kept["annotations"].items() if name not in _NOISE}
    return kept


def _owns_replicas(entry: Json) -> bool:
    ours = entry.get("manager") == MANAGER
    return not ours and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})

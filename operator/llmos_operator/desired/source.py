"""What the pod of a Model needs to reach its source: mounts, and what the workload is told about them.

Pure. The kubelet mounts both; the operator reads neither. Must not: decide any content.
"""

from dataclasses import dataclass, field
from typing import Final

from llmos_operator.api import ModelSpec, Spec
from llmos_operator.names import Json

__all__ = ["SourceAccess", "source_access"]

_SECRET_DIRECTORY: Final = "/etc/llmos/source"  # noqa: S105 - a folder
_VOLUME_DIRECTORY: Final = "/source"


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """Volumes, mounts, and the `source` block of the workload's configuration; all empty where nothing is needed."""

    volumes: list[Json] = field(default_factory=list)
    mounts: list[Json] = field(default_factory=list)
    config: Json = field(default_factory=dict)


def source_access(spec: Spec) -> SourceAccess:
    """Return what the source of a spec needs; nothing for the kinds that have none."""
    access = SourceAccess()
    if not isinstance(spec, ModelSpec):
        return access
    asked = spec.source.access
    if name := asked.get("secretName"):
        access.volumes.append({"name": "source-secret", "secret": {"secretName": name}})
        access.mounts.append({"name": "source-secret", "mountPath": _SECRET_DIRECTORY, "readOnly": True})
        access.config["secretDirectory"] = _SECRET_DIRECTORY
    if asked.get("plainHTTP"):
        access.config["plainHTTP"] = True
    if volume := spec.source.pvc:
        # Read-only twice: the claim may be mounted so by many pods at once, and no mistake of ours can write to it.
        access.volumes.append({"name": "source", "persistentVolumeClaim": {"claimName": volume.claim_name, "readOnly": True}})
        access.mounts.append({"name": "source", "mountPath": _VOLUME_DIRECTORY, "readOnly": True})
        access.config["volumeDirectory"] = _VOLUME_DIRECTORY
    return access

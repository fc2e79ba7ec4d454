"""What the pod of a Model or KnowledgeBase needs to reach its sources: mounts, and what the workload is told about them.

Pure. The kubelet mounts everything; the operator reads none of it. Must not: decide any content.
"""

from dataclasses import dataclass, field
from typing import Final

from llmos_operator.api import KnowledgeBaseSpec, ModelSpec, Spec
from llmos_operator.api.sources import ConfigMapSource, KnowledgePlace, Place, PvcSource
from llmos_operator.names import Json

__all__ = ["SourceAccess", "access_of", "source_access"]

_SECRET_DIRECTORY: Final = "/etc/llmos/source"  # noqa: S105 - a folder
_VOLUME_DIRECTORY: Final = "/source"


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """Volumes, mounts, and what the workload's configuration says of them; all empty where nothing is needed."""

    volumes: list[Json] = field(default_factory=list)
    mounts: list[Json] = field(default_factory=list)
    config: Json = field(default_factory=dict)
    """`source` of a Model, `sources` of a KnowledgeBase."""


@dataclass(frozen=True, slots=True)
class _Names:
    """How the volumes of one source are called, and where they are mounted."""

    secret: str = "source-secret"  # noqa: S105 - a volume
    secret_directory: str = _SECRET_DIRECTORY
    volume: str = "source"
    volume_directory: str = _VOLUME_DIRECTORY

    @classmethod
    def of(cls, source: str) -> "_Names":
        """Return those of a KnowledgeBase's source: the kubelet's messages then say which it is. A volume's name has 63 characters."""
        return cls(f"secret-{source}", f"{_SECRET_DIRECTORY}s/{source}", f"source-{source}", f"{_VOLUME_DIRECTORY}s/{source}")


def access_of(spec: Spec) -> Json:
    """Return how the sources of a spec are reached, as the user said it; empty for most."""
    if isinstance(spec, ModelSpec):
        return spec.source.access
    if isinstance(spec, KnowledgeBaseSpec):
        return {source.name: source.access for source in spec.sources if source.access}
    return {}


def source_access(spec: Spec) -> SourceAccess:
    """Return what the sources of a spec need; nothing for the kinds that have none."""
    access = SourceAccess()
    if isinstance(spec, ModelSpec):
        if told := _mount(spec.source, _Names(), access):
            access.config["source"] = told
    elif isinstance(spec, KnowledgeBaseSpec):
        sources = {source.name: _mount(source, _Names.of(source.name), access) for source in spec.sources}
        if told := {name: each for name, each in sources.items() if each}:
            access.config["sources"] = told
    return access


def _mount(place: Place, names: _Names, access: SourceAccess) -> Json:
    """Add what one source needs, and return what its workload is told."""
    told: Json = {}
    asked = place.access
    if name := asked.get("secretName"):
        access.volumes.append({"name": names.secret, "secret": {"secretName": name}})
        access.mounts.append({"name": names.secret, "mountPath": names.secret_directory, "readOnly": True})
        told["secretDirectory"] = names.secret_directory
    told |= {name: asked[name] for name in ("plainHTTP", "plainTCP", "timeoutSeconds") if name in asked}
    if volume := _volume(place):
        access.volumes.append({"name": names.volume, **volume})
        access.mounts.append({"name": names.volume, "mountPath": names.volume_directory, "readOnly": True})
        told["volumeDirectory"] = names.volume_directory
    return told


def _volume(place: Place) -> Json | None:
    """Return what is mounted as files, if that is how the source comes."""
    found = place.outside()
    source = found[1] if found else None
    if isinstance(source, PvcSource):
        # Read-only twice: the claim may be mounted so by many pods at once, and no mistake of ours can write to it.
        return {"persistentVolumeClaim": {"claimName": source.claim_name, "readOnly": True}}
    if isinstance(source, ConfigMapSource) and isinstance(place, KnowledgePlace):
        # Only the keys that are read: what else stands there, and whether it fits, is nobody's business here.
        return {"configMap": {"name": source.name, "items": [{"key": key, "path": key} for key in place.paths]}}
    return None

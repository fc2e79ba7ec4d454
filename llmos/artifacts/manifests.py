"""OCI image manifests as LLMOS writes them: media types, tags, building and parsing.

Must not: do I/O. Building is deterministic (sorted layers, canonical JSON), because the manifest's digest is the artifact's identity.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from llmos.artifacts.canonical import canonical_json, digest_bytes, digest_hex, is_digest

__all__ = [
    "DATASET_ARTIFACT",
    "DATASET_CONFIG",
    "DATASET_FILE",
    "EMPTY_BLOB",
    "FILEPATH_ANNOTATION",
    "KNOWLEDGE_ARTIFACT",
    "KNOWLEDGE_CONFIG",
    "KNOWLEDGE_FILE",
    "MEASUREMENTS_ARTIFACT",
    "MODEL_ARTIFACT",
    "MODEL_CONFIG",
    "MODEL_DOC",
    "MODEL_WEIGHT",
    "MODEL_WEIGHT_CONFIG",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "OWNER_ARTIFACT",
    "PROVENANCE_ARTIFACT",
    "TOMBSTONE_ARTIFACT",
    "Descriptor",
    "Manifest",
    "build_document_manifest",
    "build_manifest",
    "check_payload_paths",
    "earlier_tag",
    "measurements_tag",
    "owner_tag",
    "parse_manifest",
    "payload_tag",
    "provenance_tag",
    "tombstone_tag",
]

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
EMPTY_BLOB: Final = b"{}"

MODEL_ARTIFACT: Final = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG: Final = "application/vnd.cncf.model.config.v1+json"
MODEL_WEIGHT: Final = "application/vnd.cncf.model.weight.v1.raw"
"""safetensors, onnx, onnx external data."""
MODEL_WEIGHT_CONFIG: Final = "application/vnd.cncf.model.weight.config.v1.raw"
"""json, tokenizer, config.pbtxt."""
MODEL_DOC: Final = "application/vnd.cncf.model.doc.v1.raw"
"""Model cards and licences."""
KNOWLEDGE_ARTIFACT: Final = "application/vnd.llmos.knowledge.v1"
KNOWLEDGE_CONFIG: Final = "application/vnd.llmos.knowledge.config.v1+json"
KNOWLEDGE_FILE: Final = "application/vnd.llmos.knowledge.file.v1"
DATASET_ARTIFACT: Final = "application/vnd.llmos.dataset.v1"
"""Labelled items: of a TrainingJob what it held out and what it learned from."""
DATASET_CONFIG: Final = "application/vnd.llmos.dataset.config.v1+json"
DATASET_FILE: Final = "application/vnd.llmos.dataset.file.v1"
MEASUREMENTS_ARTIFACT: Final = "application/vnd.llmos.measurements.v1"
PROVENANCE_ARTIFACT: Final = "application/vnd.llmos.provenance.v1"
TOMBSTONE_ARTIFACT: Final = "application/vnd.llmos.tombstone.v1"
OWNER_ARTIFACT: Final = "application/vnd.llmos.owner.v1"

FILEPATH_ANNOTATION: Final = "org.cncf.model.filepath"


def payload_tag(digest: str) -> str:
    """Return the tag that keeps a payload from the registry's garbage collection."""
    return f"p-{digest_hex(digest)}"


def measurements_tag(inputs_hash: str) -> str:
    """Return the tag of what was measured for these inputs."""
    return f"m-{digest_hex(inputs_hash)}"


def provenance_tag(inputs_hash: str) -> str:
    """Return the tag of the version made from these inputs: the commit point."""
    return f"in-{digest_hex(inputs_hash)}"


def earlier_tag(digest: str) -> str:
    """Return the tag that keeps a version whose inputs were made again with another result; versions made from it still name it."""
    return f"was-{digest_hex(digest)}"


def owner_tag(installation: str) -> str:
    """Return the tag that says an installation (its id) has made something in a repository."""
    return f"by-{digest_hex(digest_bytes(installation.encode()))[:16]}"


def tombstone_tag(digest: str) -> str:
    """Return the tag that says why a digest is gone."""
    return f"gone-{digest_hex(digest)}"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says about one blob."""

    media_type: str
    digest: str
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return document

    @property
    def path(self) -> str:
        """The file's relative path, or '' for a blob that is no file."""
        return self.annotations.get(FILEPATH_ANNOTATION, "")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A parsed manifest, with the digest of the bytes it was parsed from."""

    digest: str
    artifact_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def size_bytes(self) -> int:
        """Sum of the layers."""
        return sum(layer.size_bytes for layer in self.layers)


def build_manifest(artifact_type: str, config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """Encode a manifest; the order in which files were listed does not matter."""
    ordered = sorted(layers, key=lambda layer: (layer.path, layer.digest))
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": config.to_document(),
            "layers": [layer.to_document() for layer in ordered],
        }
    )


def build_document_manifest(artifact_type: str, document: bytes) -> bytes:
    """Encode the manifest of one JSON document: empty config, one layer of `<artifactType>+json`."""
    config = Descriptor(OCI_EMPTY, digest_bytes(EMPTY_BLOB), len(EMPTY_BLOB))
    return build_manifest(artifact_type, config, [Descriptor(f"{artifact_type}+json", digest_bytes(document), len(document))])


def parse_manifest(data: bytes) -> Manifest:
    """Parse an OCI image manifest; ValueError says what is wrong with it."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ValueError(f"the manifest is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise ValueError("the manifest is not an OCI image manifest (schemaVersion 2)")
    if document.get("mediaType", OCI_MANIFEST) != OCI_MANIFEST:
        raise ValueError(f"the manifest has mediaType {document['mediaType']!r}; it must be {OCI_MANIFEST}")
    layers = document.get("layers")
    if not isinstance(layers, list):
        raise ValueError("the manifest has no list of layers")
    return Manifest(
        digest=digest_bytes(data),
        artifact_type=str(document.get("artifactType", "")),
        config=_descriptor(document.get("config"), "config"),
        layers=tuple(_descriptor(layer, f"layers[{index}]") for index, layer in enumerate(layers)),
    )


def _descriptor(document: Any, where: str) -> Descriptor:
    if not isinstance(document, dict):
        raise ValueError(f"{where} must be an object")
    size, annotations = document.get("size"), document.get("annotations") or {}
    if not is_digest(document.get("digest")) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError(f"{where} must have a sha256 digest and a size, found {document.get('digest')!r:.90} and {size!r:.20}")
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise ValueError(f"{where}.annotations must map strings to strings")
    return Descriptor(str(document.get("mediaType", "")), document["digest"], size, annotations)


def check_payload_paths(paths: Sequence[str]) -> None:
    """Refuse a set of file paths that could leave its directory, overwrite one another, or hide; ValueError names the path."""
    seen: set[str] = set()
    for path in paths:
        if not path or len(path) > 512 or path.startswith("/") or any(char in path for char in "\\\0\n\r:"):
            raise ValueError(
                f"file path {path!r:.120} is refused; it must be relative, with '/', and without '\\', ':' or control characters"
            )
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(f"file path {path!r:.120} is refused; it must not contain empty, '.' or '..' parts")
        if path.startswith(".llmos"):
            raise ValueError(f"file path {path!r:.120} is refused; names that begin with '.llmos' are reserved")
        if path in seen:
            raise ValueError(f"file path {path!r:.120} appears twice")
        seen.add(path)
    for path in paths:
        parents = {str(parent) for parent in PurePosixPath(path).parents}
        if clash := parents & seen:
            raise ValueError(f"{clash.pop()!r:.120} is both a file and the directory of {path!r:.120}")

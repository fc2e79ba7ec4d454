"""A namespace with a model library for commands to work on: a registry on a real socket, and a kubectl that answers from documents."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from llmos.artifacts import (
    MODEL_ARTIFACT,
    MODEL_CONFIG,
    MODEL_WEIGHT,
    FileLayer,
    Provenance,
    Registry,
    RegistryAccess,
    Repository,
    Version,
    inputs_hash,
)
from llmos.local.kubectl import Kubectl
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.models.http_registry import serve_registry

NAMESPACE = "demo"
ROLES = {"Model": ("weights", "onnx"), "TrainingJob": ("model",), "KnowledgeBase": ("snapshot",)}


@dataclass(frozen=True)
class DocumentKubectl(Kubectl):
    """A kubectl that answers `get` from documents, without a process."""

    documents: tuple[dict[str, Any], ...] = ()

    def run(self, *args: str, input: str | None = None, timeout_s: float = 300.0) -> str:
        verb, kinds, *name = [argument for argument in args if not argument.startswith("--")]
        assert verb == "get", args
        is_here = self.namespace in (None, NAMESPACE) or "--all-namespaces" in args
        wanted = [kind.split(".")[0].rstrip("s") for kind in kinds.split(",")]
        found = [item for item in self.documents if is_here and item["kind"].lower() in wanted]
        if not name:
            return json.dumps({"items": found})
        return next((json.dumps(item) for item in found if item["metadata"]["name"] == name[0]), "")


@dataclass
class LibraryWorld:
    """Objects, their artifacts, and what a command is given."""

    folder: Path
    host: str
    memory: MemoryRegistry
    objects: list[dict[str, Any]] = field(default_factory=list)

    @property
    def root(self) -> Repository:
        return Repository(self.host, "llmos")

    @property
    def kubectl(self) -> Kubectl:
        return DocumentKubectl(Path("/c"), NAMESPACE, documents=tuple(self.objects))

    def repository(self, kind: str, name: str) -> Repository:
        return self.root.child(NAMESPACE, kind.lower(), name)

    def registry(self) -> Registry:
        """A client of the test's own, which needs no socket."""
        return Registry(RegistryAccess(plain_http=True), transport=self.memory.transport(), sleep=lambda _: None)

    def publish(self, kind: str, name: str, parents: dict[str, tuple[str, Version]] | None = None, **spec: Any) -> Version:
        """Push a version and let an object have it.

        Args:
            parents: role → name of the parent object and its version.
        """
        digests = {role: version.digest for role, (_, version) in (parents or {}).items()}
        repository = self.repository(kind, name)
        with self.registry() as registry:
            payloads = [self._push(registry, repository, role, f"{role} of {kind} {name} {spec}".encode()) for role in ROLES[kind]]
            hashed = inputs_hash(kind=kind, spec=spec, parents=digests)
            provenance = Provenance(kind=kind, inputs_hash=hashed, spec=spec, parents=digests, payloads=payloads, tools={})
            version = registry.push_version(repository, provenance, {"accuracy": "0.4"})
        resolved = [
            {"role": role, "kind": _kind(role), "name": parent, "digest": digests[role]} for role, (parent, _) in (parents or {}).items()
        ]
        status = {"snapshot" if kind == "KnowledgeBase" else "version": {"digest": version.digest}, "resolved": resolved}
        self.objects = [item for item in self.objects if (item["kind"], item["metadata"]["name"]) != (kind, name)]
        self.objects.append({"kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {}, "status": status})
        return version

    def _push(self, registry: Registry, repository: Repository, role: str, content: bytes) -> Any:
        source = self.folder / "file"
        source.write_bytes(content)
        layers = [FileLayer(path=f"{role}.bin", source=source, media_type=MODEL_WEIGHT)]
        pushed = registry.push_payload(repository, layers, artifact_type=MODEL_ARTIFACT, config_type=MODEL_CONFIG, config={"of": role})
        return pushed.payload(role, **({"precision": "Float32"} if role == "onnx" else {}))

    def install(self, installation_id: str = "llmos-system/llmos", *, secret: str = "", public_key: str = "", **settings: Any) -> None:
        """Let there be an operator's configuration."""
        artifacts = {"repository": str(self.root), "plainHTTP": True, "caSecretName": "", "credentialsSecretName": secret}
        artifacts |= {"verification": {"publicKey": public_key}} if public_key else {}
        configuration = yaml.safe_dump({"installationId": installation_id, "artifacts": artifacts, **settings})
        metadata = {"name": installation_id.replace("/", "-"), "namespace": "llmos-system"}
        self.objects.append({"kind": "ConfigMap", "metadata": metadata, "data": {"operator.yaml": configuration}})

    def add_secret(self, name: str, **data: bytes) -> None:
        encoded = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
        self.objects.append({"kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": encoded})


def _kind(role: str) -> str:
    return {"base": "Model", "trainingJob": "TrainingJob", "model": "Model"}.get(role, "KnowledgeBase")


@contextmanager
def library_world(folder: Path) -> Iterator[LibraryWorld]:
    memory = MemoryRegistry()
    with serve_registry(memory) as host:
        yield LibraryWorld(folder, host, memory)

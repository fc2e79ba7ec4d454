"""Running our Jobs as a pod runs them: a config file in, a termination message out, a registry beside."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmos.artifacts import Registry, RegistryAccess, Repository, Version, inputs_hash

KINDS = {"Model": "ModelImport", "KnowledgeBase": "KnowledgeBuild", "TrainingJob": "Training"}
Main = Callable[[Sequence[str]], int]


@dataclass
class Pods:
    """Runs Jobs against the registry at `host`; remembers the digest of each object's version."""

    host: str
    folder: Path
    versions: dict[str, str] = field(default_factory=dict)
    termination: dict[str, str] = field(default_factory=dict)

    def repository(self, key: str) -> Repository:
        """`Model/minilm` to its repository."""
        return Repository.parse(f"{self.host}/llmos/demo/{key.lower()}")

    def run(
        self,
        main: Main,
        key: str,
        spec: Mapping[str, Any],
        parents: Mapping[str, str] | None = None,
        *,
        scratch_bytes: int | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> int:
        """Run a Job; `parents` maps roles to keys of objects that were made before, `source` says how its source is reached."""
        kind, name = key.split("/")
        digests = {role: self.versions[parent] for role, parent in (parents or {}).items()}
        config = {
            "apiVersion": "llmos.dev/workload-v1",
            "kind": KINDS[kind],
            "object": {"kind": kind, "namespace": "demo", "name": name, "uid": "u"},
            "inputsHash": inputs_hash(kind=kind, spec=spec, parents=digests),
            "spec": spec,
            "parents": {
                role: {"repository": str(self.repository(parent)), "digest": self.versions[parent]}
                for role, parent in (parents or {}).items()
            },
            "target": {"repository": str(self.repository(key))},
            "artifacts": {"plainHTTP": True},
            **({"source": source} if source else {}),
            "scratch": str(self.folder / "scratch"),
            "scratchBytes": scratch_bytes,
        }
        self.folder.mkdir(exist_ok=True)
        (self.folder / "config.yaml").write_text(json.dumps(config))
        code = main(["--config", str(self.folder / "config.yaml"), "--termination-log", str(self.folder / "termination")])
        self.termination = json.loads((self.folder / "termination").read_text())
        if code == 0:
            self.versions[key] = self.termination["digest"]
        return code

    def registry(self) -> Registry:
        return Registry(RegistryAccess(plain_http=True))

    def version(self, key: str) -> Version:
        with self.registry() as registry:
            return registry.get_version(self.repository(key), self.versions[key])

    def fetch(self, key: str, role: str) -> Path:
        """Bring a payload of an object's version to a folder."""
        payload = self.version(key).provenance.payload(role)
        assert payload is not None
        with self.registry() as registry:
            return registry.fetch_payload(self.repository(key), payload.digest, self.folder / "fetched" / key / role)


def http_source(folder: Path, address: str) -> dict[str, Any]:
    """Return `source` of a Model for a folder that is served at an address."""
    files = [
        {"url": f"{address}/{path.name}", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "path": path.name}
        for path in sorted(folder.iterdir())
    ]
    return {"http": {"files": files}}


def http_files(folder: Path, url: str) -> list[dict[str, str]]:
    """The files of a served folder, as a source of kind `http` names them."""
    return [
        {"url": f"{url}/{path.name}", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "path": path.name}
        for path in sorted(folder.iterdir())
    ]

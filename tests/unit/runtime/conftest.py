"""An inference pod without a cluster: volumes in a temporary folder, a registry in memory, a fake behind the model server's port."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from llmos.artifacts import (
    KNOWLEDGE_ARTIFACT,
    KNOWLEDGE_CONFIG,
    KNOWLEDGE_FILE,
    MODEL_ARTIFACT,
    MODEL_CONFIG,
    MODEL_WEIGHT,
    MODEL_WEIGHT_CONFIG,
    FileLayer,
    Provenance,
    Registry,
    RegistryAccess,
    Repository,
    Version,
    digest_bytes,
    inputs_hash,
)
from llmos.knowledge import LinkingSettings, build_snapshot
from llmos.runtime import fetch, sidecar
from llmos.runtime.app import Service, create_app
from llmos.runtime.assets import PodPaths
from llmos.runtime.model_server import ModelTimeout, ModelUnavailable
from llmos.runtime.sidecar import build_service
from llmos.workload import InferenceConfig, Reporter, load_inference_config
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.knowledge.conftest import OBO, write_sources

HOST = "registry.test"
MODEL_REPOSITORY = Repository(HOST, "llmos/demo/model/organ-system")
KNOWLEDGE_REPOSITORY = Repository(HOST, "llmos/demo/knowledgebase/hpo")
LABELS = [{"id": "HP:1", "name": "Nervous system"}, {"id": "HP:2", "name": "Head"}, {"id": "HP:3", "name": "Muscle"}]
QUESTION = "The child has seizures, a large head and was found to have low muscle tone."


@dataclass
class FakeModelServer:
    """Answers every text with the same row; can be down, slow, or wrong."""

    row: list[float] = field(default_factory=lambda: [2.0, 0.5, -1.0])
    live: bool = True
    delay_s: float = 0.0
    seen: list[Mapping[str, np.ndarray]] = field(default_factory=list)
    num_requests: int = 0

    async def is_live(self) -> bool:
        return self.live

    async def is_ready(self) -> bool:
        return self.live

    async def infer(self, inputs: Mapping[str, np.ndarray], output: str, *, timeout_s: float, request_id: str) -> np.ndarray:
        assert request_id
        self.num_requests += 1
        self.seen.append(inputs)
        if not self.live:
            raise ModelUnavailable("the model server does not answer; it is starting or restarting")
        if self.delay_s >= timeout_s:
            raise ModelTimeout("the model did not answer in time")
        await asyncio.sleep(self.delay_s)
        return np.asarray([self.row], dtype=np.float32)

    async def metrics(self) -> str:
        return "nv_inference_count 1\n" if self.live else ""

    async def aclose(self) -> None:
        pass


@dataclass
class RecordingReporter:
    """Stands where `Reporter` does."""

    reports: list[dict[str, Any]] = field(default_factory=list)

    def active(self, **news: Any) -> None:
        self.reports.append(news)


class SharedRegistry(Registry):
    """One client for all tests, because making its TLS context takes longer than a test; it talks to the current test's registry."""

    memory: MemoryRegistry

    def close(self) -> None:
        """Stay open for the next test."""


@cache
def _shared_registry() -> SharedRegistry:
    transport = httpx.MockTransport(lambda request: _shared_registry().memory.handle(request))
    return SharedRegistry(RegistryAccess(plain_http=True), transport=transport, sleep=lambda _seconds: None)


@dataclass
class Pod:
    """Files, registry and model server of one pod."""

    folder: Path
    memory: MemoryRegistry
    server: FakeModelServer = field(default_factory=FakeModelServer)
    reporter: RecordingReporter = field(default_factory=RecordingReporter)

    @property
    def paths(self) -> PodPaths:
        return PodPaths(self.folder / "models", self.folder / "knowledge", self.folder / "active.yaml", self.folder / "config.yaml")

    def registry(self) -> Registry:
        shared = _shared_registry()
        shared.memory = self.memory
        return shared

    def push_model(self, *, task: str = "TextClassification", labels: Any = LABELS, leave_out: str = "", **other: bytes) -> Version:
        """Push an ONNX payload; `other` replaces files, with `_` for `.` in their names."""
        source = self.folder / "push-model"
        source.mkdir(exist_ok=True)
        embeds = labels is None
        files = {
            "model.onnx": b"weights",
            "model.onnx.data": b"more weights",
            "config.pbtxt": b'name: "model"',
            "tokenizer.json": tiny_tokenizer().encode(),
            "preprocessing.json": preprocessing(embeds=embeds),
        }
        if not embeds:
            files["labels.json"] = json.dumps({"labels": labels}).encode()
        files |= {name: other[name.replace(".", "_")] for name in files if name.replace(".", "_") in other}
        files.pop(leave_out, None)
        layers = []
        for name, content in files.items():
            (source / name).write_bytes(content)
            kind = MODEL_WEIGHT if "onnx" in name else MODEL_WEIGHT_CONFIG
            layers.append(FileLayer(path=name, source=source / name, media_type=kind))
        config = {"descriptor": {"name": "organ-system"}, "modelfs": {}, "config": {}}
        with self.registry() as registry:
            pushed = registry.push_payload(MODEL_REPOSITORY, layers, artifact_type=MODEL_ARTIFACT, config_type=MODEL_CONFIG, config=config)
            spec = {"task": task, "files": digest_bytes(repr(sorted(files.items())).encode())}
            return registry.push_version(MODEL_REPOSITORY, provenance("Model", spec, [pushed.payload("onnx", precision="Float32")]), {})

    def push_knowledge(self, obo: str = OBO, *, private: str = "") -> Version:
        """Build and push; `private` is the partition that the diseases belong to."""
        name = digest_bytes(f"{private}{obo}".encode())[7:15]
        sources, built = self.folder / f"sources-{name}", self.folder / f"built-{name}"
        sources.mkdir(exist_ok=True)
        built.mkdir(exist_ok=True)
        for file in built.iterdir():
            file.unlink()
        terms, diseases = write_sources(sources, obo)
        description = build_snapshot([terms, replace(diseases, partition=private)], built, linking=LinkingSettings()).description
        layers = [FileLayer(path=file.name, source=file, media_type=KNOWLEDGE_FILE) for file in sorted(built.iterdir())]
        with self.registry() as registry:
            pushed = registry.push_payload(
                KNOWLEDGE_REPOSITORY, layers, artifact_type=KNOWLEDGE_ARTIFACT, config_type=KNOWLEDGE_CONFIG, config={}
            )
            payload = pushed.payload("snapshot", contentDigest=description.content_digest)
            return registry.push_version(KNOWLEDGE_REPOSITORY, provenance("KnowledgeBase", {"obo": name}, [payload]), {})

    def configure(
        self,
        model: Version,
        *knowledge: Version,
        precision: str = "Float32",
        timeout_s: int = 2,
        maximum_characters: int = 200,
        sparql: Mapping[str, Any] | None = None,
    ):
        config = {
            "apiVersion": "llmos.dev/workload-v1",
            "kind": "Inference",
            "object": {"kind": "InferenceService", "namespace": "demo", "name": "phenotype", "uid": "u"},
            "model": {"name": "organ-system", "repository": str(MODEL_REPOSITORY), "digest": model.digest, "precision": precision},
            "grounding": {"maximumFacts": 20},
            "limits": {"maximumTextCharacters": maximum_characters, "timeoutSeconds": timeout_s},
            **({"sparql": sparql} if sparql else {}),
            "artifacts": {"plainHTTP": True},
            "report": None,
            "scratch": str(self.folder / "scratch"),
        }
        self.paths.config.write_text(json.dumps(config))
        self.activate(*knowledge)

    def activate(self, *knowledge: Version, partitions: Sequence[str] = ()) -> None:
        """Do what the kubelet does when the ConfigMap changed."""
        seen = {"partitions": list(partitions)} if partitions else {}
        items = [{"name": "hpo", "repository": str(KNOWLEDGE_REPOSITORY), "digest": version.digest, **seen} for version in knowledge]
        self.paths.active.write_text(json.dumps({"knowledge": items}))

    def config(self) -> InferenceConfig:
        return load_inference_config(self.paths.config)

    def fetch(self) -> int:
        """Run the init container."""
        arguments = ["--config", self.paths.config, "--active", self.paths.active, "--models", self.paths.models]
        arguments += ["--knowledge", self.paths.knowledge, "--termination-log", self.folder / "termination"]
        return fetch.main([str(argument) for argument in arguments])

    def termination(self) -> dict[str, str]:
        return json.loads((self.folder / "termination").read_text())

    def service(self) -> Service:
        reporter: Reporter = self.reporter  # type: ignore[assignment]
        return build_service(self.config(), self.paths, self.server, reporter)


def provenance(kind: str, spec: Mapping[str, Any], payloads: list[Any]) -> Provenance:
    return Provenance(
        kind=kind, inputs_hash=inputs_hash(kind=kind, spec=spec, parents={}), spec=spec, parents={}, payloads=payloads, tools={"llmos": "0"}
    )


def preprocessing(*, embeds: bool = False, **more: Any) -> bytes:
    document = {
        "maximumTokens": 16,
        "inputs": ["input_ids", "attention_mask"],
        "outputs": ["embedding" if embeds else "logits"],
        "padId": 0,
        "pooling": "Mean" if embeds else None,
    }
    return json.dumps(document | more).encode()


def tiny_tokenizer() -> str:
    words = ["[UNK]", "the", "child", "has", "seizures", "large", "head", "low", "muscle", "tone"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(length=32)
    return tokenizer.to_str()


def http_client(service: Service) -> httpx.AsyncClient:
    # Errors are answers here, as they are in a pod.
    transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://phenotype")


async def eventually(is_so) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true within five seconds")


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    made = Pod(tmp_path, MemoryRegistry())
    for module in (fetch, sidecar):
        monkeypatch.setattr(module, "Registry", lambda _access: made.registry())
    monkeypatch.setattr(fetch, "configure_logging", lambda: None)
    return made


@pytest.fixture
async def service(pod: Pod) -> Service:
    """A pod that serves, with one snapshot, and is ready."""
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    made = pod.service()
    assert await made.knowledge.step()
    await made.readiness.check(made.knowledge.current)
    return made

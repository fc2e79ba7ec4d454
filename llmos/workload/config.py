"""The mounted configuration of every pod of ours (`llmos.dev/workload-v1`), parsed strictly.

An unknown field is refused, because a field that is silently ignored is a lie; the inputs hash is computed again, because an artifact
pushed under a wrong one would be adopted for ever. Must not: read anything but the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from llmos.artifacts import BlobCache, RegistryAccess, Repository, inputs_hash, is_digest
from llmos.errors import ConfigError

__all__ = [
    "DEFAULT_CONFIG_PATH",
    "Artifacts",
    "InferenceConfig",
    "JobConfig",
    "KnowledgeConfig",
    "KnowledgeRef",
    "ObjectRef",
    "ParentRef",
    "Report",
    "SourceAccess",
    "load_inference_config",
    "load_job_config",
    "load_knowledge_config",
]

DEFAULT_CONFIG_PATH: Final = Path("/etc/llmos/config.yaml")

_OBJECT_KIND: Final = {"ModelImport": "Model", "KnowledgeBuild": "KnowledgeBase", "Training": "TrainingJob"}

Document = TypeVar("Document", bound=BaseModel)


def _check_digest(text: str) -> str:
    if not is_digest(text):
        raise ValueError("must be 'sha256:' and 64 lower-case hex digits")
    return text


def _parse_repository(value: Any) -> Any:
    return Repository.parse(value) if isinstance(value, str) else value


Digest = Annotated[str, AfterValidator(_check_digest)]
RepositoryName = Annotated[Repository, BeforeValidator(_parse_repository)]
Name = Annotated[str, Field(min_length=1, max_length=253)]


class _Part(BaseModel):
    """Camel-case in the file, snake-case here; nothing unknown, nothing changed after parsing."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, arbitrary_types_allowed=True)


class ObjectRef(_Part):
    """The custom resource this pod works for."""

    kind: Literal["Model", "KnowledgeBase", "TrainingJob", "InferenceService"]
    namespace: Name
    name: Name
    uid: Name


class ParentRef(_Part):
    """An input that is an artifact itself."""

    repository: RepositoryName
    digest: Digest


class Target(_Part):
    """Where the result goes."""

    repository: RepositoryName


class Cache(_Part):
    """A volume that keeps blobs from the registry."""

    folder: Path
    size_bytes: Annotated[int, Field(ge=1)]


class Artifacts(_Part):
    """How the registry is reached, and where what was fetched is kept."""

    plain_http: bool = Field(alias="plainHTTP")
    ca_file: str | None = None
    credentials_file: str | None = None
    cache: Cache | None = None
    public_key: str | None = None
    """PEM keys, one of which must have signed every version that is fetched; None: signatures are not asked for."""

    @property
    def access(self) -> RegistryAccess:
        """The same, for `Registry`."""
        return RegistryAccess(
            plain_http=self.plain_http,
            ca_file=self.ca_file,
            credentials_file=self.credentials_file,
            cache=BlobCache(self.cache.folder, self.cache.size_bytes) if self.cache else None,
            public_key=self.public_key,
        )


class SourceAccess(_Part):
    """How the source is reached, as the kubelet has mounted it; it decides no content, so it is not in the hashed spec."""

    secret_directory: Path | None = None
    """The source's Secret, one file a key."""

    volume_directory: Path | None = None
    """The source's volume, read-only."""

    plain_http: bool = Field(default=False, alias="plainHTTP")
    """Speak to the source's registry without TLS."""

    plain_tcp: bool = Field(default=False, alias="plainTCP")
    """Speak to the source's database without TLS."""

    timeout_seconds: Annotated[int, Field(ge=1)] = 300
    """What the source's database may take for one step of a query."""


class Report(_Part):
    """Where progress is reported; the files are read again for each report, because the kubelet replaces them."""

    url: Annotated[str, Field(pattern=r"^https://")]
    ca_bundle: str | None = None
    """The authority's certificates, PEM: for a Job, which ends before they are renewed."""
    ca_file: Path | None = None
    """Or where they lie: for a service, which must not be restarted for them."""
    token_file: Path

    @model_validator(mode="after")
    def _has_one_authority(self) -> "Report":
        if (self.ca_bundle is None) == (self.ca_file is None):
            raise ValueError("exactly one of caBundle and caFile must be set")
        return self

    def authority(self) -> str:
        """Return the certificates as they are now; raises OSError if the file is not there."""
        if self.ca_bundle is not None:
            return self.ca_bundle
        assert self.ca_file is not None
        return self.ca_file.read_text(encoding="ascii")


class JobConfig(_Part):
    """What a Job of Model, KnowledgeBase or TrainingJob is told."""

    api_version: Literal["llmos.dev/workload-v1"]
    kind: Literal["ModelImport", "KnowledgeBuild", "Training"]
    object: ObjectRef
    inputs_hash: Digest
    spec: Mapping[str, Any]
    """The hashed spec, camelCase as in the custom resource."""

    parents: Mapping[str, ParentRef]
    target: Target
    installation: str = ""
    """The id of the installation that makes this; its mark is left in the target's repository. Empty: none is left."""

    artifacts: Artifacts
    source: SourceAccess = SourceAccess()
    """How a Model's source is reached."""

    sources: Mapping[str, SourceAccess] = Field(default_factory=dict)
    """How each source of a KnowledgeBase is reached, by its name; those that need nothing are absent."""

    report: Report | None = None
    scratch: Path
    scratch_bytes: Annotated[int | None, Field(ge=0)] = None
    """The volume's size limit, which is not seen from inside; None: unknown."""

    @property
    def parent_digests(self) -> dict[str, str]:
        """Role to version digest: the hashed form of the parents."""
        return {role: parent.digest for role, parent in self.parents.items()}


class ModelRef(_Part):
    """The model an inference pod serves."""

    name: Name
    repository: RepositoryName
    digest: Digest
    """The model's version digest."""

    precision: Name


class Grounding(_Part):
    """How much knowledge an answer carries."""

    maximum_facts: Annotated[int, Field(ge=0, le=1000)]


class Limits(_Part):
    """What a request may ask."""

    maximum_text_characters: Annotated[int, Field(ge=1)]
    timeout_seconds: Annotated[int, Field(ge=1)]


class SparqlPrefix(_Part):
    """How the CURIEs of one prefix become IRIs."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")]
    iri: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+$", max_length=512)]


class Sparql(_Part):
    """What a SPARQL query may take; absent where the service offers none."""

    timeout_seconds: Annotated[int, Field(ge=1, le=60)]
    maximum_rows: Annotated[int, Field(ge=1, le=100_000)]
    workers: Annotated[int, Field(ge=1, le=8)]
    prefixes: tuple[SparqlPrefix, ...] = ()

    @property
    def prefix_map(self) -> dict[str, str]:
        """Prefix to IRI."""
        return {item.prefix: item.iri for item in self.prefixes}


class InferenceConfig(_Part):
    """What an inference pod is told at its start; snapshots are not here, because they change while it runs."""

    api_version: Literal["llmos.dev/workload-v1"]
    kind: Literal["Inference"]
    object: ObjectRef
    model: ModelRef
    grounding: Grounding
    limits: Limits
    sparql: Sparql | None = None
    artifacts: Artifacts
    report: Report | None = None
    scratch: Path

    @property
    def longest_request_s(self) -> int:
        """After this time every request has its answer."""
        return max(self.limits.timeout_seconds, self.sparql.timeout_seconds if self.sparql else 0)


class KnowledgeRef(_Part):
    """A snapshot to serve."""

    name: Name
    repository: RepositoryName
    digest: Digest
    """The KnowledgeBase's version digest."""

    partitions: Annotated[tuple[Name, ...], Field(max_length=32), AfterValidator(lambda names: tuple(sorted(set(names))))] = ()
    """What the service may see besides what is everybody's; sorted."""


def _check_names(items: tuple[KnowledgeRef, ...]) -> tuple[KnowledgeRef, ...]:
    names = [item.name for item in items]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"names {sorted(doubled)} twice; each knowledge base may stand once")
    return items


class KnowledgeConfig(_Part):
    """`active.yaml`: the snapshots an inference pod must serve now."""

    knowledge: Annotated[tuple[KnowledgeRef, ...], AfterValidator(_check_names)]


def load_job_config(path: Path = DEFAULT_CONFIG_PATH) -> JobConfig:
    """Read and check a Job's configuration.

    Raises: ConfigError if it is malformed, has an unknown field, or its inputs hash is not that of its inputs.
    """
    config = _load(path, JobConfig)
    if config.object.kind != (expected := _OBJECT_KIND[config.kind]):
        raise ConfigError(
            f"{path}: kind {config.kind} is work of a {expected}, and object.kind is {config.object.kind}", reason="InvalidSpec"
        )
    try:
        computed = inputs_hash(kind=config.object.kind, spec=config.spec, parents=config.parent_digests)
    except ValueError as error:
        raise ConfigError(f"{path}: spec cannot be hashed: {error}", reason="InvalidSpec") from error
    if computed != config.inputs_hash:
        raise ConfigError(
            f"{path}: inputsHash is {config.inputs_hash}, and its spec and parents have {computed}; "
            "the operator and this image are of different versions",
            reason="InvalidSpec",
        )
    return config


def load_inference_config(path: Path = DEFAULT_CONFIG_PATH) -> InferenceConfig:
    """Read and check an inference pod's configuration; raises ConfigError."""
    return _load(path, InferenceConfig)


def load_knowledge_config(path: Path) -> KnowledgeConfig:
    """Read and check `active.yaml`; raises ConfigError."""
    return _load(path, KnowledgeConfig)


def _load(path: Path, model: type[Document]) -> Document:
    try:
        document = _parse(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}", reason="InvalidSpec") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_sentence(error)}", reason="InvalidSpec") from error


def _parse(text: str) -> Any:
    """Read JSON as JSON, and anything else as YAML."""
    try:
        # The operator writes JSON, and YAML refuses or folds characters that JSON keeps (U+007F to U+009F, in text pasted from elsewhere).
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _sentence(error: ValidationError) -> str:
    """Say the first problem in one clear sentence; the value is shown unless it may be a document of its own."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    if first["type"] == "extra_forbidden":
        return f"field {field} is unknown; remove it, or use an image of the operator's version"
    if first["type"] == "missing":
        return f"field {field} is missing"
    value = first["input"]
    shown = f", found {value!r:.100}" if isinstance(value, str | int | float | bool | None) else ""
    return f"field {field}: {first['msg'].removeprefix('Value error, ')}{shown}"

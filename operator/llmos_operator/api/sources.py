"""Where content comes from (`spec.source` of a Model, `spec.sources[]` of a KnowledgeBase), and how that place is reached.

Owns: which part of a source is hashed. What decides the content is; how the place is reached (a login, plain HTTP) is not, so that a
renamed Secret repeats no work. Must not: build volumes; `desired.source` does.
"""

from typing import Final

from pydantic import Field
from pydantic.alias_generators import to_camel

from llmos_operator.api.parts import Followed, Part
from llmos_operator.names import Json

__all__ = [
    "ConfigMapSource",
    "GitSource",
    "HttpFile",
    "HttpSource",
    "HuggingFaceSource",
    "KnowledgePlace",
    "ModelSource",
    "OciSource",
    "PostgresqlSource",
    "PvcSource",
    "PythonPackage",
    "RemoteSource",
    "S3Source",
]

_HOW_REACHED: Final = frozenset({"secretName", "plainHTTP", "plainTCP", "timeoutSeconds"})


class PythonPackage(Part):
    """A wheel, pinned by version and checksum."""

    name: str
    version: str
    sha256: str
    path: str | None = None


class HttpFile(Part):
    """A file by address and checksum."""

    url: str
    sha256: str
    path: str


class OutsideSource(Part):
    """A place outside of LLMOS."""

    @property
    def access(self) -> Json:
        """Return how it is reached, as far as the user said and the content does not depend on it."""
        return {}

    def hashed(self) -> Json:
        """Return what decides the content."""
        return {name: value for name, value in self.to_json().items() if name not in _HOW_REACHED}


class RemoteSource(OutsideSource):
    """A server that may want a login."""

    secret_name: str | None = None

    @property
    def access(self) -> Json:
        """Return how it is reached."""
        return {"secretName": self.secret_name} if self.secret_name else {}


class HttpSource(RemoteSource):
    """A folder, file by file."""

    files: tuple[HttpFile, ...]


class OciSource(RemoteSource):
    """An artifact in a registry."""

    reference: str
    plain_http: bool = Field(default=False, alias="plainHTTP")

    @property
    def access(self) -> Json:
        """Return how it is reached."""
        return {**super().access, **({"plainHTTP": True} if self.plain_http else {})}


class HuggingFaceSource(RemoteSource):
    """A repository of a Hub."""

    repository: str
    revision: str = "main"
    endpoint: str | None = None


class PvcSource(OutsideSource):
    """A folder of a volume."""

    claim_name: str
    path: str | None = None


class S3File(Part):
    """An object, pinned by checksum."""

    path: str
    sha256: str


class S3Source(RemoteSource):
    """What lies below a prefix of a bucket."""

    bucket: str
    prefix: str | None = None
    endpoint: str | None = None
    region: str | None = None
    files: tuple[S3File, ...] | None = None


class GitSource(RemoteSource):
    """A repository, at one commit."""

    repository: str
    ref: str | None = None


class ConfigMapSource(OutsideSource):
    """Keys of a ConfigMap."""

    name: str


class PostgresqlQuery(Part):
    """A query, whose rows are a file of its name."""

    name: str
    query: str


class PostgresqlSource(RemoteSource):
    """Answers of a database."""

    host: str
    port: int = 5432
    database: str
    plain_tcp: bool = Field(default=False, alias="plainTCP")
    timeout_seconds: int = 300
    queries: tuple[PostgresqlQuery, ...]

    @property
    def access(self) -> Json:
        """Return how it is reached."""
        plain = {"plainTCP": True} if self.plain_tcp else {}
        slow = (
            {"timeoutSeconds": self.timeout_seconds} if self.timeout_seconds != type(self).model_fields["timeout_seconds"].default else {}
        )
        return {**super().access, **plain, **slow}


class Place(Part):
    """Exactly one kind of source is set."""

    @property
    def access(self) -> Json:
        """Return how the source is reached: what its pod needs and its content does not depend on."""
        outside = self.outside()
        return outside[1].access if outside else {}

    def outside(self) -> tuple[str, OutsideSource] | None:
        """Return the name and value of the field that is set, if it says itself what of it is hashed."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, OutsideSource):
                return to_camel(name), value
        return None


class ModelSource(Place):
    """Where weights come from."""

    python_package: PythonPackage | None = None
    http: HttpSource | None = None
    oci: OciSource | None = None
    hugging_face: HuggingFaceSource | None = None
    pvc: PvcSource | None = None
    s3: S3Source | None = None
    training_job: Followed | None = None

    def hashed(self) -> Json:
        """Return what decides the content; a TrainingJob's version is in the parents."""
        if self.python_package:
            return {"pythonPackage": self.python_package.to_json()}
        outside = self.outside()
        return {outside[0]: outside[1].hashed()} if outside else {"trainingJob": {}}


class KnowledgePlace(Place):
    """Where facts come from, and who may see them."""

    name: str
    license: str | None = None
    partition: str | None = None
    python_package: PythonPackage | None = None
    http: HttpSource | None = None
    oci: OciSource | None = None
    s3: S3Source | None = None
    pvc: PvcSource | None = None
    git: GitSource | None = None
    config_map: ConfigMapSource | None = None
    postgresql: PostgresqlSource | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Which files are read of it."""
        return ()

    def hashed(self) -> Json:
        """Return what decides the content, with whatever a subclass adds."""
        outside = self.outside()
        return {**self.to_json(), **({outside[0]: outside[1].hashed()} if outside else {})}

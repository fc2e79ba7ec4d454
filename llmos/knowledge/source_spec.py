"""Where a KnowledgeBase's facts come from: one source of its hashed spec, without the files that are read of it.

Must not: know formats, or fetch.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from llmos.artifacts import canonical_json, digest_bytes
from llmos.workload.source_spec import ConfigMapSource, GitSource, HttpSource, OciSource, OutsideSource, PvcSource, S3Source
from llmos.workload.spec_part import SpecPart

__all__ = ["SOURCE_KINDS", "PinnedPackage", "PostgresqlSource", "SourcePlace"]


class PinnedPackage(SpecPart):
    """A wheel."""

    name: str
    version: str
    sha256: str


class PostgresqlQuery(SpecPart):
    """A query; its rows are a file of JSONL with this name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    query: Annotated[str, Field(min_length=1, max_length=8192)]


class PostgresqlSource(SpecPart):
    """What a database answers."""

    host: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: Annotated[str, Field(min_length=1, max_length=63)]
    queries: Annotated[tuple[PostgresqlQuery, ...], Field(min_length=1, max_length=16)]

    def __str__(self) -> str:
        return f"postgresql://{self.host}:{self.port}/{self.database}"


SOURCE_KINDS = ("python_package", "http", "oci", "s3", "pvc", "git", "config_map", "postgresql")


class SourcePlace(SpecPart):
    """A source's name, and where it is: exactly one of the kinds."""

    name: Annotated[str, Field(min_length=1)]
    license: str | None = None
    partition: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=50)] | None = None
    """Who may see what only this source says; None: everybody."""

    python_package: PinnedPackage | None = None
    http: HttpSource | None = None
    oci: OciSource | None = None
    s3: S3Source | None = None
    pvc: PvcSource | None = None
    git: GitSource | None = None
    config_map: ConfigMapSource | None = None
    postgresql: PostgresqlSource | None = None

    @property
    def outside(self) -> OutsideSource | None:
        """The place, where it is no wheel."""
        return self.http or self.oci or self.s3 or self.pvc or self.git or self.config_map

    @property
    def stated_version(self) -> str:
        """What the spec itself says of the content: a wheel's version, the hashes of addresses; empty where only the place knows."""
        if self.python_package:
            return self.python_package.version
        return digest_bytes(canonical_json(self.http.model_dump(by_alias=True)["files"])) if self.http else ""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if [getattr(self, kind) for kind in SOURCE_KINDS].count(None) != len(SOURCE_KINDS) - 1:
            names = [to_camel(kind) for kind in SOURCE_KINDS]
            raise ValueError(f"must set exactly one of {', '.join(names[:-1])} and {names[-1]}")
        return self

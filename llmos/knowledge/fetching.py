"""Bringing the files of a KnowledgeBase's sources, and what each source stood for when they were read.

Must not: parse; or know how a protocol works (`llmos.workload` does).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.artifacts import canonical_json
from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError
from llmos.knowledge.source_spec import SourcePlace
from llmos.workload import Reach, Reporter, Resolved, SourceAccess, Wanted, fetch_python_package, fetch_source

__all__ = ["FetchPackage", "FetchedSource", "fetch_files", "record_of"]

FetchPackage = Callable[..., Sequence[Path]]
"""As `fetch_python_package`; tests have others."""

_MAX_RECORD_BYTES: Final = 32_000
"""The provenance, which holds the record, is a document of at most 64 KiB."""


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """A source whose files are here."""

    place: SourcePlace
    folder: Path
    resolved: Resolved

    @property
    def version(self) -> str:
        """What its facts cite, where a file does not name a version itself."""
        return self.place.stated_version or self.resolved.revision


def fetch_files(
    place: SourcePlace,
    paths: Sequence[str],
    into: Path,
    *,
    access: SourceAccess,
    reporter: Reporter | None = None,
    fetch_package: FetchPackage = fetch_python_package,
) -> FetchedSource:
    """Bring the files of one source into a new folder, under their paths in the source.

    Raises: what the fetcher of its kind raises, with the source's name before it; NotFoundError (InvalidSource) if a file is not there;
        ConfigError (InvalidSpec) for a path that the spec says is not there.
    """
    try:
        if package := place.python_package:
            fetch_package(name=package.name, version=package.version, sha256=package.sha256, paths=paths, into=into, reporter=reporter)
            return FetchedSource(place, into, Resolved())
        _check_named(place, paths)
        if place.postgresql is not None:
            # Imported late: the driver is needed by these sources only.
            from llmos.knowledge.querying import fetch_rows

            return FetchedSource(place, into, fetch_rows(place.postgresql, paths, into, access=access, reporter=reporter))
        assert place.outside is not None
        resolved = fetch_source(place.outside, into, wanted=Wanted.files(paths), reach=Reach.of(access), reporter=reporter)
        _check_there(into, paths)
    except LlmosError as error:
        raise type(error)(f"source {place.name}: {error.message}", reason=error.reason) from error
    return FetchedSource(place, into, resolved)


def _check_named(place: SourcePlace, paths: Sequence[str]) -> None:
    """Refuse a path that the spec itself says will not come: waiting would not bring it."""
    if place.http:
        what, there = "http.files", {file.path for file in place.http.files}
    elif place.s3 and place.s3.files is not None:
        what, there = "s3.files", {file.path for file in place.s3.files}
    elif place.postgresql:
        what, there = "postgresql.queries", {query.name for query in place.postgresql.queries}
    else:
        return
    if missing := sorted(set(paths) - there):
        raise ConfigError(f"files names {missing[0]!r:.100}, which {what} does not bring; add it there", reason="InvalidSpec")


def _check_there(folder: Path, paths: Sequence[str]) -> None:
    for path in paths:
        if not (folder / path).is_file():
            found = ", ".join(sorted(str(item.relative_to(folder)) for item in folder.rglob("*") if item.is_file())[:8])
            raise NotFoundError(
                f"there is no file {path!r:.100} beside {found or 'nothing'}; add it, or correct files", reason="InvalidSource"
            )


def record_of(sources: Iterable[FetchedSource]) -> Mapping[str, str]:
    """Return what of the provenance says where the content came from: an attribute, where any source's name may move; else nothing.

    Raises: PermanentError (InvalidSource) if it is too much for a provenance.
    """
    record = canonical_json([_document(source) for source in sources if source.resolved.name]).decode()
    if len(record) > _MAX_RECORD_BYTES:
        raise PermanentError(
            f"what the sources stood for takes {len(record)} bytes of at most {_MAX_RECORD_BYTES}; take fewer files from s3, or divide the "
            "KnowledgeBase",
            reason="InvalidSource",
        )
    return {"sources": record} if record != "[]" else {}


def _document(source: FetchedSource) -> dict[str, Any]:
    resolved = source.resolved
    return {"name": source.place.name, "resolved": resolved.name, **({"objects": resolved.objects} if resolved.objects else {})}

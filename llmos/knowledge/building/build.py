"""Source files on disk → a snapshot folder: parse each, merge, write. What a person runs in a notebook and the build job in a pod.

Must not: fetch or push anything.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from llmos.errors import ConfigError
from llmos.knowledge.building.content import Content, merge
from llmos.knowledge.building.write import write_snapshot
from llmos.knowledge.formats.hpoa import parse_hpoa
from llmos.knowledge.formats.obo import parse_obo
from llmos.knowledge.layout import Description
from llmos.knowledge.linking.names import LinkingSettings
from llmos.knowledge.problems import Problem, refuse_if_broken

__all__ = ["FORMATS", "BuiltSnapshot", "SourceFile", "build_snapshot"]


class _Parse(Protocol):
    def __call__(self, lines: Iterable[str], *, source: str, path: str, package_version: str) -> Content: ...


FORMATS: Final[dict[str, _Parse]] = {"OBO": parse_obo, "HPOA": parse_hpoa}
"""Format name in the resource → parser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file to read."""

    source: str
    """Name of the source in the KnowledgeBase."""

    path: str
    """Its path inside the source, as facts will cite it."""

    format: str
    """A key of `FORMATS`."""

    package_version: str
    """Version of what the file came in; used where the file names none itself."""

    location: Path
    """Where it lies now."""


@dataclass(frozen=True, slots=True)
class BuiltSnapshot:
    """What a build made, and what it could not use."""

    description: Description
    problems: Sequence[Problem]


def build_snapshot(
    files: Sequence[SourceFile],
    directory: Path,
    *,
    linking: LinkingSettings,
    on_progress: Callable[[int, str], None] = lambda _percent, _message: None,
) -> BuiltSnapshot:
    """Build a snapshot in an existing, empty directory.

    Args:
        files: what to read; their order does not matter.
        directory: where the snapshot's files go.
        linking: which names are looked for in text.
        on_progress: told a percentage and what is being done.

    Raises: ConfigError (InvalidSource) if a file is not what it claims to be, or no name can be linked.
    """
    parts = []
    for index, file in enumerate(files):
        on_progress(60 * index // len(files), f"reading {file.path}")
        parts.append(_parse(file))
    on_progress(60, "joining the sources")
    content = merge(parts)
    for file, part in zip(files, parts, strict=True):
        problems = [problem for problem in content.problems if (problem.source, problem.path) == (file.source, file.path)]
        refuse_if_broken(problems, num_records=len(part.statements) + len(part.names), path=file.path, format_name=file.format)
    on_progress(75, "writing the snapshot")
    description = write_snapshot(content, directory, linking=linking)
    if description.counts["linkableNames"] == 0:
        raise ConfigError(
            f"no name in the sources can be linked: linking.languages is {list(linking.languages)} and minimumNameCharacters is "
            f"{linking.minimum_name_characters}; add a language the sources have",
            reason="InvalidSource",
        )
    return BuiltSnapshot(description, content.problems)


def _parse(file: SourceFile) -> Content:
    parse = FORMATS.get(file.format)
    if parse is None:
        raise ConfigError(
            f"the format {file.format!r} of {file.path} is unknown; it must be one of {', '.join(FORMATS)}", reason="InvalidSpec"
        )
    try:
        # utf-8-sig: a byte order mark is no part of the first tag. Bad bytes become U+FFFD, so one of them cannot stop a build.
        with file.location.open(encoding="utf-8-sig", errors="replace") as lines:
            return parse(lines, source=file.source, path=file.path, package_version=file.package_version)
    except OSError as error:
        raise ConfigError(
            f"{file.path} of source {file.source!r} cannot be read: {error.strerror or error}", reason="InvalidSource"
        ) from error

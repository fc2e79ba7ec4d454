"""Source files on disk → a snapshot folder: parse each, merge, derive, check, write. What a person runs in a notebook and the job in a pod.

What only a build needs (DuckDB, Arrow) is imported when one is made: whoever only reads snapshots needs none of it.
Must not: fetch or push anything.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from llmos.errors import ConfigError
from llmos.knowledge.building.entities import MERGES_DOCUMENT, EntitySettings, merge_entities
from llmos.knowledge.layout import Description
from llmos.knowledge.linking.names import LinkingSettings
from llmos.knowledge.linking.soft.settings import SOFT_DOCUMENT
from llmos.knowledge.problems import Problem, refuse_if_broken
from llmos.knowledge.source_file import SourceFile

if TYPE_CHECKING:
    import duckdb

    from llmos.knowledge.building.cache import FragmentCache
    from llmos.knowledge.building.merge import MergedFile

__all__ = ["BuiltSnapshot", "Step", "build_snapshot"]

_PROBLEMS_KEPT: Final = 1000

Step = Callable[["duckdb.DuckDBPyConnection"], Mapping[str, int]]
"""Works on the merged tables (docs/design/0003 lists them) and returns counts to be shown: rules add to `derived`, shapes check and may
remove. A LlmosError stops the build."""

Progress = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class BuiltSnapshot:
    """What a build made, and what it could not use."""

    description: Description
    problems: Sequence[Problem]
    """By source, path and line; the first thousand."""


def build_snapshot(
    files: Sequence[SourceFile],
    directory: Path,
    *,
    linking: LinkingSettings,
    entities: EntitySettings | None = None,
    steps: Sequence[Step] = (),
    documents: Mapping[str, Any] | None = None,
    cache: "FragmentCache | None" = None,
    scratch: Path | None = None,
    on_progress: Progress = lambda _percent, _message: None,
) -> BuiltSnapshot:
    """Build a snapshot in an existing, empty directory.

    Args:
        files: what to read; their order does not matter.
        directory: where the snapshot's files go.
        linking: which names are looked for in text.
        entities: how to tell that two identifiers mean one entity; None: never.
        steps: what is done with the merged tables before they are written, in this order: rules first, then shapes.
        documents: JSON that the snapshot holds by name, and that is part of its content.
        cache: where what was parsed is kept for the next build; None: nothing is.
        scratch: an existing folder for what is needed only while building; None: the system's.
        on_progress: told a percentage and what is being done.

    Raises: ConfigError (InvalidSource) if a file is not what it claims to be, or no name can be linked.
    """
    from llmos.knowledge.building.content import seal
    from llmos.knowledge.building.database import lock_database, open_database
    from llmos.knowledge.building.merge import merge_fragments
    from llmos.knowledge.building.shown import choose_shown_names
    from llmos.knowledge.building.write import write_snapshot

    for file in files:
        if "," in file.partition:
            raise ConfigError(f"the partition {file.partition!r} of {file.path} must not hold a comma", reason="InvalidSpec")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=scratch, prefix="build-")))
        merged = list(_parse(files, folder, cache, on_progress))
        on_progress(50, "joining the sources")
        connection = stack.enter_context(open_database(folder))
        merge_fragments(connection, merged, languages=linking.languages, scratch=folder)
        _refuse_broken_files(connection, files, merged)
        counted: dict[str, int] = {}
        documents = dict(documents or {})
        if linking.soft:
            documents[SOFT_DOCUMENT] = linking.soft.to_document()
        if entities and entities.merge_by:
            merge_counts, documents[MERGES_DOCUMENT] = merge_entities(connection, entities)
            counted.update(merge_counts)
            choose_shown_names(connection, linking.languages)  # rules and shapes may look at them
        lock_database(connection)
        on_progress(65, "deriving and checking")
        for step in steps:
            counted.update(step(connection))
        if steps or MERGES_DOCUMENT in documents:
            seal(connection)
        if steps:  # which may remove names
            choose_shown_names(connection, linking.languages)
        on_progress(75, "writing the snapshot")
        description = write_snapshot(connection, directory, linking=linking, documents=documents, counted=counted)
        problems = [Problem(*row) for row in connection.execute(f"SELECT * FROM problem ORDER BY ALL LIMIT {_PROBLEMS_KEPT}").fetchall()]  # noqa: S608
    _refuse_unlinkable(description, linking)
    return BuiltSnapshot(description, problems)


def _parse(files: Sequence[SourceFile], folder: Path, cache: "FragmentCache | None", on_progress: Progress) -> "Iterator[MergedFile]":
    from llmos.knowledge.building.merge import MergedFile
    from llmos.knowledge.building.parsing import parse_file

    for index, file in enumerate(files):
        on_progress(50 * index // len(files), f"reading {file.path}")
        fragment = parse_file(file, folder / f"fragment-{index}", cache=cache)
        yield MergedFile(file.source, fragment.version or file.package_version, file.path, file.partition, fragment)


def _refuse_broken_files(connection: "duckdb.DuckDBPyConnection", files: Sequence[SourceFile], merged: "Sequence[MergedFile]") -> None:
    counts = connection.execute("SELECT source, path, count(*) FROM problem GROUP BY source, path").fetchall()
    num_problems = {(source, path): count for source, path, count in counts}
    for file, part in zip(files, merged, strict=True):
        query = "SELECT * FROM problem WHERE source = ? AND path = ? ORDER BY line, message LIMIT 3"
        count = num_problems.get((file.source, file.path), 0)
        first = [Problem(*row) for row in connection.execute(query, [file.source, file.path]).fetchall()] if count else []
        refuse_if_broken(first, num_problems=count, num_records=part.fragment.num_records, path=file.path, format_name=file.format)


def _refuse_unlinkable(description: Description, linking: LinkingSettings) -> None:
    if description.counts["linkableNames"] == 0:
        raise ConfigError(
            f"no name in the sources can be linked: linking.languages is {list(linking.languages)} and minimumNameCharacters is "
            f"{linking.minimum_name_characters}; add a language the sources have",
            reason="InvalidSource",
        )

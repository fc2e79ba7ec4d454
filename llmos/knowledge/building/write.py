"""Content → the files of a snapshot: SQLite, automaton, description. The same content gives the same bytes.

Must not: parse sources or reach a network. Memory stays at the content plus one table's rows.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llmos.artifacts import canonical_json, digest_bytes, digest_file
from llmos.knowledge.building.content import Content, Evidence, FileOrigin, Statement, content_digest
from llmos.knowledge.formats.frequency import frequency_rank
from llmos.knowledge.layout import (
    AUTOMATON_FILE,
    DATABASE_FILE,
    DESCRIPTION_FILE,
    INDEXES,
    SCHEMA,
    SCHEMA_VERSION,
    Description,
    SourceVersion,
)
from llmos.knowledge.linking.linker import Linker
from llmos.knowledge.linking.names import LinkingSettings, NameTable, build_name_table
from llmos.knowledge.sink import Scope

__all__ = ["write_snapshot"]

# No journal: the file is new, and a build that dies starts again in an empty folder.
_PRAGMAS: Final = (
    "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA auto_vacuum=NONE; PRAGMA encoding='UTF-8';"
)


def write_snapshot(content: Content, directory: Path, *, linking: LinkingSettings) -> Description:
    """Write merged content into an existing, empty directory and describe it."""
    digest = content_digest(content, linking=linking.to_document())
    table = build_name_table(content.names, linking)
    counts = _count(content, table)
    automaton = Linker.build(table.keys).to_bytes()
    (directory / AUTOMATON_FILE).write_bytes(automaton)
    meta = {
        "schemaVersion": str(SCHEMA_VERSION),
        "contentDigest": digest,
        "automatonDigest": digest_bytes(automaton),
        **{f"counts.{name}": str(count) for name, count in counts.items()},
    }
    _write_database(directory / DATABASE_FILE, content, table, meta)
    description = Description(
        content_digest=digest,
        counts=counts,
        sources=_source_versions(content),
        files={AUTOMATON_FILE: digest_bytes(automaton), DATABASE_FILE: digest_file(directory / DATABASE_FILE)},
    )
    (directory / DESCRIPTION_FILE).write_bytes(canonical_json(description.to_document()) + b"\n")
    return description


def _count(content: Content, table: NameTable) -> dict[str, int]:
    facts = {(item.subject, item.predicate, item.object) for item in content.statements}
    kinds = {entity.id: entity.kind for entity in content.entities}
    counts = {
        "entities": len(content.entities),
        "terms": sum(kind == "Term" for kind in kinds.values()),
        "diseases": sum(kind == "Disease" for kind in kinds.values()),
        "names": len(content.names),
        "synonyms": sum(name.scope is not Scope.Preferred and kinds[name.entity] == "Term" for name in content.names),
        "facts": len(facts),
        "evidence": len(content.statements),
        "linkableNames": len(table.keys) - table.num_plurals,
        "pluralNames": table.num_plurals,
        "problems": len(content.problems),
    }
    for _, predicate, _ in facts:
        counts[f"facts.{predicate}"] = counts.get(f"facts.{predicate}", 0) + 1
    return dict(sorted(counts.items()))


def _source_versions(content: Content) -> list[SourceVersion]:
    """Give each source the version its files agree on; several are joined, in order."""
    versions: dict[str, set[str]] = {}
    for origin in _origins(content):
        versions.setdefault(origin.source, set()).add(origin.version)
    return [SourceVersion(name, ", ".join(sorted(found))) for name, found in sorted(versions.items())]


def _origins(content: Content) -> list[FileOrigin]:
    return sorted({name.origin for name in content.names} | {item.evidence.origin for item in content.statements})


def _write_database(path: Path, content: Content, table: NameTable, meta: Mapping[str, str]) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.executescript(_PRAGMAS + SCHEMA)
        database.execute("BEGIN")
        _insert(database, "meta", 2, sorted(meta.items()))
        entity_numbers = {entity.id: number for number, entity in enumerate(content.entities, start=1)}
        file_numbers = {origin: number for number, origin in enumerate(_origins(content), start=1)}
        _insert(database, "file", 4, ((number, origin.source, origin.version, origin.path) for origin, number in file_numbers.items()))
        _write_names(database, content, entity_numbers, file_numbers)
        mentions = (
            sorted((key, rank, entity_numbers[entity]) for rank, entity in candidates) for key, candidates in enumerate(table.candidates)
        )
        _insert(database, "mention", 3, (row for rows in mentions for row in rows))
        _write_facts(database, content.statements, entity_numbers, file_numbers)
        database.execute("COMMIT")
        database.executescript(INDEXES)
    finally:
        database.close()


def _write_names(
    database: sqlite3.Connection, content: Content, entity_numbers: Mapping[str, int], file_numbers: Mapping[FileOrigin, int]
) -> None:
    # Two files may prefer different names: the first in sorted order stands, so that the order of sources does not matter.
    preferred: dict[str, str] = {}
    for name in content.names:
        if name.scope is Scope.Preferred:
            preferred.setdefault(name.entity, name.text)
    _insert(
        database,
        "entity",
        4,
        ((entity_numbers[entity.id], entity.id, entity.kind, preferred.get(entity.id, entity.id)) for entity in content.entities),
    )
    rows = (
        (entity_numbers[name.entity], name.text, name.scope.value, name.tag, name.language, file_numbers[name.origin])
        for name in content.names
    )
    _insert(database, "name", 6, rows)


def _write_facts(
    database: sqlite3.Connection, statements: Sequence[Statement], entity_numbers: Mapping[str, int], file_numbers: Mapping[FileOrigin, int]
) -> None:
    predicates = {name: number for number, name in enumerate(sorted({item.predicate for item in statements}), start=1)}
    evidence: dict[Evidence, int] = {why: number for number, why in enumerate(sorted({item.evidence for item in statements}), start=1)}
    _insert(database, "predicate", 2, ((number, name) for name, number in predicates.items()))
    _insert(
        database,
        "evidence",
        5,
        ((number, file_numbers[why.origin], why.reference, why.code, why.frequency) for why, number in evidence.items()),
    )
    # A fact with several pieces of evidence stands once, at the place of its most frequent one.
    ranks: dict[tuple[int, int, int], int] = {}
    rows: list[tuple[int, int, int, int]] = []
    for item in statements:
        edge = (entity_numbers[item.subject], predicates[item.predicate], entity_numbers[item.object])
        rank = frequency_rank(item.evidence.frequency)
        ranks[edge] = min(rank, ranks.get(edge, rank))
        rows.append((*edge, evidence[item.evidence]))
    ordered = sorted((subject, predicate, ranks[subject, predicate, object_], object_, why) for subject, predicate, object_, why in rows)
    _insert(database, "fact", 5, ordered)


def _insert(database: sqlite3.Connection, table: str, num_columns: int, rows: Iterable[Sequence[Any]]) -> None:
    database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * num_columns)})", rows)  # noqa: S608 - our own table names

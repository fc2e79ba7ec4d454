"""A snapshot as N-Triples: which statements SPARQL can ask for.

For each entity its kind (`rdf:type`), its id (`dcterms:identifier`), the name it is shown by (`rdfs:label`) and its names by how closely
they fit (SKOS, and oboInOwl for what SKOS has no word for); its attributes; each fact once, stated or derived. Evidence is not
here: the entity's document has it. Must not: keep more than a few rows in memory.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from llmos.knowledge.sink import Scope
from llmos.knowledge.snapshot import Snapshot
from llmos.knowledge.sparql.iris import IriMap, is_absolute

__all__ = ["NAME_PREDICATES", "triples"]

_RDF_TYPE: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_LABEL: Final = "http://www.w3.org/2000/01/rdf-schema#label"
_IDENTIFIER: Final = "http://purl.org/dc/terms/identifier"
_SKOS: Final = "http://www.w3.org/2004/02/skos/core#"
_OBO: Final = "http://www.geneontology.org/formats/oboInOwl#"

NAME_PREDICATES: Final = {
    Scope.Preferred.value: f"{_SKOS}prefLabel",
    Scope.Exact.value: f"{_SKOS}altLabel",
    Scope.Narrow.value: f"{_OBO}hasNarrowSynonym",
    Scope.Broad.value: f"{_OBO}hasBroadSynonym",
    Scope.Related.value: f"{_OBO}hasRelatedSynonym",
}

_PAGE_ROWS: Final = 10_000
_CACHED_IRIS: Final = 1 << 16
_LANGUAGE: Final = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})

_ENTITIES: Final = """SELECT number FROM entity AS e WHERE number > ? AND (is_defined OR EXISTS (
  SELECT 1 FROM label AS l WHERE l.entity = e.number AND l.is_defined AND l.visibility IN ({seen}))) ORDER BY number LIMIT ?"""
_NAMES: Final = """SELECT DISTINCT e.number, e.id, n.scope, n.text, n.language FROM entity AS e JOIN name AS n ON n.entity = e.number
  JOIN file AS f ON f.number = n.file WHERE e.number > ? AND e.number <= ? AND f.visibility IN ({seen}) ORDER BY e.number"""
_ATTRIBUTES: Final = """SELECT DISTINCT e.number, e.id, a.predicate, a.value, a.datatype, a.language FROM entity AS e
  JOIN attribute AS a ON a.subject = e.number JOIN file AS f ON f.number = a.file
  WHERE e.number > ? AND e.number <= ? AND f.visibility IN ({seen}) ORDER BY e.number"""
_FACTS: Final = """SELECT DISTINCT s.id, p.name, o.id FROM fact AS f JOIN predicate AS p ON p.number = f.predicate
  JOIN entity AS s ON s.number = f.subject JOIN entity AS o ON o.number = f.object
  WHERE f.subject > ? AND f.subject <= ? AND f.visibility IN ({seen})"""


def triples(snapshot: Snapshot, iris: IriMap) -> Iterator[str]:
    """Yield the snapshot's statements, one line each."""
    entity, predicate = lru_cache(_CACHED_IRIS)(iris.entity), lru_cache(_CACHED_IRIS)(iris.predicate)
    for first, last, rows in _pages(snapshot):
        for id, kind, name in snapshot.view.describe(rows).values():
            subject = f"<{entity(id)}>"
            yield f"{subject} <{_RDF_TYPE}> <{iris.kind(kind)}> .\n"
            yield f"{subject} <{_IDENTIFIER}> {_literal(id)} .\n"
            yield f"{subject} <{_LABEL}> {_literal(name)} .\n"
        for _, id, scope, text, language in snapshot.view.rows(_NAMES, first, last):
            yield f"<{entity(id)}> <{NAME_PREDICATES[scope]}> {_literal(text, language)} .\n"
        for _, id, name, value, datatype, language in snapshot.view.rows(_ATTRIBUTES, first, last):
            yield f"<{entity(id)}> <{predicate(name)}> {_literal(value, language, datatype)} .\n"
        yield from _facts(snapshot, first, last, entity, predicate)


def _pages(snapshot: Snapshot) -> Iterator[tuple[int, int, list[int]]]:
    """Yield the entities' numbers a page at a time, with the numbers before the first and of the last."""
    last = 0
    while rows := snapshot.view.rows(_ENTITIES, last, _PAGE_ROWS):
        first, last = last, rows[-1][0]
        yield first, last, [number for (number,) in rows]


def _facts(snapshot: Snapshot, first: int, last: int, entity: Callable[[str], str], predicate: Callable[[str], str]) -> Iterator[str]:
    for subject, name, object in snapshot.view.rows(_FACTS, first, last):
        yield f"<{entity(subject)}> <{predicate(name)}> <{entity(object)}> .\n"


def _literal(text: str, language: str = "", datatype: str = "") -> str:
    tag = f"@{language}" if _LANGUAGE.fullmatch(language) else f"^^<{datatype}>" if is_absolute(datatype) else ""
    return f'"{text.translate(_ESCAPES)}"{tag}'

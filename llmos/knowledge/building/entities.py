"""Entities that several sources call by different identifiers, made one where the knowledge base says how to tell.

A rule names a key: an attribute that they share, a fact that says so, or an equal name. What shares a key is joined, over any number of
steps; the identifier of the source that comes first in `prefer_sources` stays. Sources are trusted to tell their own entities apart: a key
that two entities of one source have says nothing, and what would join two entities of one source stays apart, is counted, and shows as
candidates of the names they share. Only what everybody may see joins anything, so a partition changes nothing of what others get.

Must not: guess. Without a rule nothing is joined.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import duckdb

__all__ = ["MERGES_DOCUMENT", "SAME_AS", "EntitySettings", "MergeRule", "Merges", "decide_merges", "merge_entities"]

SAME_AS: Final = "sameAs"
"""The attribute under which an entity keeps the identifiers that were joined to it."""

MERGES_DOCUMENT: Final = "merges"
"""Name of the snapshot's document that names groups which were refused."""

_SAMPLES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRule:
    """One way to tell that two entities are one; exactly one of the first three is set."""

    attribute: str = ""
    """Entities with an equal value of this attribute, to the last character."""

    fact: str = ""
    """Subject and object of a fact with this predicate; such facts are then used up."""

    name: Literal["", "Preferred", "Exact"] = ""
    """Entities with an equal name, compared as in linking: only their preferred names, or also exact synonyms."""

    kinds: tuple[str, ...] = ()
    """Only entities of these kinds; none: of all kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySettings:
    """The `entities` block of a KnowledgeBase."""

    merge_by: tuple[MergeRule, ...] = ()
    prefer_sources: tuple[str, ...] = ()
    """Whose identifier stays; a source that is not named comes after these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merges:
    """What is to be joined, and what must not be."""

    kept: Mapping[int, int]
    """Number of an entity that goes → number of the one that stays."""

    refused: Sequence[tuple[int, ...]]
    """Groups that share keys and hold two entities of one source; sorted."""


@dataclass(frozen=True, slots=True)
class _Entity:
    id: str
    sources: frozenset[str]


def merge_entities(connection: "duckdb.DuckDBPyConnection", settings: EntitySettings) -> tuple[dict[str, int], dict[str, Any]]:
    """Join entities in the merged tables, before anything is derived.

    Returns: counts, and a document that names some of what was refused.
    """
    _collect_keys(connection, settings.merge_by)
    entities = {
        number: _Entity(id, frozenset(sources))
        for number, id, sources in connection.execute(
            """SELECT e.number, e.id, list(DISTINCT s.source) FROM entity AS e JOIN merging_source AS s ON s.entity = e.number
            WHERE e.number IN (SELECT entity FROM merging_key) GROUP BY ALL"""
        ).fetchall()
    }
    rows = connection.execute("SELECT key, list(DISTINCT entity ORDER BY entity) FROM merging_key GROUP BY key ORDER BY key").fetchall()
    merges = decide_merges((group for _, group in rows), entities, settings.prefer_sources)
    (num_vague,) = connection.execute("SELECT count(*) FROM vague_key").fetchone() or (0,)
    _apply(connection, merges.kept)
    counts = {"mergedEntities": len(merges.kept), "refusedMerges": len(merges.refused), "vagueMergeKeys": int(num_vague)}
    return counts, {"refused": [[entities[number].id for number in group] for group in merges.refused[:_SAMPLES]]}


def decide_merges(groups: Iterable[Sequence[int]], entities: Mapping[int, _Entity], prefer_sources: Sequence[str]) -> Merges:
    """Join groups that share an entity, and choose who stays in each; refuse those with two entities of one source."""
    parents: dict[int, int] = {}

    def root(number: int) -> int:
        parents.setdefault(number, number)
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    for first, *others in groups:
        for other in others:
            low, high = sorted((root(first), root(other)))
            parents[high] = low
    components: dict[int, list[int]] = {}
    for number in sorted(parents):
        components.setdefault(root(number), []).append(number)
    places = {source: place for place, source in enumerate(prefer_sources)}
    kept: dict[int, int] = {}
    refused: list[tuple[int, ...]] = []
    for members in components.values():
        sources = [source for member in members for source in entities[member].sources]
        if len(sources) != len(set(sources)):
            refused.append(tuple(members))
            continue
        best = min(members, key=lambda member: _rank(entities[member], places))
        kept.update((member, best) for member in members if member != best)
    return Merges(kept=kept, refused=refused)


def _rank(entity: _Entity, places: Mapping[str, int]) -> tuple[int, str]:
    return min(places.get(source, len(places)) for source in entity.sources), entity.id


# A source defines an entity where one of its files has it; an entity that two sources define under one identifier belongs to both.
_SOURCES: Final = """
CREATE OR REPLACE TEMP TABLE merging_source AS
SELECT DISTINCT e.number AS entity, f.source FROM found_entity AS x JOIN entity AS e USING (id) JOIN file AS f ON f.number = x.file
WHERE f.partition = '';
CREATE OR REPLACE TEMP TABLE merging_key (entity INTEGER NOT NULL, key VARCHAR NOT NULL);
"""
_ATTRIBUTE_KEYS: Final = """
INSERT INTO merging_key SELECT DISTINCT a.subject, $rule || value FROM attribute AS a JOIN file AS f ON f.number = a.file
JOIN entity AS e ON e.number = a.subject WHERE predicate = $wanted AND partition = '' AND (len($kinds) = 0 OR list_contains($kinds, e.kind))
"""
_NAME_KEYS: Final = """
INSERT INTO merging_key SELECT DISTINCT n.entity, $rule || k.key FROM name AS n JOIN findable AS k ON k.text = n.text
JOIN file AS f ON f.number = n.file JOIN entity AS e ON e.number = n.entity
WHERE list_contains($wanted, n.scope) AND k.key <> '' AND partition = '' AND (len($kinds) = 0 OR list_contains($kinds, e.kind))
"""
_FACT_KEYS: Final = """
CREATE OR REPLACE TEMP TABLE linked AS SELECT DISTINCT t.subject, t.object, $rule || t.subject || ' ' || t.object AS key
FROM fact AS t JOIN evidence AS v ON v.number = t.evidence JOIN file AS f ON f.number = v.file
JOIN entity AS s ON s.number = t.subject JOIN entity AS o ON o.number = t.object
WHERE predicate = $wanted AND partition = '' AND subject <> object
  AND (len($kinds) = 0 OR (list_contains($kinds, s.kind) AND list_contains($kinds, o.kind)));
INSERT INTO merging_key SELECT subject, key FROM linked UNION ALL SELECT object, key FROM linked;
DROP TABLE linked
"""
# Entities that only a partition defines take no part. A key of one entity joins nothing; one of two entities of a source says nothing.
_USEFUL: Final = """
DELETE FROM merging_key WHERE entity NOT IN (SELECT entity FROM merging_source);
DELETE FROM merging_key WHERE key IN (SELECT key FROM merging_key GROUP BY key HAVING count(DISTINCT entity) < 2);
CREATE OR REPLACE TEMP TABLE vague_key AS SELECT DISTINCT key FROM (
  SELECT key, source FROM merging_key JOIN merging_source USING (entity) GROUP BY key, source HAVING count(DISTINCT entity) > 1);
"""
_DROP_VAGUE: Final = "DELETE FROM merging_key WHERE key IN (SELECT key FROM vague_key)"


def _collect_keys(connection: "duckdb.DuckDBPyConnection", rules: Sequence[MergeRule]) -> None:
    """Fill `merging_key` with the keys that are of use, and `vague_key` with those that a source gives to two of its own."""
    connection.execute(_SOURCES)
    for index, rule in enumerate(rules):
        parameters: dict[str, Any] = {"rule": f"{index} ", "kinds": list(rule.kinds)}
        if rule.attribute:
            connection.execute(_ATTRIBUTE_KEYS, {**parameters, "wanted": rule.attribute})
        elif rule.name:
            connection.execute(_NAME_KEYS, {**parameters, "wanted": ["Preferred", "Exact"][: 2 if rule.name == "Exact" else 1]})
        else:
            create, *rest = _FACT_KEYS.split(";")
            connection.execute(create, {**parameters, "wanted": rule.fact})
            connection.execute(";".join(rest))
    connection.execute(_USEFUL)
    connection.execute(_DROP_VAGUE)


# The entity that goes leaves its identifier as an attribute, said by the files that defined it. Its preferred names become exact ones.
# What is left is numbered anew, by identifier. A fact that now has one entity on both sides says nothing any more.
_APPLY: Final = f"""
INSERT INTO attribute SELECT DISTINCT m.kept, '{SAME_AS}', e.id, '', '', x.file
  FROM merged AS m JOIN entity AS e ON e.number = m.gone JOIN found_entity AS x ON x.id = e.id;
UPDATE name SET scope = 'Exact' WHERE scope = 'Preferred' AND entity IN (SELECT gone FROM merged);
CREATE OR REPLACE TEMP TABLE renumbered AS
  WITH left_over AS (SELECT number, row_number() OVER (ORDER BY id)::INTEGER AS new FROM entity
    WHERE number NOT IN (SELECT gone FROM merged))
  SELECT number AS old, new FROM left_over
  UNION ALL SELECT m.gone, l.new FROM merged AS m JOIN left_over AS l ON l.number = m.kept;
CREATE OR REPLACE TABLE entity AS SELECT r.new AS number, e.* EXCLUDE number FROM entity AS e JOIN renumbered AS r ON r.old = e.number
  WHERE e.number NOT IN (SELECT gone FROM merged);
CREATE OR REPLACE TABLE definition AS SELECT r.new AS entity, partition,
    substr(min((d.entity IN (SELECT gone FROM merged))::INTEGER || kind), 2) AS kind  -- that of the one who stays, if it has one here
  FROM definition AS d JOIN renumbered AS r ON r.old = d.entity GROUP BY r.new, partition;
CREATE OR REPLACE TABLE name AS SELECT DISTINCT r.new AS entity, n.* EXCLUDE entity FROM name AS n JOIN renumbered AS r ON r.old = n.entity;
CREATE OR REPLACE TABLE attribute AS SELECT DISTINCT r.new AS subject, a.* EXCLUDE subject
  FROM attribute AS a JOIN renumbered AS r ON r.old = a.subject;
CREATE OR REPLACE TABLE fact AS SELECT DISTINCT s.new AS subject, predicate, o.new AS object, evidence FROM fact AS f
  JOIN renumbered AS s ON s.old = f.subject JOIN renumbered AS o ON o.old = f.object
  WHERE f.subject = f.object OR s.new <> o.new;
DROP TABLE renumbered
"""  # noqa: S608 - our own constant


def _apply(connection: "duckdb.DuckDBPyConnection", kept: Mapping[int, int]) -> None:
    if kept:
        connection.execute("CREATE OR REPLACE TEMP TABLE merged (gone INTEGER, kept INTEGER)")
        connection.executemany("INSERT INTO merged VALUES (?, ?)", sorted(kept.items()))
        connection.execute(_APPLY)
        connection.execute("DROP TABLE merged")
    connection.execute("DROP TABLE merging_key; DROP TABLE merging_source; DROP TABLE vague_key")

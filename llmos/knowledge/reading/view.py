"""Who sees what: entities, names and facts of a snapshot as a reader with certain partitions may see them.

A row is seen if the reader was opened for every partition of its visibility. Nothing unseen is read and then dropped: each query asks
only for visibilities that are seen, so that how much is hidden changes neither an answer nor its order.
Must not: find names in text, or open files.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, Final

from llmos.knowledge.reading.database import Database
from llmos.knowledge.reading.values import Attribute, Derivation, EntityReference, Fact, FactEvidence, FactSource

__all__ = ["View"]

_PLURAL_RANK: Final = 10
"""From this rank on a candidate is a guess: it counts only where no name is seen that is written so."""

_FACTS: Final = """
SELECT f.rank, f.evidence, f.subject, s.id, s.name, p.name, f.object, o.id, o.name, file.source, file.version, file.path,
  e.reference, e.code, e.frequency, e.method, e.sentence, e.confidence, proof.rule, proof.confidence, proof.body FROM (
  SELECT subject, predicate, rank, object, min(evidence) AS evidence FROM fact
  WHERE {side} = ? AND predicate = ? AND visibility = ? GROUP BY rank, {other} ORDER BY rank, {other} LIMIT ?) AS f
JOIN entity AS s ON s.number = f.subject JOIN entity AS o ON o.number = f.object JOIN predicate AS p ON p.number = f.predicate
LEFT JOIN evidence AS e ON e.number = f.evidence LEFT JOIN file ON file.number = e.file LEFT JOIN proof ON proof.number = f.evidence
"""
# One index seek for each of a handful of predicates; DISTINCT would read every fact of a well-known entity.
_PREDICATES: Final = """SELECT number FROM predicate AS p WHERE EXISTS (SELECT 1 FROM fact
WHERE {side} = ? AND predicate = p.number AND visibility IN ({{seen}})) ORDER BY number"""
_SIDES: Final = tuple(
    (_PREDICATES.format(side=side), _FACTS.format(side=side, other=other)) for side, other in (("subject", "object"), ("object", "subject"))
)
"""For each end of a fact that an entity can be: which predicates it has there, and the facts of one of them."""


class View:
    """A database as one reader sees it."""

    def __init__(self, database: Database, partitions: frozenset[str]) -> None:
        self._database = database
        self._predicates: dict[int, str] | None = None
        rows = database.rows("SELECT number, partitions FROM visibility ORDER BY number")
        # Partition names hold no comma: a build refuses them.
        self._seen = tuple(number for number, text in rows if partitions.issuperset(filter(None, text.split(","))))
        self._listed = ", ".join(map(str, self._seen))
        self.sees_everything = len(self._seen) == len(rows)
        self._has_labels = self._seen != (0,)

    @property
    def seen(self) -> Sequence[int]:
        """The visibilities that are seen, for those who walk over `fact` themselves."""
        return self._seen

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        """Return the rows of a query, in which `{seen}` stands for the visibilities that are seen; whoever asks must use it."""
        return self._database.rows(query.replace("{seen}", self._listed), *parameters)

    def predicates(self) -> Mapping[int, str]:
        """Return number → name of every predicate of which a fact is seen, in order."""
        if self._predicates is None:
            # Where everything is seen every predicate is; elsewhere only one that nobody else sees costs reading all facts, once.
            query = "SELECT number, name FROM predicate AS p {where} ORDER BY number"
            where = "WHERE EXISTS (SELECT 1 FROM fact AS f WHERE f.predicate = p.number AND f.visibility IN ({seen}))"
            rows = self.rows(query.replace("{where}", "" if self.sees_everything else where))
            self._predicates = dict(rows)
        return self._predicates

    def describe(self, numbers: Iterable[int]) -> dict[int, tuple[str, str, str]]:
        """Return number → (id, kind, shown name) of entities that are seen."""
        query = """SELECT e.number, e.id, e.name, CASE WHEN e.is_defined THEN e.kind ELSE coalesce((SELECT min(l.kind) FROM label AS l
            WHERE l.entity = e.number AND l.is_defined AND l.visibility IN ({seen})), e.kind) END
            FROM json_each(?) AS n JOIN entity AS e ON e.number = n.value"""
        rows = self.rows(query, json.dumps(list(numbers)))
        return {number: (id, kind, self._label(number, name)) for number, id, name, kind in rows}

    def entities(self) -> Iterator[tuple[str, str]]:
        """Yield (id, shown name) of every entity, by id."""
        if not self._has_labels:
            return iter(self._database.rows("SELECT id, name FROM entity WHERE is_defined ORDER BY number"))
        query = """SELECT id, number, name FROM entity WHERE is_defined OR EXISTS (
            SELECT 1 FROM label WHERE entity = number AND is_defined AND visibility IN ({seen})) ORDER BY number"""
        return ((id, self._label(number, name)) for id, number, name in self.rows(query))

    def find(self, id: str) -> tuple[int, str] | None:
        """Return an entity's number and shown name, or None if there is none to be seen."""
        rows = self._database.rows("SELECT number, name, is_defined FROM entity WHERE id = ?", id)
        if not rows or not (rows[0][2] or self._is_defined_for_us(rows[0][0])):
            return None
        return rows[0][0], self._label(rows[0][0], rows[0][1])

    def _is_defined_for_us(self, number: int) -> bool:
        query = "SELECT 1 FROM label WHERE entity = ? AND is_defined AND visibility IN ({seen}) LIMIT 1"
        return bool(self.rows(query, number))

    def _label(self, number: int, name: str) -> str:
        """Return the best name that is seen; everybody's, where a partition's is no closer."""
        if not self._has_labels:
            return name
        query = """SELECT name FROM (SELECT name, name_rank, -1 AS visibility FROM entity WHERE number = ?
            UNION ALL SELECT name, name_rank, visibility FROM label WHERE entity = ? AND visibility IN ({seen}))
            ORDER BY name_rank, visibility LIMIT 1"""
        return str(self.rows(query, number, number)[0][0])

    def edges(self, relation: str) -> Iterator[tuple[str, str]]:
        """Yield (subject, object) of every fact with this predicate, each once, by subject."""
        query = """SELECT DISTINCT s.id, o.id FROM fact AS f JOIN predicate AS p ON p.number = f.predicate
            JOIN entity AS s ON s.number = f.subject JOIN entity AS o ON o.number = f.object
            WHERE p.name = ? AND f.visibility IN ({seen}) ORDER BY f.subject, f.object"""
        return iter(self.rows(query, relation))

    def facts(self, number: int, limit: int) -> list[Fact]:
        """Return at most `limit` facts of an entity, each predicate in each direction in its turn."""
        groups = [self._group(predicates, facts, number, limit) for predicates, facts in _SIDES]
        in_turn = (row for row in chain.from_iterable(zip_longest(*chain.from_iterable(groups))) if row is not None)
        return [self._fact(row) for row, _ in zip(in_turn, range(limit), strict=False)]

    def _group(self, predicates: str, facts: str, number: int, limit: int) -> list[list[Any]]:
        return [
            _first(chain.from_iterable(self._database.rows(facts, number, predicate, each, limit) for each in self._seen), limit)
            if len(self._seen) > 1
            else self._database.rows(facts, number, predicate, 0, limit)
            for (predicate,) in self.rows(predicates, number)
        ]

    def _fact(self, row: Sequence[Any]) -> Fact:
        _, _, subject, subject_id, subject_name, predicate, object_, object_id, object_name, *rest = row
        source, version, path, reference, code, frequency, method, sentence, confidence, rule, rule_confidence, proof = rest
        is_derived = rule is not None
        return Fact(
            EntityReference(subject_id, self._label(subject, subject_name)),
            predicate,
            EntityReference(object_id, self._label(object_, object_name)),
            FactSource("", "", "") if is_derived else FactSource(source, version, path),
            FactEvidence("", "", "") if is_derived else FactEvidence(reference, code, frequency, method, sentence),
            rule_confidence if is_derived else confidence,
            Derivation(rule, proof) if is_derived else None,
        )

    def attributes(self, number: int) -> list[Attribute]:
        """Return the literals of an entity, by predicate and value."""
        query = """SELECT a.predicate, a.value, a.datatype, a.language, f.source, f.version, f.path FROM attribute AS a
            JOIN file AS f ON f.number = a.file WHERE a.subject = ? AND f.visibility IN ({seen}) ORDER BY a.place"""
        rows = self.rows(query, number)
        return [Attribute(predicate, value, datatype, language, FactSource(*file)) for predicate, value, datatype, language, *file in rows]

    def has_candidates(self, key: int) -> bool:
        """Say whether a name is seen by anybody like us."""
        query = "SELECT 1 FROM mention WHERE key = ? AND visibility IN ({seen}) LIMIT 1"
        return bool(self.rows(query, key))

    def shown(self, number: int) -> tuple[str, str]:
        """Return (id, shown name) of an entity that everybody sees."""
        ((id, name),) = self._database.rows("SELECT id, name FROM entity WHERE number = ?", number)
        return id, self._label(number, name)

    def candidates(self, key: int) -> list[tuple[str, str]]:
        """Return (id, shown name) of the entities that a key may mean, best first."""
        return [(id, self._label(number, name)) for number, id, name in self._meant(key)]

    def candidate_numbers(self, key: int) -> list[int]:
        """Return the entities that a key may mean, best first."""
        return [number for number, _, _ in self._meant(key)]

    def _meant(self, key: int) -> Sequence[tuple[int, str, str]]:
        query = """SELECT m.rank, e.number, e.id, e.name FROM mention AS m JOIN entity AS e ON e.number = m.entity
            WHERE m.key = ? AND m.visibility IN ({seen}) ORDER BY m.rank, m.entity"""
        rows = self.rows(query, key)
        if rows and rows[0][0] < _PLURAL_RANK:
            rows = [row for row in rows if row[0] < _PLURAL_RANK]
        # A partition may call an entity the same as everybody does: its best rank counts.
        found: dict[int, tuple[int, str, str]] = {}
        for _, number, id, name in rows:
            found.setdefault(number, (number, id, name))
        return list(found.values())


def _first(rows: Iterable[Any], limit: int) -> list[Any]:
    """Join what several visibilities say: most frequent first, each fact once, as a source states it where one does."""
    chosen: dict[tuple[int, int], Any] = {}
    for row in sorted(rows, key=lambda row: (row[18] is not None, row[0], row[1])):
        chosen.setdefault((row[2], row[6]), row)
    return sorted(chosen.values(), key=lambda row: (row[0], row[2], row[6]))[:limit]

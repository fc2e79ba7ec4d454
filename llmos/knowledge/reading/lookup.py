"""Facts of one entity and one relation, complete and by number: what rules ask, where `View` gives a selection for people.

Must not: write, or see more than its view does.
"""

from collections.abc import Sequence
from typing import Any, Final

from llmos.knowledge.reading.view import View

__all__ = ["Lookup"]

_CONFIDENCE: Final = """coalesce((SELECT confidence FROM evidence WHERE number = f.evidence),
  (SELECT confidence FROM proof WHERE number = f.evidence))"""
_ENDS: Final = {
    side: f"""SELECT f.{other}, {_CONFIDENCE} FROM fact AS f
    WHERE f.{side} = ? AND f.predicate = ? AND f.visibility IN ({{seen}}) LIMIT ?"""  # noqa: S608 - our own words
    for side, other in (("subject", "object"), ("object", "subject"))
}

_FACT: Final = f"""SELECT max({_CONFIDENCE}) FROM fact AS f
    WHERE f.subject = ? AND f.predicate = ? AND f.object = ? AND f.visibility IN ({{seen}})"""  # noqa: S608 - our own words


class Lookup:
    """A snapshot, asked by numbers."""

    def __init__(self, view: View) -> None:
        self._view = view

    def number(self, id: str) -> int | None:
        """Return the number of an entity that is seen, or None."""
        found = self._view.find(id)
        return found[0] if found else None

    def id(self, number: int) -> str:
        """Return the identifier of a number."""
        return str(self._view.rows("SELECT id FROM entity WHERE number = ?", number)[0][0])

    def name(self, number: int) -> str:
        """Return how an entity is shown, as far as it is seen; its identifier otherwise."""
        found = self._view.find(id := self.id(number))
        return found[1] if found else id

    def predicate(self, name: str) -> int | None:
        """Return the number of a relation, or None if no fact has it."""
        rows = self._view.rows("SELECT number FROM predicate WHERE name = ?", name)
        return int(rows[0][0]) if rows else None

    def ends(self, side: str, number: int, predicate: int, limit: int) -> list[tuple[int, int]]:
        """Return (number of the other end, confidence) of at most `limit` facts; one for each piece of evidence.

        Args:
            side: the end that is known: `subject` or `object`.
            number: its entity.
            predicate: the relation's number.
            limit: how many rows.
        """
        return self._view.rows(_ENDS[side], number, predicate, limit)

    def confidence(self, subject: int, predicate: int, object: int) -> int:
        """Return the best confidence of one fact; 0 where none is seen."""
        rows = self._view.rows(_FACT, subject, predicate, object)
        return int(rows[0][0] or 0)

    def kinds(self, number: int) -> frozenset[str]:
        """Return what an entity is, to everybody and to those who see what we see."""
        query = """SELECT kind FROM entity WHERE number = ?1 AND is_defined
            UNION SELECT kind FROM label WHERE entity = ?1 AND is_defined AND visibility IN ({seen})"""
        return frozenset(row[0] for row in self._view.rows(query, number))

    def values(self, number: int, attribute: str) -> list[str]:
        """Return an entity's literals of one attribute, each once, in order."""
        query = """SELECT DISTINCT a.value FROM attribute AS a JOIN file AS f ON f.number = a.file
            WHERE a.subject = ? AND a.predicate = ? AND f.visibility IN ({seen}) ORDER BY a.value"""
        return [row[0] for row in self._view.rows(query, number, attribute)]

    def reasons(self, subject: int, predicate: int, object: int) -> Sequence[Any]:
        """Return what a fact rests on: (partitions, confidence, rule, proof, source, version, path).

        Rule and proof are empty where a source states it, the others where a rule gave it.
        """
        query = """SELECT v.partitions, coalesce(e.confidence, p.confidence), coalesce(p.rule, ''), coalesce(p.body, ''),
              coalesce(file.source, ''), coalesce(file.version, ''), coalesce(file.path, '')
            FROM fact AS f JOIN visibility AS v ON v.number = f.visibility LEFT JOIN evidence AS e ON e.number = f.evidence
            LEFT JOIN file ON file.number = e.file LEFT JOIN proof AS p ON p.number = f.evidence
            WHERE f.subject = ? AND f.predicate = ? AND f.object = ? AND f.visibility IN ({seen})
            ORDER BY f.evidence"""
        return self._view.rows(query, subject, predicate, object)

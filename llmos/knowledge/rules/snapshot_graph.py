"""A snapshot as the graph that rules ask: entities are numbers, and each look-up is made once for an answer.

Must not: read more of a relation than `_MAXIMUM_ENDS` facts of one entity; rules that need more are refused, not half applied.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from llmos.errors import PermanentError
from llmos.knowledge.reading.lookup import Lookup
from llmos.knowledge.rules.graph import Key

__all__ = ["SnapshotGraph"]

_MAXIMUM_ENDS: Final = 20_000


class SnapshotGraph:
    """The facts of a snapshot for one answer. A label that is no entity of the snapshot is its own key, and has no facts."""

    def __init__(self, lookup: Lookup, predicates: Mapping[str, int]) -> None:
        self._lookup = lookup
        self._predicates = predicates
        self._ends: dict[tuple[str, Key, str], Mapping[Key, int]] = {}
        self._confidences: dict[tuple[Key, str, Key], int] = {}
        self._ids: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._kinds: dict[Key, frozenset[str]] = {}
        self._values: dict[tuple[Key, str], Sequence[str]] = {}

    def key(self, id: str) -> Key:
        """Return the entity's number, or the identifier where there is no such entity."""
        number = self._lookup.number(id)
        if number is None:
            return id
        self._ids[number] = id
        return number

    def id(self, key: Key) -> str:
        """Return the identifier."""
        if not isinstance(key, int):
            return str(key)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = self._lookup.id(key)
        return found

    def name(self, key: Key) -> str:
        """Return the shown name."""
        if not isinstance(key, int):
            return str(key)
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = self._lookup.name(key)
        return found

    def objects(self, subject: Key, relation: str) -> Mapping[Key, int]:
        """Return the objects of a subject's facts."""
        return self._facts("subject", subject, relation)

    def subjects(self, object: Key, relation: str) -> Mapping[Key, int]:
        """Return the subjects of an object's facts."""
        return self._facts("object", object, relation)

    def confidence(self, subject: Key, relation: str, object: Key) -> int:
        """Return the best confidence of one fact, without reading the others of a popular entity."""
        for side, entity, other in (("subject", subject, object), ("object", object, subject)):
            if (found := self._ends.get((side, entity, relation))) is not None:
                return found.get(other, 0)
        key = (subject, relation, object)
        if key not in self._confidences:
            predicate = self._predicates.get(relation)
            is_possible = predicate is not None and isinstance(subject, int) and isinstance(object, int)
            self._confidences[key] = self._lookup.confidence(subject, predicate, object) if is_possible else 0  # type: ignore[arg-type]
        return self._confidences[key]

    def facts(self, relation: str) -> Iterable[tuple[Key, Key, int]]:
        """Refuse: checks let no such rule through."""
        raise _unbounded(f"all facts of {relation}")

    def kinds(self, entity: Key) -> frozenset[str]:
        """Return what an entity is."""
        if entity not in self._kinds:
            self._kinds[entity] = self._lookup.kinds(entity) if isinstance(entity, int) else frozenset()
        return self._kinds[entity]

    def of_kind(self, kind: str) -> Iterable[Key]:
        """Refuse: checks let no such rule through."""
        raise _unbounded(f"every {kind}")

    def values(self, entity: Key, attribute: str) -> Sequence[str]:
        """Return an entity's literals."""
        key = (entity, attribute)
        if key not in self._values:
            self._values[key] = self._lookup.values(entity, attribute) if isinstance(entity, int) else ()
        return self._values[key]

    def attributes(self, attribute: str) -> Iterable[tuple[Key, str]]:
        """Refuse: checks let no such rule through."""
        raise _unbounded(f"every {attribute}")

    def _facts(self, side: str, entity: Key, relation: str) -> Mapping[Key, int]:
        key = (side, entity, relation)
        found = self._ends.get(key)
        if found is None:
            found = self._ends[key] = self._read(side, entity, relation)
        return found

    def _read(self, side: str, entity: Key, relation: str) -> Mapping[Key, int]:
        predicate = self._predicates.get(relation)
        if predicate is None or not isinstance(entity, int):
            return {}
        rows = self._lookup.ends(side, entity, predicate, _MAXIMUM_ENDS + 1)
        if len(rows) > _MAXIMUM_ENDS:
            raise _unbounded(f"more than {_MAXIMUM_ENDS} facts `{relation}` of {self.id(entity)}")
        best: dict[Key, int] = {}
        for other, confidence in rows:
            if confidence > best.get(other, 0):
                best[other] = confidence
        return best


def _unbounded(what: str) -> PermanentError:
    return PermanentError(
        f"a rule reads {what} for one answer; ask for something the question or the answer leads to", reason="InvalidRules"
    )

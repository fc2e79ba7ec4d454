"""What rules ask when an answer is given: the facts around one entity. A port, and the facts that are kept in dictionaries.

An entity is whatever `key` returns for its identifier: a number where there is a database, the identifier itself otherwise.
Must not: join.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol

__all__ = ["Graph", "Key", "MemoryGraph"]

Key = Hashable


class Graph(Protocol):
    """Facts, kinds and literals, asked from one end; confidence is in thousandths."""

    def key(self, id: str) -> Key:
        """Return what stands for an identifier, also one that the graph does not have."""

    def id(self, key: Key) -> str:
        """Return the identifier."""

    def name(self, key: Key) -> str:
        """Return how the entity is shown; its identifier where it has no name."""

    def objects(self, subject: Key, relation: str) -> Mapping[Key, int]:
        """Return the objects of a subject's facts, with the best confidence of each."""

    def subjects(self, object: Key, relation: str) -> Mapping[Key, int]:
        """Return the subjects of an object's facts."""

    def confidence(self, subject: Key, relation: str, object: Key) -> int:
        """Return the best confidence of one fact; 0 where it is not known."""

    def facts(self, relation: str) -> Iterable[tuple[Key, Key, int]]:
        """Return all facts of a relation; a graph on disk refuses."""

    def kinds(self, entity: Key) -> frozenset[str]:
        """Return what an entity is."""

    def of_kind(self, kind: str) -> Iterable[Key]:
        """Return all entities of a kind; a graph on disk refuses."""

    def values(self, entity: Key, attribute: str) -> Sequence[str]:
        """Return an entity's literals, each once, in order."""

    def attributes(self, attribute: str) -> Iterable[tuple[Key, str]]:
        """Return all literals of an attribute; a graph on disk refuses."""


class MemoryGraph:
    """A graph in dictionaries: what rules derive for one answer, and small graphs whole."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[Key, dict[Key, int]]] = {}
        self._subjects: dict[str, dict[Key, dict[Key, int]]] = {}
        self._kinds: dict[Key, set[str]] = {}
        self._values: dict[str, dict[Key, set[str]]] = {}
        self._names: dict[Key, str] = {}

    def add_fact(self, subject: Key, relation: str, object: Key, confidence: int) -> bool:
        """Add a fact or raise its confidence; says whether that changed anything."""
        known = self._objects.setdefault(relation, {}).setdefault(subject, {})
        if known.get(object, 0) >= confidence:
            return False
        known[object] = confidence
        self._subjects.setdefault(relation, {}).setdefault(object, {})[subject] = confidence
        return True

    def add_kind(self, entity: Key, kind: str, name: str = "") -> None:
        """Say what an entity is, and its name."""
        self._kinds.setdefault(entity, set()).add(kind)
        if name:
            self._names[entity] = name

    def add_value(self, entity: Key, attribute: str, value: str) -> None:
        """Add a literal."""
        self._values.setdefault(attribute, {}).setdefault(entity, set()).add(value)

    def key(self, id: str) -> Key:
        """Return the identifier itself."""
        return id

    def id(self, key: Key) -> str:
        """Return the identifier itself."""
        return str(key)

    def name(self, key: Key) -> str:
        """Return the name, or the identifier."""
        return self._names.get(key, str(key))

    def objects(self, subject: Key, relation: str) -> Mapping[Key, int]:
        """Return the objects of a subject's facts."""
        return self._objects.get(relation, {}).get(subject, {})

    def subjects(self, object: Key, relation: str) -> Mapping[Key, int]:
        """Return the subjects of an object's facts."""
        return self._subjects.get(relation, {}).get(object, {})

    def confidence(self, subject: Key, relation: str, object: Key) -> int:
        """Return the confidence of one fact."""
        return self._objects.get(relation, {}).get(subject, {}).get(object, 0)

    def facts(self, relation: str) -> Iterable[tuple[Key, Key, int]]:
        """Return all facts of a relation."""
        return [
            (subject, object_, confidence)
            for subject, found in self._objects.get(relation, {}).items()
            for object_, confidence in found.items()
        ]

    def kinds(self, entity: Key) -> frozenset[str]:
        """Return what an entity is."""
        return frozenset(self._kinds.get(entity, ()))

    def of_kind(self, kind: str) -> Iterable[Key]:
        """Return all entities of a kind."""
        return [entity for entity, kinds in self._kinds.items() if kind in kinds]

    def values(self, entity: Key, attribute: str) -> Sequence[str]:
        """Return an entity's literals."""
        return sorted(self._values.get(attribute, {}).get(entity, ()))

    def attributes(self, attribute: str) -> Iterable[tuple[Key, str]]:
        """Return all literals of an attribute."""
        return [(entity, value) for entity, values in self._values.get(attribute, {}).items() for value in sorted(values)]

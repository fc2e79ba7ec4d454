"""The snapshot as a graph of numbered entities: the SQL that walks share.

Entities are numbered in the order of their ids, and predicates in the order of their names, so an order by numbers is an order by words,
and stays the same when entities that a reader cannot see come or go. Must not: walk; `neighbourhood` and `path` do.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Final

from llmos.knowledge.snapshot import Snapshot

__all__ = ["Edge", "Link", "Node", "edges_of", "find_number", "links_from", "nodes_of", "predicate_numbers", "unknown_predicates"]

_NUMBER: Final = "SELECT number FROM entity WHERE id = ?"
_NODES: Final = "SELECT e.number, e.id, e.kind, e.name FROM json_each(?) AS n JOIN entity AS e ON e.number = n.value"
_PREDICATES: Final = "SELECT number, name FROM predicate ORDER BY number"
_TURN: Final = """SELECT DISTINCT subject, predicate, object FROM fact WHERE {side} = ? AND predicate = ?
  ORDER BY rank, {other} LIMIT ?"""
_OUT: Final = _TURN.format(side="subject", other="object")
_IN: Final = _TURN.format(side="object", other="subject")
_FROM: Final = """SELECT f.{side}, f.predicate, f.{other} FROM json_each(?) AS n JOIN fact AS f ON f.{side} = n.value
  WHERE f.predicate IN (SELECT value FROM json_each(?)) LIMIT ?"""
_FROM_SUBJECTS: Final = _FROM.format(side="subject", other="object")
_FROM_OBJECTS: Final = _FROM.format(side="object", other="subject")


@dataclass(frozen=True, slots=True)
class Node:
    """An entity on a walk."""

    id: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A fact without its evidence: entities by id."""

    subject: str
    predicate: str
    object: str


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A fact by numbers."""

    subject: int
    predicate: int
    object: int


def find_number(snapshot: Snapshot, id: str) -> int | None:
    """Return an entity's number, or None if there is no such entity."""
    rows = snapshot._rows(_NUMBER, id)
    return rows[0][0] if rows else None


def nodes_of(snapshot: Snapshot, numbers: Iterable[int]) -> dict[int, Node]:
    """Return the entities of these numbers."""
    return {number: Node(id, kind, name) for number, id, kind, name in snapshot._rows(_NODES, json.dumps(list(numbers)))}


def predicate_numbers(snapshot: Snapshot, wanted: Collection[str] = ()) -> Mapping[int, str]:
    """Return number → name of the predicates, in order: those that are wanted, or all."""
    return {number: name for number, name in snapshot._rows(_PREDICATES) if not wanted or name in wanted}


def unknown_predicates(snapshot: Snapshot, wanted: Collection[str]) -> list[str]:
    """Return those that no fact of this snapshot has."""
    known = set(predicate_numbers(snapshot).values())
    return sorted(name for name in wanted if name not in known)


def edges_of(snapshot: Snapshot, number: int, predicates: Iterable[int], *, limit: int) -> list[Link]:
    """Return at most `limit` facts of an entity, each once.

    As in `Snapshot.facts`, each predicate in each direction has its turn, and within one the most frequent come first: a thousand diseases
    do not crowd out the one parent term.
    """
    groups = [snapshot._rows(query, number, predicate, limit) for query in (_OUT, _IN) for predicate in predicates]
    in_turn = (Link(*row) for row in chain.from_iterable(zip_longest(*groups)) if row is not None)
    return list(islice(dict.fromkeys(in_turn), limit))


def links_from(snapshot: Snapshot, numbers: Sequence[int], predicates: Iterable[int], *, limit: int) -> list[tuple[int, Link]]:
    """Return (from, fact) for every fact that has one of the entities at either end; at most `limit` rows, which may repeat a fact."""
    wanted, allowed = json.dumps(list(numbers)), json.dumps(list(predicates))
    outgoing = snapshot._rows(_FROM_SUBJECTS, wanted, allowed, limit)
    incoming = snapshot._rows(_FROM_OBJECTS, wanted, allowed, limit - len(outgoing))
    found = [(subject, Link(subject, predicate, object)) for subject, predicate, object in outgoing]
    return found + [(object, Link(subject, predicate, object)) for object, predicate, subject in incoming]

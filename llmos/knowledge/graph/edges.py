"""The snapshot as a graph of numbered entities: the SQL that walks share, over what the reader may see.

Entities are numbered in the order of their ids, and predicates in the order of their names, so an order by numbers is an order by words,
and stays the same when entities that a reader cannot see come or go. Must not: walk; `neighbourhood` and `path` do.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain, islice, zip_longest
from typing import Final

from llmos.knowledge.reading.view import View
from llmos.knowledge.snapshot import Snapshot

__all__ = ["Edge", "Link", "Node", "edges_of", "find_number", "links_from", "nodes_of", "predicate_numbers", "unknown_predicates"]

_TURN: Final = """SELECT DISTINCT rank, {other} FROM fact WHERE {side} = ? AND predicate = ? AND visibility = ?
  ORDER BY rank, {other} LIMIT ?"""
_OUT: Final = _TURN.format(side="subject", other="object")
_IN: Final = _TURN.format(side="object", other="subject")
_FROM: Final = """SELECT f.{side}, f.predicate, f.{other} FROM json_each(?) AS n JOIN fact AS f ON f.{side} = n.value
  WHERE f.predicate IN (SELECT value FROM json_each(?)) AND f.visibility IN ({{seen}}) LIMIT ?"""
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
    found = snapshot.view.find(id)
    return found[0] if found else None


def nodes_of(snapshot: Snapshot, numbers: Iterable[int]) -> dict[int, Node]:
    """Return the entities of these numbers."""
    return {number: Node(*shown) for number, shown in snapshot.view.describe(numbers).items()}


def predicate_numbers(snapshot: Snapshot, wanted: Collection[str] = ()) -> Mapping[int, str]:
    """Return number → name of the predicates, in order: those that are wanted, or all."""
    return {number: name for number, name in snapshot.view.predicates().items() if not wanted or name in wanted}


def unknown_predicates(snapshot: Snapshot, wanted: Collection[str]) -> list[str]:
    """Return those that no fact of this snapshot has."""
    known = set(snapshot.view.predicates().values())
    return sorted(name for name in wanted if name not in known)


def edges_of(snapshot: Snapshot, number: int, predicates: Iterable[int], *, limit: int) -> list[Link]:
    """Return at most `limit` facts of an entity, each once.

    As in `Snapshot.facts`, each predicate in each direction has its turn, and within one the most frequent come first: a thousand diseases
    do not crowd out the one parent term.
    """
    predicates = list(predicates)
    groups = [[Link(number, each, other) for other in _turn(snapshot.view, _OUT, number, each, limit)] for each in predicates]
    groups += [[Link(other, each, number) for other in _turn(snapshot.view, _IN, number, each, limit)] for each in predicates]
    in_turn = (link for link in chain.from_iterable(zip_longest(*groups)) if link is not None)
    return list(islice(dict.fromkeys(in_turn), limit))


def _turn(view: View, query: str, number: int, predicate: int, limit: int) -> list[int]:
    """Return the other ends of an entity's facts with a predicate, most frequent first: each visibility is sorted, so few rows are read."""
    rows = merge(*(view.rows(query, number, predicate, visibility, limit) for visibility in view.seen))
    return list(islice(dict.fromkeys(other for _, other in rows), limit))


def links_from(snapshot: Snapshot, numbers: Sequence[int], predicates: Iterable[int], *, limit: int) -> list[tuple[int, Link]]:
    """Return (from, fact) for every fact that has one of the entities at either end; at most `limit` rows, which may repeat a fact."""
    wanted, allowed = json.dumps(list(numbers)), json.dumps(list(predicates))
    outgoing = snapshot.view.rows(_FROM_SUBJECTS, wanted, allowed, limit)
    incoming = snapshot.view.rows(_FROM_OBJECTS, wanted, allowed, limit - len(outgoing))
    found = [(subject, Link(subject, predicate, object)) for subject, predicate, object in outgoing]
    return found + [(object, Link(subject, predicate, object)) for object, predicate, subject in incoming]

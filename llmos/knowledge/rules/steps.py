"""One condition of a rule in a plan: where its terms' values are, and finding what satisfies it.

Where the terms stand and how to find is decided once, when a rule is loaded: an answer asks fifty rules about a dozen mentions.
Must not: order conditions or join them; `joins` does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llmos.knowledge.linking.assertion import Status
from llmos.knowledge.rules.comparing import comparable, compare
from llmos.knowledge.rules.graph import Graph, Key
from llmos.knowledge.rules.syntax import Answered, Atom, Attribute, Comparison, Fact, Kind, Mentioned
from llmos.knowledge.sink import CERTAIN

__all__ = ["Given", "Step"]

Found = tuple[tuple[Any, ...], int]
"""Values of the terms, and the confidence."""


@dataclass(frozen=True, slots=True)
class Given:
    """What an answer comes with, as keys of one graph."""

    mentions: Mapping[Key, frozenset[Status]]
    answers: Mapping[Key, int]
    """The answer and its score in thousandths."""


@dataclass(frozen=True, slots=True)
class Step:
    """A condition. Values of its terms are in a solution by place; None there stands for anything."""

    atom: Atom
    places: tuple[int, ...]
    """Of each term; -1 where it is a constant."""

    constants: tuple[Any, ...]
    """Of each term; None where it is a variable."""

    def known(self, values: Sequence[Any]) -> list[Any]:
        """Return the value of each term, as far as a solution has it."""
        return [values[place] if place >= 0 else constant for place, constant in zip(self.places, self.constants, strict=True)]

    def find(self, known: Sequence[Any], graph: Graph, given: Given) -> Iterable[Found]:
        """Return everything that satisfies the condition, given what is known of its terms."""
        return _FINDERS[type(self.atom)](self.atom, known, graph, given)

    def take(self, known: Sequence[Any], found: tuple[Any, ...], values: list[Any]) -> bool:
        """Put what was found into the places that had no value; says whether one variable did not get two of them."""
        for place, before, value in zip(self.places, known, found, strict=True):
            if before is None:
                if values[place] is not None and values[place] != value:
                    return False
                values[place] = value
        return True

    def release(self, known: Sequence[Any], values: list[Any]) -> None:
        """Empty the places that `take` filled."""
        for place, before in zip(self.places, known, strict=True):
            if before is None:
                values[place] = None


def _find_facts(atom: Fact, known: Sequence[Any], graph: Graph, _given: Given) -> Iterable[Found]:
    subject, object_ = known
    least = atom.minimum_confidence
    if subject is not None and object_ is not None:
        confidence = graph.confidence(subject, atom.relation, object_)
        return (((subject, object_), confidence),) if confidence and confidence >= least else ()
    if subject is not None:
        objects = graph.objects(subject, atom.relation).items()
        return [((subject, other), confidence) for other, confidence in objects if confidence >= least]
    if object_ is not None:
        subjects = graph.subjects(object_, atom.relation).items()
        return [((other, object_), confidence) for other, confidence in subjects if confidence >= least]
    return [((one, other), confidence) for one, other, confidence in graph.facts(atom.relation) if confidence >= least]


def _find_comparison(atom: Comparison, known: Sequence[Any], _graph: Graph, _given: Given) -> Iterable[Found]:
    left, right = known
    return (((left, right), CERTAIN),) if compare(left, atom.operator, right) else ()


def _find_kinds(atom: Kind, known: Sequence[Any], graph: Graph, _given: Given) -> Iterable[Found]:
    entity = known[0]
    if entity is None:
        return [((each,), CERTAIN) for each in graph.of_kind(atom.kind)]
    return (((entity,), CERTAIN),) if atom.kind in graph.kinds(entity) else ()


def _find_attributes(atom: Attribute, known: Sequence[Any], graph: Graph, _given: Given) -> Iterable[Found]:
    entity, expected = known
    pairs = graph.attributes(atom.attribute) if entity is None else ((entity, text) for text in graph.values(entity, atom.attribute))
    found = ((each, comparable(text)) for each, text in pairs)
    if expected is None:
        return [(pair, CERTAIN) for pair in found]
    return [((each, expected), CERTAIN) for each, value in found if compare(value, atom.operator, expected)]


def _find_mentions(atom: Mentioned, known: Sequence[Any], _graph: Graph, given: Given) -> Iterable[Found]:
    entity, statuses = known[0], atom.statuses
    if entity is None:
        return [((each,), CERTAIN) for each, found in given.mentions.items() if found & statuses]
    return (((entity,), CERTAIN),) if given.mentions.get(entity, frozenset()) & statuses else ()


def _find_answers(atom: Answered, known: Sequence[Any], _graph: Graph, given: Given) -> Iterable[Found]:
    asked = known[0]
    least = atom.minimum_confidence
    return [((each,), score) for each, score in given.answers.items() if asked in (None, each) and score >= least]


_FINDERS: Final[Mapping[type, Callable[[Any, Sequence[Any], Graph, Given], Iterable[Found]]]] = {
    Fact: _find_facts,
    Comparison: _find_comparison,
    Kind: _find_kinds,
    Attribute: _find_attributes,
    Mentioned: _find_mentions,
    Answered: _find_answers,
}

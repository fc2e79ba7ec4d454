"""One rule's body as a plan of look-ups, and its solutions in a graph, for one question and one answer.

The order is fixed when the rule is loaded: what tests comes first, then the answer, mentions, literals, facts from their subject, facts
from their object, and last what reads everything. A solution is one list of values, by place; a plan's steps fill it from left to right.
Must not: keep anything between answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmos.knowledge.linking.assertion import Status
from llmos.knowledge.rules.comparing import comparable, compare
from llmos.knowledge.rules.graph import Graph, Key
from llmos.knowledge.rules.syntax import (
    Answered,
    Atom,
    Attribute,
    Comparison,
    Constant,
    Entity,
    Fact,
    Kind,
    Mentioned,
    Operator,
    Rule,
    Term,
    Variable,
    variables,
)
from llmos.knowledge.sink import CERTAIN

__all__ = ["Budget", "BudgetSpent", "Given", "Join", "plan_join"]

_EVERYTHING: Final = 9


class BudgetSpent(Exception):
    """The rules looked at more than one answer may cost."""


@dataclass(slots=True)
class Budget:
    """How many values rules may still look at for this answer."""

    remaining: int

    def spend(self, count: int) -> None:
        """Take some away; BudgetSpent when there is nothing left."""
        self.remaining -= count
        if self.remaining < 0:
            raise BudgetSpent


@dataclass(frozen=True, slots=True)
class Given:
    """What an answer comes with, as keys of one graph."""

    mentions: Mapping[Key, frozenset[Status]]
    answers: Mapping[Key, int]
    """The answer and its score in thousandths."""


@dataclass(frozen=True, slots=True)
class Join:
    """A plan for one rule and one graph."""

    rule: Rule
    places: Mapping[Variable, int]
    steps: tuple[Atom, ...]
    exceptions: tuple[Atom, ...]
    constants: Mapping[str, Key] = field(default_factory=dict)

    def solutions(self, graph: Graph, given: Given, budget: Budget) -> Iterator[tuple[list[Any], int]]:
        """Yield values by place, and the smallest confidence of the premises. The list is used again for the next one."""
        values: list[Any] = [None] * len(self.places)
        return self._extend(0, values, CERTAIN, graph, given, budget)

    def value(self, term: Term, values: list[Any]) -> Any:
        """Return what a term stands for; None where it is a variable without a value yet."""
        match term:
            case Variable():
                return values[self.places[term]]
            case Entity():
                return self.constants[term.id]
            case Constant():
                return comparable(term.text) if term.is_number else term.text

    def _extend(
        self, step: int, values: list[Any], confidence: int, graph: Graph, given: Given, budget: Budget
    ) -> Iterator[tuple[list[Any], int]]:
        if step == len(self.steps):
            if not any(self._is_known(atom, values, graph, given, budget) for atom in self.exceptions):
                yield values, confidence
            return
        atom = self.steps[step]
        terms = _terms(atom)
        before = [self.value(term, values) for term in terms]
        for found, found_confidence in _look_up(atom, before, graph, given):
            budget.spend(1)
            if self._take(terms, before, found, values):
                yield from self._extend(step + 1, values, min(confidence, found_confidence), graph, given, budget)
            for term, known in zip(terms, before, strict=True):
                if known is None:
                    values[self.places[term]] = None  # type: ignore[index]

    def _take(self, terms: tuple[Term, ...], before: list[Any], found: tuple[Any, ...], values: list[Any]) -> bool:
        """Put what was found into the places that had no value; says whether the same variable got the same value twice."""
        for term, known, value in zip(terms, before, found, strict=True):
            if known is None:
                place = self.places[term]  # type: ignore[index]
                if values[place] is not None and values[place] != value:
                    return False
                values[place] = value
        return True

    def _is_known(self, atom: Atom, values: list[Any], graph: Graph, given: Given, budget: Budget) -> bool:
        terms = _terms(atom)
        before = [self.value(term, values) if not isinstance(term, Variable) or term in self.places else None for term in terms]
        for found, _ in _look_up(atom, before, graph, given):
            budget.spend(1)
            new: dict[Term, Any] = {}
            pairs = zip(terms, before, found, strict=True)
            if all(new.setdefault(term, value) == value for term, known, value in pairs if known is None):
                return True
        return False


def plan_join(rule: Rule, graph: Graph) -> Join:
    """Order a rule's conditions, and look up what its constants are called in a graph."""
    waiting = list(rule.body)
    bound: set[Variable] = set()
    steps: list[Atom] = []
    while waiting:
        best = min(waiting, key=lambda atom: _cost(atom, bound))
        waiting.remove(best)
        steps.append(best)
        bound.update(variables(best))
    places = {variable: place for place, variable in enumerate(dict.fromkeys(v for atom in rule.body for v in variables(atom)))}
    named = {term.id for atom in (*rule.body, *rule.exceptions) for term in _terms(atom) if isinstance(term, Entity)}
    if isinstance(rule.conclusion, Fact):
        named |= {term.id for term in (rule.conclusion.subject, rule.conclusion.object) if isinstance(term, Entity)}
    elif isinstance(rule.conclusion.answer, Entity):
        named.add(rule.conclusion.answer.id)
    return Join(rule, places, tuple(steps), rule.exceptions, {id: graph.key(id) for id in named})


def _cost(atom: Atom, bound: set[Variable]) -> int:
    """Rank a condition: how much it reads once these variables have values."""
    known = [not isinstance(term, Variable) or term in bound for term in _terms(atom)]
    match atom:
        case Comparison():
            return 0 if all(known) else _EVERYTHING + 1
        case Attribute():
            is_waiting = isinstance(atom.value, Variable) and atom.operator is not Operator.Equal and not known[1]
            return _EVERYTHING + 1 if is_waiting else 4 if known[0] else _EVERYTHING
        case Kind():
            return 1 if known[0] else _EVERYTHING
        case Answered():
            return 2
        case Mentioned():
            return 1 if known[0] else 3
        case Fact():
            return 2 if all(known) else 5 if known[0] else 6 if known[1] else _EVERYTHING


def _terms(atom: Atom) -> tuple[Term, ...]:
    match atom:
        case Fact():
            return atom.subject, atom.object
        case Comparison():
            return atom.left, atom.right
        case Attribute():
            return atom.entity, atom.value
        case Kind() | Mentioned() | Answered():
            return (atom.entity,)


def _look_up(atom: Atom, known: list[Any], graph: Graph, given: Given) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield (values of the terms, confidence) of everything that satisfies an atom; None among `known` stands for anything."""
    match atom:
        case Fact():
            for subject, object_, confidence in _facts(atom.relation, known[0], known[1], graph):
                if confidence >= atom.minimum_confidence:
                    yield (subject, object_), confidence
        case Comparison():
            if compare(known[0], atom.operator, known[1]):
                yield (known[0], known[1]), CERTAIN
        case Kind():
            entities = graph.of_kind(atom.kind) if known[0] is None else known if atom.kind in graph.kinds(known[0]) else ()
            for entity in entities:
                yield (entity,), CERTAIN
        case Attribute():
            found = (
                graph.attributes(atom.attribute)
                if known[0] is None
                else [(known[0], text) for text in graph.values(known[0], atom.attribute)]
            )
            for entity, text in found:
                value = comparable(text)
                if known[1] is None:
                    yield (entity, value), CERTAIN
                elif compare(value, atom.operator, known[1]):
                    yield (entity, known[1]), CERTAIN
        case Mentioned():
            for entity, statuses in given.mentions.items() if known[0] is None else [(known[0], given.mentions.get(known[0], frozenset()))]:
                if statuses & atom.statuses:
                    yield (entity,), CERTAIN
        case Answered():
            for entity, score in given.answers.items():
                if known[0] in (None, entity) and score >= atom.minimum_confidence:
                    yield (entity,), score


def _facts(relation: str, subject: Any, object_: Any, graph: Graph) -> Iterator[tuple[Any, Any, int]]:
    if subject is not None and object_ is not None:
        if confidence := graph.confidence(subject, relation, object_):
            yield subject, object_, confidence
    elif subject is not None:
        yield from ((subject, other, confidence) for other, confidence in graph.objects(subject, relation).items())
    elif object_ is not None:
        yield from ((other, object_, confidence) for other, confidence in graph.subjects(object_, relation).items())
    else:
        yield from graph.facts(relation)

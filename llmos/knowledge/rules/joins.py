"""One rule's body as a plan of look-ups, and its solutions in a graph, for one question and one answer.

The order is fixed when the rule is loaded: what tests comes first, then the answer, mentions, literals, facts from their subject, facts
from their object, and last what reads everything. A solution is one list of values, by place; a plan's steps fill it from left to right.
Must not: keep anything between answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmos.knowledge.rules.comparing import comparable
from llmos.knowledge.rules.graph import Graph, Key
from llmos.knowledge.rules.steps import Given, Step
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
class Join:
    """A plan for one rule and one graph."""

    rule: Rule
    places: Mapping[Variable, int]
    """Of the conditions' variables."""

    num_places: int
    """Those, and the ones of variables that only exceptions have."""

    steps: tuple[Step, ...]
    exceptions: tuple[Step, ...]
    constants: Mapping[str, Key] = field(default_factory=dict)

    def solutions(self, graph: Graph, given: Given, budget: Budget) -> Iterator[tuple[list[Any], int]]:
        """Yield values by place, and the smallest confidence of the premises. The list is used again for the next one."""
        values: list[Any] = [None] * self.num_places
        return self._extend(0, values, CERTAIN, graph, given, budget)

    def value(self, term: Term, values: list[Any]) -> Any:
        """Return what a term stands for in a solution."""
        return values[self.places[term]] if isinstance(term, Variable) else _constant(term, self.constants)

    def _extend(
        self, index: int, values: list[Any], confidence: int, graph: Graph, given: Given, budget: Budget
    ) -> Iterator[tuple[list[Any], int]]:
        if index == len(self.steps):
            if not any(_is_known(step, values, graph, given, budget) for step in self.exceptions):
                yield values, confidence
            return
        step = self.steps[index]
        known = step.known(values)
        for found, found_confidence in step.find(known, graph, given):
            budget.spend(1)
            if step.take(known, found, values):
                yield from self._extend(index + 1, values, min(confidence, found_confidence), graph, given, budget)
            step.release(known, values)


def _is_known(step: Step, values: list[Any], graph: Graph, given: Given, budget: Budget) -> bool:
    known = step.known(values)
    for found, _ in step.find(known, graph, given):
        budget.spend(1)
        is_taken = step.take(known, found, values)
        step.release(known, values)
        if is_taken:
            return True
    return False


def _constant(term: Entity | Constant, constants: Mapping[str, Key]) -> Any:
    if isinstance(term, Entity):
        return constants[term.id]
    return comparable(term.text) if term.is_number else term.text


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
    everywhere = dict(places)
    for atom in rule.exceptions:
        for variable in variables(atom):
            everywhere.setdefault(variable, len(everywhere))
    constants = {id: graph.key(id) for id in _named(rule)}

    def build_step(atom: Atom) -> Step:
        terms = _terms(atom)
        return Step(
            atom,
            tuple(everywhere[term] if isinstance(term, Variable) else -1 for term in terms),
            tuple(None if isinstance(term, Variable) else _constant(term, constants) for term in terms),
        )

    return Join(rule, places, len(everywhere), tuple(map(build_step, steps)), tuple(map(build_step, rule.exceptions)), constants)


def _named(rule: Rule) -> set[str]:
    """Return the identifiers that a rule names."""
    named = {term.id for atom in (*rule.body, *rule.exceptions) for term in _terms(atom) if isinstance(term, Entity)}
    if isinstance(rule.conclusion, Fact):
        return named | {term.id for term in (rule.conclusion.subject, rule.conclusion.object) if isinstance(term, Entity)}
    return named | ({rule.conclusion.answer.id} if isinstance(rule.conclusion.answer, Entity) else set())


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

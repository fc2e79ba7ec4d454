"""In which order rules are applied: relations that need each other together, whatever "not known" asks about before it is asked.

Rules that need the question or the answer, or what such rules derive, belong to answers; the others to builds.
Must not: evaluate anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmos.knowledge.rules.documents import invalid_rules
from llmos.knowledge.rules.syntax import Answered, Fact, Mentioned, Rule, Verdict

__all__ = ["Plan", "Stratum", "is_about_answers", "plan_rules"]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Rules that are applied together until nothing new comes."""

    rules: tuple[Rule, ...]
    relations: frozenset[str]
    """What they derive."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All rules, in the order in which they are applied."""

    build: tuple[Stratum, ...]
    """What a build derives and the snapshot keeps."""

    answer: tuple[Stratum, ...]
    """What is derived anew for each answer."""

    verdicts: tuple[Rule, ...]
    """What is said about an answer, last."""


def plan_rules(rules: Sequence[Rule]) -> Plan:
    """Order rules.

    Raises: ConfigError (InvalidRules) if a relation depends on not being known itself; the circle is shown.
    """
    deriving: dict[str, list[Rule]] = {}
    for rule in rules:
        if isinstance(rule.conclusion, Fact):
            deriving.setdefault(rule.conclusion.relation, []).append(rule)
    strata = []
    for component in _components({relation: _needs(group) & deriving.keys() for relation, group in sorted(deriving.items())}):
        _refuse_negation_inside(component, deriving)
        inside = tuple(rule for relation in sorted(component) for rule in deriving[relation])
        strata.append(Stratum(inside, frozenset(component)))
    asked = _relations_of_answers(strata)
    return Plan(
        build=tuple(stratum for stratum in strata if not stratum.relations & asked),
        answer=tuple(stratum for stratum in strata if stratum.relations & asked),
        verdicts=tuple(rule for rule in rules if isinstance(rule.conclusion, Verdict)),
    )


def is_about_answers(rule: Rule) -> bool:
    """Say whether the rule itself asks for the question or the answer."""
    return isinstance(rule.conclusion, Verdict) or any(isinstance(atom, Mentioned | Answered) for atom in (*rule.body, *rule.exceptions))


def _relations_of_answers(strata: Sequence[Stratum]) -> set[str]:
    """Return the relations that any rule of an answer derives; strata come in order, so one pass finds what follows from what."""
    asked: set[str] = set()
    for stratum in strata:
        if any(is_about_answers(rule) for rule in stratum.rules) or _needs(stratum.rules) & asked:
            asked |= stratum.relations
    return asked


def _needs(rules: Sequence[Rule]) -> set[str]:
    return {atom.relation for rule in rules for atom in (*rule.conditions, *rule.exceptions) if isinstance(atom, Fact)}


def _refuse_negation_inside(component: set[str], deriving: dict[str, list[Rule]]) -> None:
    for relation in sorted(component):
        for rule in deriving[relation]:
            for atom in rule.exceptions:
                if isinstance(atom, Fact) and atom.relation in component:
                    circle = [relation, *_path(atom.relation, relation, component, deriving)]
                    shown = f"{circle[0]} unless " + " needs ".join(circle[1:])
                    raise invalid_rules(
                        f"rule `{rule.name}` derives {relation} from {atom.relation} not being known, and {atom.relation} depends on "
                        f"{relation} itself ({shown}); whether either holds has no answer. Take one of these rules away, or ask in "
                        f"`unless` for what sources state"
                    )


def _path(start: str, end: str, component: set[str], deriving: dict[str, list[Rule]]) -> list[str]:
    """Return the shortest way from a relation, through what it needs, to another of its component."""
    ways = {start: [start]}
    frontier = [start]
    while frontier and end not in ways:
        following = []
        for relation in frontier:
            for needed in sorted(_needs(deriving[relation]) & component - ways.keys()):
                ways[needed] = [*ways[relation], needed]
                following.append(needed)
        frontier = following
    return ways[end]


def _components(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Yield strongly connected components (Tarjan, 1972), what is needed first."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for needed in sorted(graph[node]):
            if needed not in index:
                visit(needed)
                low[node] = min(low[node], low[needed])
            elif needed in stack:
                low[node] = min(low[node], index[needed])
        if low[node] == index[node]:
            component: set[str] = set()
            while node not in component:
                component.add(stack.pop())
            found.append(component)

    for node in graph:
        if node not in index:
            visit(node)
    yield from found

"""Facts that rules derive in memory: for one answer, what its question and the graph give together; for small graphs, everything.

Must not: keep anything between answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from llmos.knowledge.rules.graph import Graph, Key, MemoryGraph
from llmos.knowledge.rules.joins import Budget, Given, Join
from llmos.knowledge.rules.syntax import Fact

__all__ = ["LayeredGraph", "derive_facts"]


class LayeredGraph:
    """A graph with the facts derived from it on top. What it states keeps its own confidence."""

    def __init__(self, stated: Graph, derived: MemoryGraph) -> None:
        self._stated = stated
        self._derived = derived
        self.key, self.id, self.name = stated.key, stated.id, stated.name
        self.kinds, self.of_kind, self.values, self.attributes = stated.kinds, stated.of_kind, stated.values, stated.attributes

    def objects(self, subject: Key, relation: str) -> Mapping[Key, int]:
        """Return the objects of a subject's facts."""
        return _merged(self._stated.objects(subject, relation), self._derived.objects(subject, relation))

    def subjects(self, object: Key, relation: str) -> Mapping[Key, int]:
        """Return the subjects of an object's facts."""
        return _merged(self._stated.subjects(object, relation), self._derived.subjects(object, relation))

    def confidence(self, subject: Key, relation: str, object: Key) -> int:
        """Return the confidence of one fact."""
        return self._stated.confidence(subject, relation, object) or self._derived.confidence(subject, relation, object)

    def facts(self, relation: str) -> Iterable[tuple[Key, Key, int]]:
        """Return all facts of a relation."""
        return list(chain(self._stated.facts(relation), self._derived.facts(relation)))


def derive_facts(strata: Sequence[Sequence[Join]], stated: Graph, given: Given, budget: Budget) -> tuple[Graph, MemoryGraph]:
    """Apply rules stratum by stratum until nothing new comes.

    Args:
        strata: plans of deriving rules, in order.
        stated: what is known already.
        given: mentions and answer.
        budget: what this may cost.

    Returns: the graph with what was derived, and what was derived alone.
    """
    derived = MemoryGraph()
    if not any(strata):
        return stated, derived
    graph = LayeredGraph(stated, derived)
    for stratum in strata:
        while _apply_once(stratum, stated, graph, derived, given, budget):
            pass
    return graph, derived


def _apply_once(stratum: Sequence[Join], stated: Graph, graph: Graph, derived: MemoryGraph, given: Given, budget: Budget) -> bool:
    is_changed = False
    for join in stratum:
        conclusion = join.rule.conclusion
        assert isinstance(conclusion, Fact)
        # All solutions first: deriving changes what they are read from.
        found = [
            (join.value(conclusion.subject, values), join.value(conclusion.object, values), join.rule.confidence(confidence))
            for values, confidence in join.solutions(graph, given, budget)
        ]
        for subject, object_, confidence in found:
            if confidence and not stated.confidence(subject, conclusion.relation, object_):
                is_changed |= derived.add_fact(subject, conclusion.relation, object_, confidence)
    return is_changed


def _merged(stated: Mapping[Key, int], derived: Mapping[Key, int]) -> Mapping[Key, int]:
    return {**derived, **stated} if derived else stated

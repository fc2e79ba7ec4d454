"""What rules say about an answer: they are loaded with a snapshot, and judge each answer of a service.

If rules cannot be applied, the verdict is a denial: what nobody could check must not look as if it had been.
Must not: change an answer; whoever calls decides what a verdict does.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from llmos.errors import LlmosError
from llmos.knowledge.linking.assertion import Status
from llmos.knowledge.reading.lookup import Lookup
from llmos.knowledge.reading.values import Mention
from llmos.knowledge.rules.deriving import derive_facts
from llmos.knowledge.rules.documents import parse_rules
from llmos.knowledge.rules.graph import Graph, Key
from llmos.knowledge.rules.joins import Budget, BudgetSpent, Given, Join, plan_join
from llmos.knowledge.rules.render import render_premises, render_sentence
from llmos.knowledge.rules.snapshot_graph import SnapshotGraph
from llmos.knowledge.rules.strata import plan_rules
from llmos.knowledge.rules.syntax import Answered, Entity, Fact, Mentioned, Rule, Verb, Verdict
from llmos.knowledge.snapshot import Snapshot

__all__ = ["RULES_DOCUMENT", "GivenVerdict", "RuleSet", "judge"]

_log = logging.getLogger(__name__)

RULES_DOCUMENT: Final = "rules"
"""What the document in a snapshot is called."""

_STEPS: Final = 100_000
_VERDICTS_OF_A_RULE: Final = 16


@dataclass(frozen=True, slots=True)
class GivenVerdict:
    """What one rule says about one answer."""

    verb: Verb
    rule: str
    """The rule's name; empty where rules could not be applied."""

    answer: str
    """The identifier it is about; empty: whatever the answer is."""

    because: str
    """What a person is told."""

    confidence: int = 1000
    """In thousandths."""

    is_met: bool = False
    """Whether the answer is the required one; False for other verdicts."""

    premises: tuple[tuple[str, ...], ...] = ()
    """The facts, kinds, literals, mentions and the answer that it rests on, in words of the rule language."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A rule's plan, and what must be mentioned or answered before it is worth a look."""

    join: Join
    mentioned: frozenset[Key]
    answered: frozenset[Key]
    needs_mention: bool


class RuleSet:
    """The rules of one snapshot. Thread-safe: nothing changes after loading."""

    def __init__(self, snapshot: Snapshot, rules: Sequence[Rule]) -> None:
        self._lookup = Lookup(snapshot.view)
        plan = plan_rules(rules)
        named = {atom.relation for rule in rules for atom in (*rule.body, *rule.exceptions, rule.conclusion) if isinstance(atom, Fact)}
        numbers = {relation: self._lookup.predicate(relation) for relation in sorted(named)}
        self._predicates = {relation: number for relation, number in numbers.items() if number is not None}
        graph = self._graph()
        self._strata = [[plan_join(rule, graph) for rule in stratum.rules] for stratum in plan.answer]
        self._verdicts = [_load(plan_join(rule, graph)) for rule in plan.verdicts]

    @classmethod
    def load(cls, snapshot: Snapshot) -> Self:
        """Load the rules that a snapshot was built with.

        Raises: ConfigError (InvalidRules) if this LLMOS cannot read them.
        """
        return cls(snapshot, parse_rules(snapshot.document(RULES_DOCUMENT) or ()))

    @property
    def num_verdict_rules(self) -> int:
        """How many rules say something about answers."""
        return len(self._verdicts)

    def judge(self, mentions: Iterable[Mention], answers: Sequence[tuple[str, int]]) -> list[GivenVerdict]:
        """Return what the rules say, denials first.

        Args:
            mentions: of the question, linked with this snapshot; every candidate of an ambiguous name counts as mentioned.
            answers: the answer's identifier and its score in thousandths; empty where there is none.
        """
        if not self._verdicts:
            return []
        try:
            graph = self._graph()
            mentioned: dict[Key, frozenset[Status]] = {}
            for mention in mentions:
                for id in mention.candidates:
                    key = graph.key(id)
                    mentioned[key] = mentioned.get(key, frozenset()) | {mention.status}
            given = Given(mentioned, {graph.key(id): score for id, score in answers})
            return judge(self._verdicts, self._strata, graph, given)
        except BudgetSpent:
            return [_unchecked(f"they looked at more than {_STEPS} things")]
        except LlmosError as error:
            return [_unchecked(error.message)]
        except Exception:
            # Whatever it is, it must not let an unchecked answer through; the log has the rest.
            _log.exception("rules failed")
            return [_unchecked("of a fault in LLMOS; its log says more")]

    def _graph(self) -> SnapshotGraph:
        return SnapshotGraph(self._lookup, self._predicates)


def judge(verdicts: Sequence[_Loaded], strata: Sequence[Sequence[Join]], stated: Graph, given: Given) -> list[GivenVerdict]:
    """Apply loaded rules to one question and answer; BudgetSpent if that costs too much."""
    budget = Budget(_STEPS)
    graph, _ = derive_facts(strata, stated, given, budget)
    mentioned, answered = given.mentions.keys(), given.answers.keys()
    found: list[GivenVerdict] = []
    for loaded in verdicts:
        if loaded.mentioned <= mentioned and loaded.answered <= answered and (mentioned or not loaded.needs_mention):
            found += _apply(loaded.join, graph, given, budget)
    return sorted(found, key=lambda verdict: (list(Verb).index(verdict.verb), verdict.rule, -verdict.confidence, verdict.because))


def _load(join: Join) -> _Loaded:
    rule = join.rule
    mentions = [atom.entity for atom in rule.body if isinstance(atom, Mentioned)]
    answers = [atom.entity for atom in rule.body if isinstance(atom, Answered)]
    return _Loaded(
        join,
        frozenset(join.constants[term.id] for term in mentions if isinstance(term, Entity)),
        frozenset(join.constants[term.id] for term in answers if isinstance(term, Entity)),
        bool(mentions),
    )


def _apply(join: Join, graph: Graph, given: Given, budget: Budget) -> Iterator[GivenVerdict]:
    """Yield the best verdict for each answer and sentence."""
    verdict = join.rule.conclusion
    assert isinstance(verdict, Verdict)
    best: dict[tuple[Key, str], tuple[int, list[Any]]] = {}
    for values, smallest in join.solutions(graph, given, budget):
        confidence = join.rule.confidence(smallest)
        answer = None if verdict.answer is None else join.value(verdict.answer, values)
        key = (answer, render_sentence(join, values, graph))
        if key not in best or best[key][0] < confidence:
            best[key] = (confidence, list(values))
    for (answer, because), (confidence, values) in sorted(best.items(), key=lambda item: (-item[1][0], item[0][1]))[:_VERDICTS_OF_A_RULE]:
        yield GivenVerdict(
            verdict.verb,
            join.rule.name,
            "" if answer is None else graph.id(answer),
            because,
            confidence,
            verdict.verb is Verb.Require and answer in given.answers,
            render_premises(join, values, graph),
        )


def _unchecked(why: str) -> GivenVerdict:
    return GivenVerdict(Verb.Deny, "", "", f"The rules could not be applied: {why}. An answer that is not checked counts as denied.")

"""Why a fact is in a snapshot: a tree of rules, down to what sources state.

Must not: apply rules; the proofs were kept when the snapshot was built.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from llmos.knowledge.reading.lookup import Lookup
from llmos.knowledge.reading.values import FactSource
from llmos.knowledge.snapshot import Snapshot

__all__ = ["Explanation", "explain"]

_MAXIMUM_NODES: Final = 1000
_NOWHERE: Final = FactSource("", "", "")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A statement and what it rests on."""

    statement: tuple[str, ...]
    """As in a proof: ("fact", subject, relation, object), ("kind", …) or ("attribute", …)."""

    confidence: int
    """In thousandths."""

    rule: str = ""
    """The rule that gave it; empty where a source states it."""

    sources: tuple[FactSource, ...] = ()
    """The files that state it; empty where a rule gave it."""

    premises: tuple["Explanation", ...] = ()
    is_cut: bool = False
    """There is more, left out after a thousand statements."""

    def __str__(self) -> str:
        return "\n".join(self._lines(0))

    def _lines(self, depth: int) -> list[str]:
        kind, *words = self.statement
        text = " ".join([words[0], "a", words[1]] if kind == "kind" else words)
        said = f"by rule {self.rule}" if self.rule else ", ".join(f"{source.name} ({source.file})" for source in self.sources)
        line = f"{'  ' * depth}{text}" + (f"  [{said}]" if said else "") + (" …" if self.is_cut else "")
        return [line, *(line for premise in self.premises for line in premise._lines(depth + 1))]


def explain(snapshot: Snapshot, subject: str, relation: str, object: str) -> Explanation | None:
    """Say why a fact is there, as far as this reader may see; None if it is not there."""
    return _Explainer(Lookup(snapshot.view)).fact(subject, relation, object, None)


class _Explainer:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._num_nodes = 0

    def fact(self, subject: str, relation: str, object_: str, partitions: frozenset[str] | None) -> Explanation | None:
        """Explain a fact by what needs no more than these partitions; None: by what the reader sees."""
        reasons = [
            reason for reason in self._reasons(subject, relation, object_) if partitions is None or partitions >= _partitions(reason)
        ]
        if not reasons:
            return None
        self._num_nodes += 1
        statement = ("fact", subject, relation, object_)
        stated = [reason for reason in reasons if not reason[2]]
        # The best reason; of equals the one that fewest need, then a stated one. A proof's premises are better or were there earlier.
        best = min(reasons, key=lambda reason: (-reason[1], len(_partitions(reason)), bool(reason[2]), reason[2:]))
        if not best[2]:
            sources = dict.fromkeys(FactSource(*reason[4:7]) for reason in stated)
            return Explanation(statement, best[1], sources=tuple(sources))
        if self._num_nodes > _MAXIMUM_NODES:
            return Explanation(statement, best[1], rule=best[2], is_cut=True)
        premises = tuple(self._premise(premise, _partitions(best)) for premise in json.loads(best[3]))
        return Explanation(statement, best[1], rule=best[2], premises=premises)

    def _premise(self, premise: Sequence[str], partitions: frozenset[str]) -> Explanation:
        if premise[0] == "fact" and (found := self.fact(premise[1], premise[2], premise[3], partitions)):
            return found
        return Explanation(tuple(premise), 1000)

    def _reasons(self, subject: str, relation: str, object_: str) -> Sequence[Any]:
        numbers = (self._lookup.number(subject), self._lookup.predicate(relation), self._lookup.number(object_))
        return () if None in numbers else self._lookup.reasons(*numbers)  # type: ignore[arg-type]


def _partitions(reason: Sequence[Any]) -> frozenset[str]:
    return frozenset(filter(None, reason[0].split(",")))

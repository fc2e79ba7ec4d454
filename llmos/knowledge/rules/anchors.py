"""Whether a rule for answers can begin at the question or the answer, and so reads a few facts and never the whole graph.

Must not: order joins; `evaluate` does.
"""

from collections.abc import Iterator

from llmos.knowledge.rules.findings import Finding
from llmos.knowledge.rules.strata import Plan
from llmos.knowledge.rules.syntax import Answered, Atom, Attribute, Comparison, Entity, Fact, Kind, Mentioned, Rule, Variable, variables

__all__ = ["find_unanchored"]


def find_unanchored(plan: Plan) -> Iterator[Finding]:
    """Yield an error for each rule of answers with a condition that nothing in the question, the answer or the rule leads to."""
    local = {relation for stratum in plan.answer for relation in stratum.relations}
    for rule in (*(rule for stratum in plan.answer for rule in stratum.rules), *plan.verdicts):
        for atom in _unreached(rule, local):
            yield Finding(
                rule.name,
                f"would read all of the knowledge base for `{atom}` at each answer; join it with something that is mentioned or answered",
            )


def _unreached(rule: Rule, local: set[str]) -> list[Atom]:
    """Return the conditions that are left when everything that can be reached has been."""
    bound: set[Variable] = set()
    waiting: list[Atom] = [atom for atom in rule.body if not isinstance(atom, Comparison)]
    while reached := [atom for atom in waiting if _can_begin(atom, bound, local)]:
        bound.update(variable for atom in reached for variable in variables(atom))
        waiting = [atom for atom in waiting if atom not in reached]
    # Variables of an exception alone stand for anything, but one end of it must be known.
    return waiting + [atom for atom in rule.exceptions if not isinstance(atom, Comparison) and not _can_begin(atom, bound, local)]


def _can_begin(atom: Atom, bound: set[Variable], local: set[str]) -> bool:
    match atom:
        case Mentioned() | Answered():
            return True
        case Fact():
            ends = (atom.subject, atom.object)
            return atom.relation in local or any(isinstance(term, Entity) or term in bound for term in ends)
        case Kind() | Attribute():
            return isinstance(atom.entity, Entity) or atom.entity in bound
        case _:
            return False

"""Rules that contradict each other, and rules that no graph can satisfy.

Two verdicts contradict if one rule requires the answer that another denies. It is an error where the second holds whenever the first
does (its conditions are among the first's, up to names of variables), and a warning where both name the same answer.
Must not: look at a graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from llmos.knowledge.rules.findings import Finding
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
    Verb,
    Verdict,
)
from llmos.knowledge.rules.vocabulary import Vocabulary

__all__ = ["find_contradictions", "find_impossible"]

_Substitution = Mapping[Variable, Term]


def find_contradictions(rules: Sequence[Rule]) -> Iterator[Finding]:
    """Yield what denies and requires the same answer."""
    verdicts = [(rule, rule.conclusion) for rule in rules if isinstance(rule.conclusion, Verdict)]
    denying = [rule for rule, verdict in verdicts if verdict.verb is Verb.Deny]
    requiring = [rule for rule, verdict in verdicts if verdict.verb is Verb.Require]
    for required in requiring:
        for denied in denying:
            if _follows(required, denied) or _follows(denied, required):
                yield Finding(
                    required.name, f"requires what rule `{denied.name}` denies under the same conditions; take one away or tell them apart"
                )
            elif isinstance(_answer(required), Entity) and _answer(required) == _answer(denied):
                message = f"and rule `{denied.name}` require and deny {_answer(required)}; check that both cannot hold at once"
                yield Finding(required.name, message, is_error=False)


def find_impossible(rules: Sequence[Rule], vocabulary: Vocabulary) -> Iterator[Finding]:
    """Yield a warning for each rule whose own text keeps it from ever holding."""
    possible = _possible_relations(rules, vocabulary)
    for rule in rules:
        for why in (*_self_defeating(rule), *_kinds_apart(rule, vocabulary), *_numbers_apart(rule), *_empty(rule, possible)):
            yield Finding(rule.name, f"can never hold: {why}", is_error=False)


def _possible_relations(rules: Sequence[Rule], vocabulary: Vocabulary) -> set[str]:
    """Return the relations that can have facts: stated ones, and those that some rule derives from possible ones."""
    possible = set(vocabulary.relations)
    while True:
        found = {
            rule.conclusion.relation
            for rule in rules
            if isinstance(rule.conclusion, Fact) and all(atom.relation in possible for atom in rule.conditions if isinstance(atom, Fact))
        }
        if found <= possible:
            return possible
        possible |= found


def _empty(rule: Rule, possible: set[str]) -> Iterator[str]:
    for atom in rule.conditions:
        if isinstance(atom, Fact) and atom.relation not in possible:
            yield f"`{atom.relation}` is derived only from itself, so it has no facts; state some, or add a rule that begins it"


def _self_defeating(rule: Rule) -> Iterator[str]:
    for exception in rule.exceptions:
        own = {variable for atom in rule.conditions for variable in _variables(atom)}
        for condition in rule.conditions:
            # A variable that only the exception has stands for anything; the others must be the condition's own.
            found = _match(exception, condition, {variable: variable for variable in own})
            if found is not None:
                yield f"`unless {exception}` takes away what `if {condition}` asks for"
                break
    for atom in rule.conditions:
        if isinstance(atom, Comparison) and not _can_be_true(atom):
            yield f"`{atom}` is false"


def _can_be_true(atom: Comparison) -> bool:
    if atom.left == atom.right:
        return atom.operator in (Operator.Equal, Operator.LessOrEqual, Operator.GreaterOrEqual)
    if isinstance(atom.left, Constant) and isinstance(atom.right, Constant):
        if atom.left.is_number and atom.right.is_number:
            return _holds(Decimal(atom.left.text), atom.operator, Decimal(atom.right.text))
        return atom.operator is Operator.Different
    if isinstance(atom.left, Entity) and isinstance(atom.right, Entity):
        return atom.operator is Operator.Different
    return True


def _holds(left: Decimal, operator: Operator, right: Decimal) -> bool:
    return {
        Operator.Equal: left == right,
        Operator.Different: left != right,
        Operator.Less: left < right,
        Operator.LessOrEqual: left <= right,
        Operator.Greater: left > right,
        Operator.GreaterOrEqual: left >= right,
    }[operator]


def _kinds_apart(rule: Rule, vocabulary: Vocabulary) -> Iterator[str]:
    kinds: dict[Term, set[str]] = {}
    for atom in rule.conditions:
        if isinstance(atom, Kind):
            kinds.setdefault(atom.entity, set()).add(atom.kind)
    for term, asked in kinds.items():
        for first in sorted(asked):
            for second in sorted(asked):
                if first < second and frozenset((first, second)) not in vocabulary.kinds_together:
                    yield f"nothing is a {first} and a {second}, as {term} would have to be"


def _numbers_apart(rule: Rule) -> Iterator[str]:
    """Yield pairs of bounds on one variable that leave no number between them."""
    bounds: dict[Term, list[tuple[Operator, Decimal, Atom]]] = {}
    flipped = {Operator.Less: Operator.Greater, Operator.Greater: Operator.Less}
    flipped |= {Operator.LessOrEqual: Operator.GreaterOrEqual, Operator.GreaterOrEqual: Operator.LessOrEqual}
    for atom in rule.conditions:
        if not isinstance(atom, Comparison):
            continue
        for term, operator, other in (
            (atom.left, atom.operator, atom.right),
            (atom.right, flipped.get(atom.operator, atom.operator), atom.left),
        ):
            if isinstance(term, Variable) and isinstance(other, Constant) and other.is_number:
                bounds.setdefault(term, []).append((operator, Decimal(other.text), atom))
    for found in bounds.values():
        lower = [item for item in found if item[0] in (Operator.Greater, Operator.GreaterOrEqual, Operator.Equal)]
        upper = [item for item in found if item[0] in (Operator.Less, Operator.LessOrEqual, Operator.Equal)]
        for low in lower:
            for high in upper:
                is_strict = Operator.Greater in (low[0],) or Operator.Less in (high[0],)
                if low[1] > high[1] or (low[1] == high[1] and is_strict):
                    yield f"no number satisfies both `{low[2]}` and `{high[2]}`"


def _follows(first: Rule, second: Rule) -> bool:
    """Say whether the second rule says something of the same answer whenever the first says something of it."""
    start: dict[Variable, Term] = {}
    if (answer := _answer(second)) is None or _answer(first) is None:
        return False
    if isinstance(answer, Variable):
        start[answer] = _answer(first)  # type: ignore[assignment]
    elif answer != _answer(first):
        return False
    # A denial speaks only where its answer is given; for a contradiction that much is taken for granted.
    return _embeds([atom for atom in second.conditions if not isinstance(atom, Answered)], first, second, start)


def _embeds(conditions: Sequence[Atom], first: Rule, second: Rule, substitution: _Substitution) -> bool:
    if not conditions:
        return all(any(_match(mine, other, substitution) is not None for other in first.exceptions) for mine in second.exceptions)
    return any(
        found is not None and _embeds(conditions[1:], first, second, found)
        for found in (_match(conditions[0], other, substitution) for other in first.conditions)
    )


def _answer(rule: Rule) -> Variable | Entity | None:
    assert isinstance(rule.conclusion, Verdict)
    return rule.conclusion.answer


def _variables(atom: Atom) -> list[Variable]:
    return [term for term in _terms(atom) if isinstance(term, Variable)]


def _terms(atom: Atom) -> tuple[Term, ...]:
    match atom:
        case Fact():
            return atom.subject, atom.object
        case Comparison():
            return atom.left, atom.right
        case Attribute():
            return atom.entity, atom.value
        case _:
            return (atom.entity,)


def _match(general: Atom, special: Atom, substitution: _Substitution) -> _Substitution | None:
    """Return the substitution under which the first atom holds wherever the second does, or None."""
    match general, special:
        case Fact(), Fact():
            is_alike = general.relation == special.relation and general.minimum_confidence <= special.minimum_confidence
        case Answered(), Answered():
            is_alike = general.minimum_confidence <= special.minimum_confidence
        case Kind(), Kind():
            is_alike = general.kind == special.kind
        case Attribute(), Attribute():
            is_alike = (general.attribute, general.operator) == (special.attribute, special.operator)
        case Comparison(), Comparison():
            is_alike = general.operator is special.operator
        case Mentioned(), Mentioned():
            is_alike = general.statuses >= special.statuses
        case _:
            is_alike = False
    if not is_alike:
        return None
    found = dict(substitution)
    for mine, other in zip(_terms(general), _terms(special), strict=True):
        if isinstance(mine, Variable):
            if found.setdefault(mine, other) != other:
                return None
        elif mine != other:
            return None
    return found

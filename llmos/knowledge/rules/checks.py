"""What is wrong with rules before they are used: each on its own, all together, and against the words of a graph.

Must not: run a rule; `liveness` does that to find rules that hold nowhere.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from llmos.knowledge.rules.anchors import find_unanchored
from llmos.knowledge.rules.contradictions import find_contradictions, find_impossible
from llmos.knowledge.rules.findings import Finding
from llmos.knowledge.rules.strata import plan_rules
from llmos.knowledge.rules.syntax import (
    Attribute,
    Comparison,
    Constant,
    Entity,
    Fact,
    Kind,
    Operator,
    Rule,
    Term,
    Variable,
    entity_terms,
    value_terms,
    variables,
)
from llmos.knowledge.rules.vocabulary import Vocabulary, named_entities, needs_entity

__all__ = ["check_alone", "check_rules"]

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_SHOWN: Final = 5


def check_rules(rules: Sequence[Rule], vocabulary: Vocabulary) -> list[Finding]:
    """Check rules against each other and against a graph, errors and warnings.

    Raises: ConfigError (InvalidRules) if "not known" goes round in a circle.
    """
    findings = check_alone(rules)
    if any(finding.is_error for finding in findings):
        return findings  # what follows takes for granted that each rule makes sense
    plan = plan_rules(rules)
    derived = {rule.conclusion.relation for rule in rules if isinstance(rule.conclusion, Fact)}
    findings += _unknown_words(rules, vocabulary, derived)
    findings += find_unanchored(plan)
    findings += find_contradictions(rules)
    findings += find_impossible(rules, vocabulary)
    return findings


def check_alone(rules: Sequence[Rule]) -> list[Finding]:
    """Check what needs no graph: names, variables, sentences, and what is concluded from not knowing."""
    counts = Counter(rule.name for rule in rules)
    findings = [Finding(name, f"is there {count} times; give each a name of its own") for name, count in counts.items() if count > 1]
    for rule in rules:
        findings += _sorts(rule)
        findings += _unsafe(rule)
        findings += _because(rule)
        if isinstance(rule.conclusion, Fact) and rule.exceptions and not rule.treats_unknown_as_false:
            findings.append(
                Finding(
                    rule.name,
                    f"concludes `{rule.conclusion}` from what is merely not known (`unless`); if unknown shall count as false, say so "
                    f"with `unknown: TreatedAsFalse`",
                )
            )
        if rule.treats_unknown_as_false and not (isinstance(rule.conclusion, Fact) and rule.exceptions):
            findings.append(Finding(rule.name, "says `unknown: TreatedAsFalse` and concludes no fact from `unless`; take it away"))
    return findings


def bound_variables(rule: Rule) -> tuple[set[Variable], set[Variable]]:
    """Return the variables that the conditions give an entity, and those that they give a value."""
    entities = {term for atom in rule.body for term in entity_terms(atom) if isinstance(term, Variable)}
    values = {
        atom.value
        for atom in rule.conditions
        if isinstance(atom, Attribute) and atom.operator is Operator.Equal and isinstance(atom.value, Variable)
    }
    return entities, values


def _sorts(rule: Rule) -> Iterator[Finding]:
    atoms = (*rule.conditions, *rule.exceptions, rule.conclusion)
    entities = {term for atom in atoms for term in entity_terms(atom) if isinstance(term, Variable)}
    values = {term for atom in atoms for term in value_terms(atom) if isinstance(term, Variable)}
    for variable in sorted(entities & values):
        yield Finding(rule.name, f"uses {variable} for an entity and for a value; take two variables")
    for atom in atoms:
        if isinstance(atom, Comparison):
            sorts = {_sort(term, entities, values) for term in (atom.left, atom.right)}
            if len(sorts - {""}) > 1:
                yield Finding(rule.name, f"compares an entity with a value in `{atom}`; compare like with like")
            elif atom.operator.is_order and "entity" in sorts:
                yield Finding(rule.name, f"asks in `{atom}` which entity is larger; entities can only be compared with = and !=")
        if isinstance(atom, Comparison | Attribute) and atom.operator.is_order:
            terms: tuple[Term, ...] = (atom.left, atom.right) if isinstance(atom, Comparison) else (atom.value,)
            for term in terms:
                if isinstance(term, Constant) and not term.is_number:
                    yield Finding(rule.name, f"asks in `{atom}` whether something is larger than text; write a number without quotes")


def _sort(term: Term, entities: set[Variable], values: set[Variable]) -> str:
    if isinstance(term, Entity) or term in entities:
        return "entity"
    return "value" if isinstance(term, Constant) or term in values else ""


def _unsafe(rule: Rule) -> Iterator[Finding]:
    entities, values = bound_variables(rule)
    # A verdict's own variable counts as bound only where the answer binds it; a requirement has to name what it requires.
    if isinstance(rule.conclusion, Fact) or rule.body == rule.conditions:
        entities = {term for atom in rule.conditions for term in entity_terms(atom) if isinstance(term, Variable)}
    known = entities | values
    for variable in sorted(set(variables(rule.conclusion)) - known):
        yield Finding(rule.name, f"concludes something of {variable}, which no condition gives a value; name it in `if`")
    for atom in (*rule.conditions, *rule.exceptions):
        is_exception = any(atom is exception for exception in rule.exceptions)
        for variable in dict.fromkeys(_must_be_bound(atom, is_exception)):
            if variable not in known:
                yield Finding(
                    rule.name, f"compares {variable} in `{atom}`, and no condition gives it a value; write `?x.attribute = {variable}`"
                )
    if not any(True for atom in rule.body if not isinstance(atom, Comparison)):
        yield Finding(rule.name, "has only comparisons in `if`; name a fact, a kind, an attribute, a mention or the answer")


def _must_be_bound(atom: object, is_exception: bool) -> Iterator[Variable]:
    if isinstance(atom, Comparison):
        yield from variables(atom)
    elif isinstance(atom, Attribute) and isinstance(atom.value, Variable) and atom.operator is not Operator.Equal:
        yield atom.value


def _because(rule: Rule) -> Iterator[Finding]:
    entities, values = bound_variables(rule)
    names = {variable.name for variable in entities | values}
    for placeholder in _PLACEHOLDER.findall(rule.because):
        if placeholder not in names:
            yield Finding(
                rule.name, f"says {{{placeholder}}} in `because`, and no condition has ?{placeholder}{_suggest(placeholder, names)}"
            )


def _unknown_words(rules: Sequence[Rule], vocabulary: Vocabulary, derived: set[str]) -> Iterator[Finding]:
    missing = named_entities(rules) - vocabulary.entities
    for rule in rules:
        for atom in (*rule.conditions, *rule.exceptions, rule.conclusion):
            match atom:
                case Fact() if atom is not rule.conclusion:
                    yield from _unknown(rule, "relation", atom.relation, vocabulary.relations | derived)
                case Kind():
                    yield from _unknown(rule, "kind", atom.kind, vocabulary.kinds)
                case Attribute():
                    yield from _unknown(rule, "attribute", atom.attribute, vocabulary.attributes)
            if needs_entity(atom):
                for term in entity_terms(atom):
                    if isinstance(term, Entity) and term.id in missing:
                        yield Finding(
                            rule.name, f"names the entity `{term}`, which no source defines; correct it, or add a source that does"
                        )


def _unknown(rule: Rule, what: str, name: str, known: Iterable[str]) -> Iterator[Finding]:
    known = set(known)
    if name not in known:
        yield Finding(rule.name, f"asks for the {what} `{name}`, which neither a source nor a rule gives{_suggest(name, known)}")


def _suggest(name: str, known: Iterable[str]) -> str:
    """Return the remedy: the nearest word, or what there is."""
    ordered = sorted(known)
    if close := get_close_matches(name, ordered, n=1):
        return f"; did you mean `{close[0]}`?"
    shown = ", ".join(f"`{word}`" for word in ordered[:_SHOWN])
    return f"; there is {shown}{', …' if len(ordered) > _SHOWN else ''}" if ordered else "; there is none"

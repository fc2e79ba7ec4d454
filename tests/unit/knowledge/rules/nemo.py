"""Rules as a program for Nemo, an independent engine: the oracle. It knows facts and negation, no confidence."""

import json
from dataclasses import replace

import nmo_python

from llmos.knowledge.rules.strata import plan_rules
from llmos.knowledge.rules.syntax import Attribute, Comparison, Entity, Fact, Kind, Operator, Variable, variables

_OPPOSITE = {
    Operator.Equal: Operator.Different,
    Operator.Less: Operator.GreaterOrEqual,
    Operator.Greater: Operator.LessOrEqual,
}
_OPPOSITE |= {other: one for one, other in _OPPOSITE.items()}


def derived_by_nemo(world, rules) -> set[tuple[str, str, str]]:
    """Return stated and derived facts of every relation that a rule derives."""
    lines = [f'kind({json.dumps(id)}, "{kind}").' for id, kind in world.entities.items()]
    lines += [f"f_{relation}({json.dumps(subject)}, {json.dumps(object_)})." for subject, relation, object_, *_ in world.facts]
    lines += [f"v_{attribute}({json.dumps(entity)}, {value})." for entity, attribute, value in world.values]
    for index, rule in enumerate(rules):
        lines += _rule(rule, index)
    relations = sorted({rule.conclusion.relation for rule in rules})
    lines += [f"@export f_{relation} :- csv{{}}." for relation in relations]
    assert not plan_rules(rules).answer
    engine = nmo_python.NemoEngine(nmo_python.load_string("\n".join(lines)))
    engine.reason()
    return {(_plain(row[0]), relation, _plain(row[1])) for relation in relations for row in engine.result(f"f_{relation}")}


def _rule(rule, index):
    bound = {variable for atom in rule.conditions for variable in variables(atom)}
    body = [_atom(atom) for atom in rule.conditions]
    helpers = []
    for place, atom in enumerate(rule.exceptions):
        if isinstance(atom, Comparison):
            body.append(_atom(replace(atom, operator=_OPPOSITE[atom.operator])))
            continue
        # Nemo's negation has no variables of its own, so an exception becomes a relation over those that the rule binds.
        shared = [variable for variable in dict.fromkeys(variables(atom)) if variable in bound]
        terms = ", ".join(map(str, shared)) or '"x"'
        helpers.append(f"n_{index}_{place}({terms}) :- {_atom(atom)}.")
        body.append(f"~n_{index}_{place}({terms})")
    return [*helpers, f"{_atom(rule.conclusion)} :- {', '.join(body)}."]


def _atom(atom):
    match atom:
        case Fact():
            return f"f_{atom.relation}({_term(atom.subject)}, {_term(atom.object)})"
        case Kind():
            return f'kind({_term(atom.entity)}, "{atom.kind}")'
        case Attribute() if isinstance(atom.value, Variable):
            return f"v_{atom.attribute}({_term(atom.entity)}, {atom.value})"
        case Attribute():
            fresh = f"?value_{str(atom).encode().hex()}"
            return f"v_{atom.attribute}({_term(atom.entity)}, {fresh}), {fresh} {atom.operator} {atom.value.text}"
        case Comparison():
            return f"{_term(atom.left)} {atom.operator} {_term(atom.right)}"


def _term(term):
    return json.dumps(term.id) if isinstance(term, Entity) else str(term) if isinstance(term, Variable) else term.text


def _plain(value) -> str:
    text = str(value)
    return json.loads(text) if text.startswith('"') else text

"""Solutions of a rule → the sentence a person is told, and its premises.

Must not: decide anything.
"""

import re
from typing import Any, Final

from llmos.knowledge.rules.graph import Graph
from llmos.knowledge.rules.joins import Join
from llmos.knowledge.rules.syntax import Answered, Attribute, Comparison, Fact, Kind, Mentioned, Variable

__all__ = ["render_premises", "render_sentence"]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}", re.ASCII)


def render_sentence(join: Join, values: list[Any], graph: Graph) -> str:
    """Fill the names of entities, and values, into a rule's `because`."""
    entities = {term for atom in join.rule.body for term in _entities(atom)}

    def shown(match: re.Match[str]) -> str:
        variable = Variable(match[1])
        value = values[join.places[variable]]
        return graph.name(value) if variable in entities else _value(value)

    return _PLACEHOLDER.sub(shown, join.rule.because)


def render_premises(join: Join, values: list[Any], graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Return what a solution rests on, in the order of the rule; the form of proofs, and `mentioned` and `answer`."""
    premises: list[tuple[str, ...]] = []
    for atom in join.rule.body:
        named = [graph.id(join.value(term, values)) for term in _entities(atom)]
        match atom:
            case Fact():
                premises.append(("fact", named[0], atom.relation, named[1]))
            case Kind():
                premises.append(("kind", named[0], atom.kind))
            case Attribute():
                premises.append(("attribute", named[0], atom.attribute, str(atom.operator), _value(join.value(atom.value, values))))
            case Mentioned():
                premises.append(("mentioned", named[0]))
            case Answered():
                premises.append(("answer", named[0]))
            case Comparison():
                pass
    return tuple(premises)


def _entities(atom: object) -> tuple[Any, ...]:
    match atom:
        case Fact():
            return atom.subject, atom.object
        case Kind() | Attribute() | Mentioned() | Answered():
            return (atom.entity,)
        case _:
            return ()


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"

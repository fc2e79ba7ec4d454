"""The syntax tree of rules: what a parsed rule is, for checks, SQL and answers alike.

A rule says: if all of `conditions` are known and none of `exceptions` is, then `conclusion`. Its text form stands in docs/rules.md.
Must not: parse, or know a database.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from llmos.knowledge.linking.assertion import Status
from llmos.knowledge.rules.tokens import is_bare
from llmos.knowledge.sink import CERTAIN

__all__ = [
    "Answered",
    "Atom",
    "Attribute",
    "Comparison",
    "Conclusion",
    "Constant",
    "Entity",
    "Fact",
    "Kind",
    "Mentioned",
    "Operator",
    "Rule",
    "Term",
    "Variable",
    "Verb",
    "Verdict",
    "entity_terms",
    "value_terms",
    "variables",
]


@dataclass(frozen=True, slots=True, order=True)
class Variable:
    """`?name`: the same thing wherever it stands in one rule."""

    name: str

    def __str__(self) -> str:
        return f"?{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """One entity, or one label of a model, by its identifier."""

    id: str

    def __str__(self) -> str:
        return self.id if is_bare(self.id) else f"<{self.id}>"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in a rule: a number as it was written, or text."""

    text: str
    is_number: bool

    def __str__(self) -> str:
        escaped = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return self.text if self.is_number else f'"{escaped}"'


Term = Variable | Entity | Constant


class Operator(StrEnum):
    """How two things are compared."""

    Equal = "="
    Different = "!="
    Less = "<"
    LessOrEqual = "<="
    Greater = ">"
    GreaterOrEqual = ">="

    @property
    def is_order(self) -> bool:
        """Whether it asks which of two numbers is larger."""
        return self not in (Operator.Equal, Operator.Different)


@dataclass(frozen=True, slots=True)
class Fact:
    """`?d has_phenotype ?p with confidence >= 0.8`."""

    subject: Variable | Entity
    relation: str
    object: Variable | Entity
    minimum_confidence: int = 0
    """In thousandths."""

    def __str__(self) -> str:
        return f"{self.subject} {_word(self.relation)} {self.object}{_confidence(self.minimum_confidence)}"


@dataclass(frozen=True, slots=True)
class Kind:
    """`?d a Disease`."""

    entity: Variable | Entity
    kind: str

    def __str__(self) -> str:
        return f"{self.entity} a {_word(self.kind)}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """`?d.age >= 18`; `?d.age = ?n` gives the variable its value."""

    entity: Variable | Entity
    attribute: str
    operator: Operator
    value: Variable | Constant

    def __str__(self) -> str:
        subject = self.entity if isinstance(self.entity, Variable) else f"<{self.entity.id}>"
        return f"{subject}.{_word(self.attribute)} {self.operator} {self.value}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`?n >= 18`, `?x != ?y`."""

    left: Term
    operator: Operator
    right: Term

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Mentioned:
    """`mentioned ?e as Negated`: the question names it, and says this of it."""

    entity: Variable | Entity
    statuses: frozenset[Status] = frozenset({Status.Present})

    def __str__(self) -> str:
        if self.statuses == {Status.Present}:
            return f"mentioned {self.entity}"
        named = " or ".join(status for status in Status if status in self.statuses)
        return f"mentioned {self.entity} as {'Any' if len(self.statuses) == len(Status) else named}"


@dataclass(frozen=True, slots=True)
class Answered:
    """`answer ?x with confidence >= 0.9`: the model's label, and its score."""

    entity: Variable | Entity
    minimum_confidence: int = 0
    """In thousandths."""

    def __str__(self) -> str:
        return f"answer {self.entity}{_confidence(self.minimum_confidence)}"


Atom = Fact | Kind | Attribute | Comparison | Mentioned | Answered


class Verb(StrEnum):
    """What a rule says about an answer."""

    Deny = "Deny"
    Require = "Require"
    Warn = "Warn"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`deny answer ?x`, `require answer ?x`, `warn answer ?x`, `warn`."""

    verb: Verb
    answer: Variable | Entity | None = None
    """None: whatever the answer is."""

    def __str__(self) -> str:
        verb = self.verb.lower()
        return verb if self.answer is None else f"{verb} answer {self.answer}"


Conclusion = Fact | Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule."""

    name: str
    conditions: tuple[Atom, ...]
    exceptions: tuple[Atom, ...] = ()
    """"Not known": the rule holds where none of them is."""

    conclusion: Conclusion
    because: str
    """What a person is told; `{d}` stands for the name of `?d`."""

    times: int = CERTAIN
    """What the smallest confidence of the premises is multiplied by, in thousandths."""

    limit: int = CERTAIN
    """The most confidence it gives, in thousandths."""

    treats_unknown_as_false: bool = False
    """It says that it concludes something from what is merely not known."""

    def confidence(self, smallest: int) -> int:
        """Return the confidence of the conclusion, given the smallest of the premises'."""
        return min(smallest * self.times // CERTAIN, self.limit)

    @property
    def body(self) -> tuple[Atom, ...]:
        """What must be known: the conditions, and that the answer is the one a denial or a warning names."""
        verdict = self.conclusion
        if isinstance(verdict, Verdict) and verdict.answer is not None and verdict.verb is not Verb.Require:
            implied = Answered(verdict.answer)
            if not any(isinstance(atom, Answered) and atom.entity == verdict.answer for atom in self.conditions):
                return (*self.conditions, implied)
        return self.conditions


def entity_terms(atom: Atom | Conclusion) -> Iterator[Term]:
    """Yield the terms that stand for entities; a comparison's may stand for either."""
    match atom:
        case Fact():
            yield atom.subject
            yield atom.object
        case Kind() | Attribute() | Mentioned() | Answered():
            yield atom.entity
        case Verdict() if atom.answer is not None:
            yield atom.answer


def value_terms(atom: Atom | Conclusion) -> Iterator[Term]:
    """Yield the terms that stand for values."""
    if isinstance(atom, Attribute):
        yield atom.value


def variables(atom: Atom | Conclusion) -> Iterator[Variable]:
    """Yield the variables of an atom, in the order they stand."""
    terms = (atom.left, atom.right) if isinstance(atom, Comparison) else (*entity_terms(atom), *value_terms(atom))
    return (term for term in terms if isinstance(term, Variable))


def _confidence(thousandths: int) -> str:
    return f" with confidence >= {thousandths / CERTAIN:g}" if thousandths else ""


def _word(text: str) -> str:
    return text if is_bare(text) else f"<{text}>"

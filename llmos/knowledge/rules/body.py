"""A rule's body → SQL over the tables that a build's rules work on (`store`): one join, with confidence, partitions and bindings.

    store_<n>  (s, o, mask, confidence, round, stated)   facts of one relation, a row for each set of partitions
    kinds      (entity, kind, mask)
    values_<n> (entity, value, number, key, mask, id)    literals of one attribute

`mask` has a bit for each partition that must be visible. "Not known" looks only at what those see who see the premises, so that a private
fact never takes away what everybody gets. Must not: run SQL, or hold what differs from build to build but numbers of tables and entities.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
)

__all__ = ["NUMBER_SQL", "Body", "Names", "compile_body"]

NUMBER_SQL = r"^[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?$"
"""`tokens.NUMBER`, as DuckDB reads it."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the build calls things."""

    relations: Mapping[str, int]
    attributes: Mapping[str, int]
    entities: Mapping[str, int]
    """Numbers of the entities that rules name."""

    has_partitions: bool


@dataclass(slots=True)
class Body:
    """The pieces of a SELECT."""

    tables: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    columns: dict[Variable, str] = field(default_factory=dict)
    """Where an entity variable has its number."""

    keys: dict[Variable, str] = field(default_factory=dict)
    """Alias of the table that gives a value variable its value."""

    masks: list[str] = field(default_factory=list)
    confidences: list[str] = field(default_factory=list)
    bindings: list[str] = field(default_factory=list)
    """What decides the proof: numbers of entities, and ids of literals, in the order of the rule."""

    @property
    def mask(self) -> str:
        """The partitions of all premises."""
        return f"({' | '.join(self.masks) or '0::BIGINT'})"

    @property
    def confidence(self) -> str:
        """The smallest confidence of the premises."""
        return f"least({', '.join(self.confidences)})" if self.confidences else "1000"

    @property
    def source(self) -> str:
        """FROM and WHERE."""
        tables = ", ".join(self.tables) if self.tables else "(SELECT 1) AS nothing"
        return f"FROM {tables}" + (f" WHERE {' AND '.join(self.where)}" if self.where else "")


def compile_body(rule: Rule, names: Names, *, changed: int | None = None, with_exceptions: bool = True) -> Body:
    """Compile the body of a rule.

    Args:
        rule: a checked rule.
        names: numbers of tables and entities.
        changed: the condition that must be one of the last round's facts (`changed_<n>`); None: none must.
        with_exceptions: whether `unless` counts. Questions and answers (`mentioned`, `answer`) are left out either way: they are unknown
            to a build, which compiles such rules only to see whether they could ever hold.
    """
    body = Body()
    ordered = sorted(enumerate(rule.conditions), key=lambda item: isinstance(item[1], Comparison) or _is_test(item[1]))
    for index, atom in ordered:
        _add(body, atom, names, f"t{index}", table="changed" if index == changed else "store")
    if with_exceptions:
        for index, atom in enumerate(rule.exceptions):
            if not isinstance(atom, Mentioned | Answered):
                body.where.append(_exception(body, atom, names, f"u{index}"))
    return body


def _is_test(atom: Atom) -> bool:
    """Say whether an attribute is compared with a variable that something else must bind."""
    return isinstance(atom, Attribute) and isinstance(atom.value, Variable) and atom.operator is not Operator.Equal


def _add(body: Body, atom: Atom, names: Names, alias: str, *, table: str) -> None:
    match atom:
        case Fact():
            body.tables.append(f"{table}_{names.relations[atom.relation]} AS {alias}")
            body.masks.append(f"{alias}.mask")
            body.confidences.append(f"{alias}.confidence")
            if atom.minimum_confidence:
                body.where.append(f"{alias}.confidence >= {atom.minimum_confidence}")
            _bind(body, atom.subject, f"{alias}.s", names)
            _bind(body, atom.object, f"{alias}.o", names)
        case Kind():
            body.tables.append(f"kinds AS {alias}")
            body.masks.append(f"{alias}.mask")
            body.where.append(f"{alias}.kind = {_text(atom.kind)}")
            _bind(body, atom.entity, f"{alias}.entity", names)
        case Attribute():
            body.tables.append(f"values_{names.attributes[atom.attribute]} AS {alias}")
            body.masks.append(f"{alias}.mask")
            body.bindings.append(f"{alias}.id")
            _bind(body, atom.entity, f"{alias}.entity", names)
            if isinstance(atom.value, Variable) and atom.operator is Operator.Equal and atom.value not in body.keys:
                body.keys[atom.value] = alias
            else:
                body.where.append(_compare_values(body, (f"{alias}.key", f"{alias}.number"), atom.operator, _value(body, atom.value)))
        case Comparison():
            body.where.append(_compare(body, atom, names))
        case Mentioned() | Answered():
            pass


def _bind(body: Body, term: Term, column: str, names: Names) -> None:
    if isinstance(term, Entity):
        body.where.append(f"{column} = {names.entities[term.id]}")
    elif isinstance(term, Variable):
        if term in body.columns:
            body.where.append(f"{column} = {body.columns[term]}")
        else:
            body.columns[term] = column
            body.bindings.append(column)


def _exception(body: Body, atom: Atom, names: Names, alias: str) -> str:
    """Return SQL for "not known to those who see the premises"; variables of the exception alone stand for anything."""
    if isinstance(atom, Comparison):
        return f"NOT ({_compare(body, atom, names)})"
    inner = Body(columns=dict(body.columns), keys=dict(body.keys))
    _add(inner, atom, names, alias, table="store")
    where = list(inner.where)
    if names.has_partitions:
        where.append(f"({alias}.mask & {body.mask}) = {alias}.mask")
    return f"NOT EXISTS (SELECT 1 FROM {inner.tables[0]}{' WHERE ' + ' AND '.join(where) if where else ''})"  # noqa: S608


def _compare(body: Body, atom: Comparison, names: Names) -> str:
    if any(isinstance(term, Entity) or term in body.columns for term in (atom.left, atom.right)):
        left, right = (str(names.entities[t.id]) if isinstance(t, Entity) else body.columns[t] for t in (atom.left, atom.right))  # type: ignore[index]
        return f"{left} {'=' if atom.operator is Operator.Equal else '<>'} {right}"
    return _compare_values(body, _value(body, atom.left), atom.operator, _value(body, atom.right))


def _compare_values(body: Body, left: tuple[str, str], operator: Operator, right: tuple[str, str]) -> str:
    """Numbers are compared as numbers; what is no number is equal to the same text only, and neither smaller nor larger than anything."""
    if operator.is_order:
        return f"coalesce({left[1]} {operator} {right[1]}, false)"
    return f"{left[0]} {'=' if operator is Operator.Equal else '<>'} {right[0]}"


def _value(body: Body, term: Term) -> tuple[str, str]:
    """Return SQL for a value's key (what equality compares) and number."""
    if isinstance(term, Variable):
        return f"{body.keys[term]}.key", f"{body.keys[term]}.number"
    assert isinstance(term, Constant)
    if not term.is_number:
        return f"('t' || {_text(term.text)})", "NULL::DOUBLE"
    number = f"({_text(term.text)}::DOUBLE + 0.0)"
    return f"('n' || {number})", number


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

"""Rules as documents (YAML in a KnowledgeBase, JSON in a snapshot) ↔ syntax trees.

Must not: check rules against each other or against a graph; `checks` does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmos.errors import ConfigError
from llmos.knowledge.rules.parser import parse_atom, parse_conclusion, parse_thousandths
from llmos.knowledge.rules.syntax import Rule
from llmos.knowledge.rules.tokens import RuleSyntaxError
from llmos.knowledge.sink import CERTAIN

__all__ = ["MAXIMUM_RULES", "invalid_rules", "parse_rules", "rule_to_document"]

MAXIMUM_RULES: Final = 128
_MAXIMUM_CONDITIONS: Final = 16
_MAXIMUM_CHARACTERS: Final = 512
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FIELDS: Final = frozenset({"name", "if", "unless", "then", "because", "confidence", "unknown"})
_TREATED_AS_FALSE: Final = "TreatedAsFalse"


def invalid_rules(message: str) -> ConfigError:
    """Return the one error for whatever is wrong with rules."""
    return ConfigError(message, reason="InvalidRules")


def parse_rules(documents: Any) -> tuple[Rule, ...]:
    """Parse a list of rules.

    Raises: ConfigError (InvalidRules) that names the rule, the field, the character and what was expected there.
    """
    if not isinstance(documents, Sequence) or isinstance(documents, str):
        raise invalid_rules("rules must be a list")
    if len(documents) > MAXIMUM_RULES:
        raise invalid_rules(f"there are {len(documents)} rules; a knowledge base takes {MAXIMUM_RULES}")
    return tuple(_parse_rule(document, f"rules[{index}]") for index, document in enumerate(documents))


def rule_to_document(rule: Rule) -> dict[str, Any]:
    """Return the document of a rule, in one spelling: what `parse_rules` makes the same rule of."""
    document: dict[str, Any] = {"name": rule.name, "if": [str(atom) for atom in rule.conditions]}
    if rule.exceptions:
        document["unless"] = [str(atom) for atom in rule.exceptions]
    document |= {"then": str(rule.conclusion), "because": rule.because}
    numbers = {"times": rule.times, "limit": rule.limit}
    if confidence := {name: f"{value / CERTAIN:g}" for name, value in numbers.items() if value != CERTAIN}:
        document["confidence"] = confidence
    if rule.treats_unknown_as_false:
        document["unknown"] = _TREATED_AS_FALSE
    return document


def _parse_rule(document: Any, place: str) -> Rule:
    if not isinstance(document, Mapping):
        raise invalid_rules(f"{place} must have name, if, then and because")
    name = document.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid_rules(f"{place}.name is {name!r}; it must be up to 63 lower-case letters, digits and `-`")
    where = f"rule `{name}`"
    if unknown := sorted(str(field) for field in set(document) - _FIELDS):
        raise invalid_rules(f"{where} has the unknown field `{unknown[0]}`; it may have {', '.join(sorted(_FIELDS))}")
    confidence = document.get("confidence") or {}
    if not isinstance(confidence, Mapping) or set(confidence) - {"times", "limit"}:
        raise invalid_rules(f"{where}: confidence may have `times` and `limit`")
    if document.get("unknown", _TREATED_AS_FALSE) != _TREATED_AS_FALSE:
        raise invalid_rules(f"{where}: unknown may only be `{_TREATED_AS_FALSE}`")
    conditions = _texts(document.get("if"), f"{where}: if")
    if not conditions:
        raise invalid_rules(f"{where}: if must have at least one condition")
    return Rule(
        name=name,
        conditions=tuple(_parse(parse_atom, text, f"{where}: if[{index}]") for index, text in enumerate(conditions)),
        exceptions=tuple(
            _parse(parse_atom, text, f"{where}: unless[{index}]")
            for index, text in enumerate(_texts(document.get("unless", ()), f"{where}: unless"))
        ),
        conclusion=_parse(parse_conclusion, _text(document.get("then"), f"{where}: then"), f"{where}: then"),
        because=_text(document.get("because"), f"{where}: because"),
        times=_share(confidence.get("times", "1"), f"{where}: confidence.times"),
        limit=_share(confidence.get("limit", "1"), f"{where}: confidence.limit"),
        treats_unknown_as_false="unknown" in document,
    )


def _parse(parse: Any, text: str, where: str) -> Any:
    try:
        return parse(text)
    except RuleSyntaxError as error:
        raise invalid_rules(f"{where}, character {error.position} of `{text}`: {error}") from error


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > _MAXIMUM_CONDITIONS:
        raise invalid_rules(f"{where} must be a list of at most {_MAXIMUM_CONDITIONS} lines of text")
    return [_text(item, f"{where}[{index}]") for index, item in enumerate(value)]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _MAXIMUM_CHARACTERS:
        raise invalid_rules(f"{where} must be text of 1 to {_MAXIMUM_CHARACTERS} characters")
    return value


def _share(value: Any, where: str) -> int:
    try:
        return parse_thousandths(str(value))
    except ValueError as error:
        raise invalid_rules(f"{where}: {error}") from error

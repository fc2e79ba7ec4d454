"""Text of rules: what it means, and what is said of a mistake."""

import pytest
from hypothesis import given, settings

from llmos.errors import ConfigError
from llmos.knowledge.rules import parse_rules, rule_to_document
from llmos.knowledge.rules.parser import parse_atom
from llmos.knowledge.rules.tokens import RuleSyntaxError
from tests.unit.knowledge.rules.programs import programs


@pytest.mark.parametrize(
    "text",
    [
        "?d has_phenotype ?p",
        "?d has_phenotype HP:0001250 with confidence >= 0.8",
        "?d <has phenotype> <an id with spaces>",
        "?d a Disease",
        "?d.age >= 18",
        "?d.age = ?n",
        '<e 1>.label = "says \\"no\\""',
        "?x != ?y",
        "?n < 5",
        "mentioned ?e",
        "mentioned ?e as Negated or Past",
        "mentioned ?e as Any",
        "answer ?x with confidence >= 0.9",
        "?d <a> ?p",
    ],
)
def test_an_atom_is_written_as_it_was_read(text):
    assert str(parse_atom(text)) == text


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("?d", 3, "expected a relation, `a`, `.` or a comparison, found the end"),
        ("?d has ?p ?q", 11, "expected the end; each condition is an entry of its own, found `?q`"),
        ("?d has 5", 8, "expected a variable or an identifier, found `5`"),
        ("?d.age 18", 8, "expected one of = != < <= > >=, found `18`"),
        ('?d.age = "x', 10, 'text must end with `"`'),
        ("mentioned ?e as Maybe", 17, "found `Maybe`"),
        ("?d has ?p with confidence < 0.5", 27, "more confidence must never make a rule stop holding"),
        ("?d has ?p with confidence >= 1.5", 30, "a number from 0.001 to 1"),
        ("? d has ?p", 1, "a variable is `?` and a name"),
    ],
)
def test_a_mistake_is_located_and_says_what_was_expected(text, position, message):
    with pytest.raises(RuleSyntaxError) as caught:
        parse_atom(text)
    assert caught.value.position == position
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "No"}, "rules[0].name is 'No'"),
        ({"when": []}, "rule `r` has the unknown field `when`"),
        ({"if": []}, "rule `r`: if must have at least one condition"),
        ({"if": "?x a B"}, "rule `r`: if must be a list"),
        ({"then": "?x.age = 5"}, "character 1 of `?x.age = 5`: `then` must be a fact"),
        ({"then": "deny ?x"}, "character 6 of `deny ?x`: expected `answer`, found `?x`"),
        ({"because": " "}, "rule `r`: because must be text"),
        ({"confidence": {"times": "2"}}, "confidence.times: 2 must be a number from 0.001 to 1"),
        ({"unknown": "TreatedAsTrue"}, "unknown may only be `TreatedAsFalse`"),
    ],
)
def test_a_document_that_is_no_rule_is_refused(change, message):
    document = {"name": "r", "if": ["?x a B"], "then": "?x is_a ?x", "because": "so"}
    with pytest.raises(ConfigError) as caught:
        parse_rules([document | change])
    assert caught.value.reason == "InvalidRules"
    assert message in caught.value.message


@settings(max_examples=30, deadline=None)
@given(programs(confidences=("1", "0.5")))
def test_a_rule_survives_being_written_and_read(rules):
    assert parse_rules([rule_to_document(rule) for rule in rules]) == rules

"""What is refused or warned of before a rule is used."""

import pytest

from llmos.errors import ConfigError
from llmos.knowledge.rules.checks import check_rules
from llmos.knowledge.rules.vocabulary import Vocabulary

WORDS = Vocabulary(
    relations=frozenset({"has", "is_a", "treats"}),
    kinds=frozenset({"Disease", "Drug", "Term"}),
    attributes=frozenset({"age"}),
    entities=frozenset({"A:1", "A:2"}),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"then": "?x is_a ?z"}, "concludes something of ?z, which no condition gives a value"),
        ({"if": ["?x has ?y", "?n > 5"]}, "compares ?n in `?n > 5`, and no condition gives it a value"),
        ({"if": ["?x has ?y", "?y.age = ?x"]}, "uses ?x for an entity and for a value"),
        ({"if": ["?x has ?y", "?x < ?y"]}, "which entity is larger"),
        ({"if": ["?x has ?y", '?x.age > "5"']}, "larger than text"),
        ({"if": ["?x hsa ?y"]}, "asks for the relation `hsa`, which neither a source nor a rule gives; did you mean `has`?"),
        ({"if": ["?x has ?y", "?x a Diseases"]}, "did you mean `Disease`?"),
        (
            {"if": ["?x has ?y", "?x.weight > 5"]},
            "asks for the attribute `weight`, which neither a source nor a rule gives; there is `age`",
        ),
        ({"if": ["?x has ?y", "?y is_a A:9"]}, "names the entity `A:9`, which no source defines"),
        ({"unless": ["?x treats ?y"]}, "say so with `unknown: TreatedAsFalse`"),
        ({"unknown": "TreatedAsFalse"}, "concludes no fact from `unless`"),
        ({"because": "{x} and {w}"}, "says {w} in `because`, and no condition has ?w"),
        ({"then": "deny answer ?x", "if": ["?y a Disease", "mentioned ?z"]}, "would read all of the knowledge base for `?y a Disease`"),
        ({"then": "require answer ?w", "if": ["mentioned ?x"]}, "concludes something of ?w"),
    ],
)
def test_a_rule_with_a_mistake_is_an_error_with_a_remedy(rules, change, message):
    findings = check_rules(rules({"if": ["?x has ?y"], "then": "?x is_a ?y"} | change), WORDS)
    assert any(message in str(finding) and finding.is_error for finding in findings), [str(finding) for finding in findings]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"if": ["?x a Disease", "?x a Drug"], "then": "?x is_a ?x"}, "nothing is a Disease and a Drug"),
        ({"if": ["?x has ?y", "?x.age = ?n", "?n > 5", "?n <= 5"]}, "no number satisfies both `?n > 5` and `?n <= 5`"),
        ({"if": ["?x has ?y", "?x != ?x"]}, "`?x != ?x` is false"),
        ({"unless": ["?x has ?y"], "unknown": "TreatedAsFalse"}, "`unless ?x has ?y` takes away what `if ?x has ?y` asks for"),
        ({"unless": ["?x has ?z"], "unknown": "TreatedAsFalse"}, "takes away what `if ?x has ?y` asks for"),
        ({"if": ["?x loops ?y"], "then": "?x loops ?y"}, "`loops` is derived only from itself"),
    ],
)
def test_a_rule_that_can_never_hold_is_a_warning(rules, change, message):
    findings = check_rules(rules({"if": ["?x has ?y"], "then": "?x is_a ?y"} | change), WORDS)
    assert [message in str(finding) and not finding.is_error for finding in findings] == [True], [str(finding) for finding in findings]


def test_sound_rules_have_no_findings(rules):
    made = rules(
        {"if": ["?x is_a ?y", "?y is_a ?z"], "then": "?x is_a ?z"},
        {"if": ["?x has ?y", "?x.age = ?n", "?n >= 18"], "unless": ["?x treats ?w"], "then": "?x adult ?y", "unknown": "TreatedAsFalse"},
        {"if": ["mentioned ?m", "?x has ?m"], "unless": ["mentioned A:1 as Negated"], "then": "deny answer ?x"},
        {"if": ["mentioned ?m", "?m is_a ?k"], "then": "?m relevant ?k"},
        {"if": ["?m relevant ?k"], "then": "warn", "because": "{m} is a {k}"},
    )
    assert [str(finding) for finding in check_rules(made, WORDS)] == []


def test_a_name_twice_is_an_error(rules):
    made = rules({"name": "r", "if": ["?x has ?y"], "then": "?x is_a ?y"}, {"name": "r", "if": ["?x has ?y"], "then": "?x is_a ?x"})
    assert [str(finding) for finding in check_rules(made, WORDS)] == ["rule `r` is there 2 times; give each a name of its own"]


def test_not_known_in_a_circle_is_refused_and_the_circle_shown(rules):
    made = rules(
        {"if": ["?x has ?y"], "unless": ["?x bad ?y"], "then": "?x good ?y", "unknown": "TreatedAsFalse"},
        {"if": ["?x poor ?y"], "then": "?x bad ?y"},
        {"if": ["?x good ?y"], "then": "?x poor ?y"},
    )
    with pytest.raises(ConfigError) as caught:
        check_rules(made, WORDS)
    assert "(good unless bad needs poor needs good)" in caught.value.message


def test_requiring_what_is_denied_under_the_same_conditions_is_an_error(rules):
    made = rules(
        {"if": ["mentioned ?m", "?x treats ?m", "?x a Drug"], "then": "require answer ?x"},
        {"if": ["mentioned ?a", "?b treats ?a"], "then": "deny answer ?b"},
    )
    (finding,) = check_rules(made, WORDS)
    assert finding.is_error
    assert "requires what rule `r1` denies" in str(finding)


def test_requiring_and_denying_one_label_for_different_reasons_is_a_warning(rules):
    made = rules(
        {"if": ["mentioned A:1"], "then": "require answer label-7"},
        {"if": ["mentioned A:2"], "then": "deny answer label-7"},
    )
    (finding,) = check_rules(made, WORDS)
    assert not finding.is_error
    assert "require and deny label-7" in str(finding)

"""Random programs on random graphs: SQL, the evaluator for answers, and an independent engine derive the same."""

from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from llmos.knowledge.rules.derive import rules_step
from llmos.knowledge.rules.vocabulary import Vocabulary
from tests.unit.knowledge.rules.nemo import derived_by_nemo
from tests.unit.knowledge.rules.programs import programs, worlds
from tests.unit.knowledge.rules.worlds import derived_by_python, derived_by_sql

_FEW = settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
_MANY = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
_WORDS = Vocabulary(
    relations=frozenset({"r0", "r1", "d0", "d1", "d2"}),
    kinds=frozenset({"K0", "K1"}),
    attributes=frozenset({"age"}),
    entities=frozenset(f"e:{n}" for n in range(5)),
)


def apply(world, rules):
    # Programs may name a relation that nothing derives: that is refused in real life, and means "no facts" here.
    with patch("llmos.knowledge.rules.derive.read_vocabulary", lambda *_: _WORDS), world.connect() as connection:
        rules_step(rules)(connection)
        return derived_by_sql(connection)


def check_against_nemo(world, rules):
    derived = apply(world, rules)
    relations = {rule.conclusion.relation for rule in rules}
    stated = {fact[:3] for fact in world.facts if fact[1] in relations}
    assert derived.keys() | stated == derived_by_nemo(world, rules)
    assert not derived.keys() & stated, "what is stated stays stated"


def check_against_python(world, rules):
    assert apply(world, rules) == derived_by_python(world, rules)


@_FEW
@given(worlds(), programs())
def test_sql_derives_what_nemo_derives(world, rules):
    check_against_nemo(world, rules)


@_FEW
@given(worlds(confidences=(1000, 900, 700, 450)), programs(confidences=("1", "0.9", "0.5")))
def test_the_evaluator_for_answers_agrees_with_sql_in_facts_and_confidence(world, rules):
    check_against_python(world, rules)


@pytest.mark.soak
@_MANY
@given(worlds(), programs())
def test_sql_derives_what_nemo_derives_at_length(world, rules):
    check_against_nemo(world, rules)


@pytest.mark.soak
@_MANY
@given(worlds(confidences=(1000, 900, 700, 450)), programs(confidences=("1", "0.9", "0.5")))
def test_the_evaluator_agrees_with_sql_at_length(world, rules):
    check_against_python(world, rules)

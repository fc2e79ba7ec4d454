"""What a build derives: confidence, proofs, partitions, bounds."""

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from llmos.errors import ConfigError
from llmos.knowledge.rules import parse_rules
from llmos.knowledge.rules.derive import rules_step
from tests.unit.knowledge.rules.worlds import World, derived_by_sql

IDS = dict.fromkeys("ABCDE", "Term")
CLOSURE = {"if": ["?x is_a ?y", "?y is_a ?z"], "then": "?x is_a ?z"}


def derived(world, made, **options):
    with world.connect() as connection:
        rules_step(made, **options)(connection)
        return connection.execute("SELECT * EXCLUDE (subject, object), subject, object FROM derived ORDER BY ALL").fetchall()


def test_confidence_is_the_least_of_the_premises_and_the_best_of_the_proofs(rules):
    facts = [("A", "is_a", "B", 900), ("B", "is_a", "D", 600), ("A", "is_a", "C", 700), ("C", "is_a", "D", 800)]
    with World(IDS, facts).connect() as connection:
        rules_step(rules(CLOSURE))(connection)
        assert derived_by_sql(connection) == {("A", "is_a", "D"): 700}
        ((proof,),) = connection.execute("SELECT proof FROM derived").fetchall()
    assert json.loads(proof) == [["fact", "A", "is_a", "C"], ["fact", "C", "is_a", "D"]]


def test_a_rule_may_lower_confidence_and_a_premise_may_ask_for_some(rules):
    facts = [("A", "is_a", "B", 900), ("C", "is_a", "B", 500)]
    made = rules(
        {"if": ["?x is_a ?y"], "then": "?y has ?x", "confidence": {"times": "0.9"}},
        {"if": ["?y has ?x with confidence >= 0.5"], "then": "?y holds ?x", "confidence": {"limit": "0.7"}},
    )
    with World(IDS, facts).connect() as connection:
        rules_step(made)(connection)
        assert derived_by_sql(connection) == {("B", "has", "A"): 810, ("B", "has", "C"): 450, ("B", "holds", "A"): 700}


def test_a_circle_of_facts_ends_and_every_proof_rests_on_what_is_stated(rules):
    world = World(IDS, [("A", "is_a", "B"), ("B", "is_a", "C"), ("C", "is_a", "A")])
    rows = derived(world, rules(CLOSURE))
    proofs = {(row[-2], row[-1]): [(p[1], p[3]) for p in json.loads(row[4])] for row in rows}
    numbers = dict(zip("ABCDE", range(1, 6), strict=True))
    stated = {(numbers[s], numbers[o]) for s, _, o in world.facts}
    assert len(proofs) == 6

    def rests_on_stated(fact, seen):
        assert fact not in seen, "a proof must not rest on what it proves"
        return fact in stated or all(rests_on_stated((numbers[s], numbers[o]), seen | {fact}) for s, o in proofs[fact])

    assert all(rests_on_stated(fact, frozenset()) for fact in proofs)


def test_a_derived_fact_needs_the_partitions_of_all_its_premises(rules):
    facts = [("A", "is_a", "B", 1000, "red"), ("B", "is_a", "C", 1000, "blue"), ("A", "is_a", "D"), ("D", "is_a", "C", 800)]
    rows = derived(World(IDS, facts), rules(CLOSURE))
    assert [(row[2], row[3]) for row in rows] == [(800, ""), (1000, "blue,red")]


def test_a_private_fact_takes_nothing_away_from_others(rules):
    made = rules({"if": ["?x a Term"], "unless": ["?x hidden ?y"], "then": "?x shown ?x", "unknown": "TreatedAsFalse"})
    facts = [("A", "hidden", "A", 1000, "red"), ("B", "hidden", "B")]
    with World(IDS, facts).connect() as connection:
        rules_step(made)(connection)
        assert {fact[0] for fact in derived_by_sql(connection)} == {"A", "C", "D", "E"}


_FACT = st.tuples(st.sampled_from("ABCDE"), st.sampled_from(["is_a", "has"]), st.sampled_from("ABCDE"), st.sampled_from([1000, 800]))


@settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(_FACT, min_size=3, max_size=9), st.lists(_FACT, max_size=6))
def test_private_facts_change_nothing_that_others_get(public, private):
    made = parse_rules(
        [
            {"name": "closure", "because": "so", **CLOSURE},
            {"name": "inherit", "because": "so", "if": ["?x has ?y", "?y is_a ?z"], "then": "?x has ?z", "confidence": {"times": "0.9"}},
            {
                "name": "bare",
                "because": "so",
                "if": ["?x is_a ?y"],
                "unless": ["?x has ?z"],
                "then": "?x bare ?y",
                "unknown": "TreatedAsFalse",
            },
        ]
    )
    base = [*public, ("A", "has", "E"), ("E", "is_a", "D")]

    def seen_by_all(facts):
        return [row[:-2] + row[-2:] for row in derived(World(IDS, facts), made) if not row[3]]

    assert seen_by_all([*base, *((*fact, "red") for fact in private)]) == seen_by_all(base)


def test_attributes_compare_as_numbers_and_stand_in_the_proof(rules):
    values = [("A", "age", "7"), ("B", "age", "7.0"), ("C", "age", "seven"), ("D", "age", "1e1"), ("E", "age", "nan")]
    made = rules(
        {"if": ["?x.age = ?n", "?y.age = ?n", "?x != ?y"], "then": "?x same ?y"},
        {"if": ["?x.age > 7"], "then": "?x old ?x"},
    )
    with World(IDS, [], values).connect() as connection:
        rules_step(made)(connection)
        assert derived_by_sql(connection).keys() == {("A", "same", "B"), ("B", "same", "A"), ("D", "old", "D")}
        proofs = [json.loads(row[0]) for row in connection.execute("SELECT proof FROM derived WHERE predicate = 'old'").fetchall()]
    assert proofs == [[["attribute", "D", "age", "1e1"]]]


def test_too_many_facts_stop_the_build_with_the_rules_named(rules):
    chain = [(first, "is_a", second) for first, second in zip("ABCD", "BCDE", strict=True)]
    with World(IDS, chain).connect() as connection, pytest.raises(ConfigError, match="rules `r0` derive more than 3 facts") as caught:
        rules_step(rules(CLOSURE), maximum_derived=3)(connection)
    assert caught.value.reason == "TooManyDerivedFacts"


def test_text_of_sources_never_becomes_sql(rules):
    evil = "x'); DROP TABLE fact; --"
    made = rules({"if": [f"?x <{evil}> ?y"], "then": f"?y <{evil}2> ?x"})
    with World({**IDS, evil: "Term"}, [(evil, evil, "A")]).connect() as connection:
        rules_step(made)(connection)
        assert derived_by_sql(connection) == {("A", f"{evil}2", evil): 1000}
        ((proof,),) = connection.execute("SELECT proof FROM derived").fetchall()
    assert json.loads(proof) == [["fact", evil, evil, "A"]]

"""What rules say about answers, and why facts are there, on a real snapshot."""

from itertools import product

import pytest

from llmos.knowledge import LinkingSettings, Snapshot, Status, build_snapshot
from llmos.knowledge.reading.lookup import Lookup
from llmos.knowledge.reading.values import FactSource
from llmos.knowledge.rules import RULES_DOCUMENT, RuleSet, Verb, explain, parse_rules, rule_to_document
from llmos.knowledge.rules.derive import rules_step
from llmos.knowledge.rules.snapshot_graph import SnapshotGraph
from tests.unit.knowledge.conftest import write_sources

RULES = parse_rules(
    [
        {"name": "closure", "if": ["?x is_a ?y", "?y is_a ?z"], "then": "?x is_a ?z", "because": "{x} is a {y}"},
        {"name": "inherit", "if": ["?d has_phenotype ?p", "?p is_a ?q"], "then": "?d has_phenotype ?q", "because": "{d} shows {p}"},
        {"name": "lacking", "if": ["mentioned ?p", "?d lacks_phenotype ?p"], "then": "deny answer ?d", "because": "{d} has no {p}"},
        {"name": "negated", "if": ["mentioned ?e as Negated"], "then": "warn answer ?e", "because": "there is no {e}"},
        {
            "name": "needed",
            "if": ["mentioned HP:0000256", "mentioned ?p", "?p is_a HP:0000118"],
            "unless": ["mentioned HP:0001250"],
            "then": "require answer OMIM:1",
            "because": "{p} calls for it",
        },
        {"name": "linked", "if": ["mentioned ?p", "answer ?d", "?d has_phenotype ?p"], "then": "?d fits ?p", "because": "so"},
        {
            "name": "unfit",
            "if": ["answer ?d with confidence >= 0.5"],
            "unless": ["?d fits ?p"],
            "then": "warn",
            "because": "{d} fits nothing",
        },
    ]
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    directory = tmp_path_factory.mktemp("snapshot")
    documents = {RULES_DOCUMENT: [rule_to_document(rule) for rule in RULES]}
    files = write_sources(tmp_path_factory.mktemp("sources"))
    build_snapshot(files, directory, linking=LinkingSettings(), steps=[rules_step(RULES)], documents=documents)
    with Snapshot.open(directory) as snapshot:
        yield snapshot, RuleSet.load(snapshot)


def verdicts(judged, text, answer="OMIM:1", score=900):
    snapshot, rules = judged
    return [(v.verb, v.rule, v.answer, v.because) for v in rules.judge(snapshot.link(text), [(answer, score)])]


def test_an_answer_that_the_facts_speak_against_is_denied(judged):
    found = verdicts(judged, "a seizure")
    assert (Verb.Deny, "lacking", "OMIM:1", "Low-tone syndrome has no Seizure") in found
    assert verdicts(judged, "a seizure", answer="OMIM:2") == []


def test_only_what_is_present_counts_unless_a_rule_asks_for_more(judged):
    snapshot, _ = judged
    assert [mention.status for mention in snapshot.link("no seizure")] == [Status.Negated]
    found = verdicts(judged, "no seizure", answer="HP:0001250")
    assert (Verb.Warn, "negated", "HP:0001250", "there is no Seizure") in found
    assert verdicts(judged, "no seizure", score=100) == []


def test_a_requirement_says_whether_it_is_met(judged):
    snapshot, rules = judged
    mentions = snapshot.link("a large head")
    met = {answer: [v.is_met for v in rules.judge(mentions, [(answer, 900)]) if v.rule == "needed"] for answer in ("OMIM:1", "OMIM:2")}
    assert met == {"OMIM:1": [True], "OMIM:2": [False]}
    assert all(verdict[1] != "needed" for verdict in verdicts(judged, "a large head and a seizure")), "its exception holds"


def test_what_is_derived_for_one_answer_is_gone_with_it(judged):
    assert (Verb.Warn, "unfit", "", "Low-tone syndrome fits nothing") in verdicts(judged, "nothing known")
    assert all(rule != "unfit" for _, rule, _, _ in verdicts(judged, "hypotonia"))
    assert (Verb.Warn, "unfit", "", "Low-tone syndrome fits nothing") in verdicts(judged, "nothing known")


def test_a_verdict_names_its_premises(judged):
    snapshot, rules = judged
    (verdict,) = [v for v in rules.judge(snapshot.link("a seizure"), [("OMIM:1", 900)]) if v.rule == "lacking"]
    assert verdict.premises == (("mentioned", "HP:0001250"), ("fact", "OMIM:1", "lacks_phenotype", "HP:0001250"), ("answer", "OMIM:1"))
    assert verdict.confidence == 900, "the answer's score is a premise"


def test_rules_that_fail_deny(judged, monkeypatch):
    _, rules = judged
    monkeypatch.setattr("llmos.knowledge.rules.verdicts._STEPS", 1)
    snapshot = judged[0]
    (verdict,) = rules.judge(snapshot.link("a seizure, a large head, hypotonia"), [("OMIM:1", 900)])
    assert (verdict.verb, verdict.rule) == (Verb.Deny, "")
    assert "looked at more than" in verdict.because
    monkeypatch.setattr(rules, "_graph", lambda: 1 / 0)
    (verdict,) = rules.judge((), [("OMIM:1", 900)])
    assert verdict.verb is Verb.Deny
    assert "could not be applied" in verdict.because


def test_a_label_that_is_no_entity_is_judged_by_its_identifier(judged):
    assert (Verb.Warn, "unfit", "", "label-7 fits nothing") in verdicts(judged, "a seizure", answer="label-7")


def test_a_derived_fact_is_explained_down_to_the_files(judged):
    snapshot, _ = judged
    explanation = explain(snapshot, "OMIM:1", "has_phenotype", "HP:0000001")
    assert explanation.rule == "inherit"
    leaves = []

    def walk(node):
        assert bool(node.rule) != bool(node.sources)
        leaves.extend(node.sources)
        for premise in node.premises:
            walk(premise)

    walk(explanation)
    assert set(leaves) == {FactSource("hpo", "2025-01-16", "data/hp.obo"), FactSource("hpo", "2025-01-16", "data/phenotype.hpoa")}
    assert str(explanation).splitlines()[0] == "OMIM:1 has_phenotype HP:0000001  [by rule inherit]"
    assert explain(snapshot, "OMIM:1", "has_phenotype", "OMIM:2") is None


def test_whether_one_fact_is_known_is_asked_without_reading_all_facts_of_a_popular_entity(judged, monkeypatch):
    snapshot, _ = judged
    graph = SnapshotGraph(Lookup(snapshot.view), {"has_phenotype": Lookup(snapshot.view).predicate("has_phenotype")})
    known = {
        (subject, object): confidence
        for subject in map(graph.key, ("OMIM:1", "OMIM:2", "HP:0000118"))
        for object, confidence in graph.objects(subject, "has_phenotype").items()
    }
    assert known
    fresh = SnapshotGraph(Lookup(snapshot.view), graph._predicates)
    monkeypatch.setattr(Lookup, "ends", lambda *_: pytest.fail("all facts of an entity were read"))
    entities = {entity for pair in known for entity in pair}
    assert {pair: fresh.confidence(pair[0], "has_phenotype", pair[1]) for pair in product(entities, repeat=2)} == {
        pair: known.get(pair, 0) for pair in product(entities, repeat=2)
    }
    assert fresh.confidence("no entity", "has_phenotype", next(iter(entities))) == 0

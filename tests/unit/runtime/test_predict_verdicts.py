"""POST /v1/predict: what the rules of a knowledge base say stands beside the answer, and takes nothing from it."""

from dataclasses import replace

import pytest

from llmos.knowledge.rules import RuleSet, parse_rules
from llmos.runtime.app import Service
from llmos.runtime.documents import PredictResponse
from tests.unit.runtime.conftest import QUESTION, http_client

RULES = [
    {"name": "no-nerves", "if": ["mentioned HP:0001250"], "then": "deny answer HP:1", "because": "a seizure is too little"},
    {"name": "head", "if": ["mentioned ?m", "?m is_a HP:0000118"], "then": "require answer HP:2", "because": "{m} calls for it"},
]


@pytest.fixture
def with_rules(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    (active,) = service.knowledge.current
    rules = RuleSet(active.snapshot, parse_rules(RULES))
    monkeypatch.setattr(service.knowledge, "_current", (replace(active, rules=rules),))
    return service


async def test_verdicts_stand_beside_the_answer_and_remove_nothing(with_rules: Service):
    async with http_client(with_rules) as client:
        answer = (await client.post("/v1/predict", json={"text": QUESTION})).json()
    PredictResponse.model_validate(answer)
    denial, *requirements = answer["verdicts"]
    assert denial == {
        "verdict": "Deny",
        "rule": "no-nerves",
        "answer": "HP:1",
        "because": "a seizure is too little",
        "confidence": 0.786,
        "premises": [["mentioned", "HP:0001250"], ["answer", "HP:1"]],
        "knowledge": "hpo",
    }
    assert {item["because"] for item in requirements} == {
        "Seizure calls for it",
        "Macrocephaly calls for it",
        "Hypotonia calls for it",
    }
    assert all(item["met"] is False and item["answer"] == "HP:2" for item in requirements)
    assert answer["label"]["id"] == "HP:1"
    assert answer["timings"]["rulesMilliseconds"] > 0


async def test_a_knowledge_base_without_rules_says_nothing(service: Service):
    async with http_client(service) as client:
        assert (await client.post("/v1/predict", json={"text": QUESTION})).json()["verdicts"] == []

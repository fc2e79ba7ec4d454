"""Specs that exist hash to what they always did: another value would import or train everything again with an upgrade.

If this fails, a new field got into the hashed spec although it is absent or at its default.
"""

from typing import Any

import pytest
from world import HPO, MINILM, ORGAN_SYSTEM, digest

from llmos.artifacts import inputs_hash
from llmos_operator.api import parse_spec

KNOWN = [
    ("KnowledgeBase", HPO, {}, "sha256:2594d4136c95d5162be15b011440c43c8075e6b79ed76e2847d0fcabe1ced285"),
    ("Model", MINILM, {}, "sha256:e894b9873ed11d77bd338ab63681dab7dd0628848d9874e3e4d3cf3b812fca5d"),
    ("KnowledgeBase", HPO, {}, "sha256:2594d4136c95d5162be15b011440c43c8075e6b79ed76e2847d0fcabe1ced285"),
    ("TrainingJob", ORGAN_SYSTEM, {"base": digest("b")}, "sha256:b67e0f4c11b51f9400cf59ab1bde13232c326a0eb0dc093f0b3f74cdf8c0b09d"),
]


@pytest.mark.parametrize(("kind", "spec", "parents", "expected"), KNOWN)
def test_the_inputs_of_an_existing_spec_hash_as_ever(kind: str, spec: dict[str, Any], parents: dict[str, str], expected: str) -> None:
    hashed = parse_spec(kind, spec).hashed()  # type: ignore[attr-defined]
    assert inputs_hash(kind=kind, spec=hashed, parents=parents) == expected


@pytest.mark.parametrize(
    ("kind", "spec", "unhashed"),
    [
        ("Model", MINILM, {"card": {"languages": ["en"], "license": "mit", "description": "words", "modality": "Text"}}),
        ("Model", MINILM, {"version": {"pinned": digest("x")}}),
        ("KnowledgeBase", HPO, {"linking": {"soft": {"mode": "Off"}}}),
        ("Model", MINILM, {"workload": {"labels": {"a": "b"}}}),
        ("TrainingJob", ORGAN_SYSTEM, {"base": {"selector": {"task": "FeatureExtraction"}}}),
    ],
)
def test_what_does_not_decide_the_content_is_not_hashed(kind: str, spec: dict[str, Any], unhashed: dict[str, Any]) -> None:
    hashed = [parse_spec(kind, each).hashed() for each in (spec, {**spec, **unhashed})]  # type: ignore[attr-defined]
    assert hashed[0] == hashed[1]

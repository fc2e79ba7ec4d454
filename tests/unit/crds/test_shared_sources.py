"""A place that a Model and a KnowledgeBase can both name is the same in both APIs, but for words and numbers of items."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.crds.crd_samples import load_crds, schema_of

CRDS = load_crds()
MODEL = schema_of(CRDS["Model"])["properties"]["spec"]["properties"]["source"]["properties"]
KNOWLEDGE = schema_of(CRDS["KnowledgeBase"])["properties"]["spec"]["properties"]["sources"]["items"]["properties"]
OURS = {"description", "maxItems"}


def meaning(schema: Any) -> Any:
    """The schema without what is said to people."""
    if isinstance(schema, dict):
        return {name: meaning(value) for name, value in schema.items() if name not in OURS or isinstance(value, dict)}
    return [meaning(value) for value in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("kind", ["http", "oci", "pvc", "s3"])
def test_a_place_has_the_same_fields_bounds_and_rules_in_both_kinds(kind: str) -> None:
    assert meaning(MODEL[kind]) == meaning(KNOWLEDGE[kind])


def test_a_wheel_is_pinned_alike_and_only_a_model_names_its_folder() -> None:
    wheel = meaning(MODEL["pythonPackage"])
    wheel["properties"].pop("path")
    wheel["required"].remove("path")
    assert wheel == meaning(KNOWLEDGE["pythonPackage"])

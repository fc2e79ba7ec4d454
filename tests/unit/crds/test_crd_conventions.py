"""The CRDs follow the rules of the API: every field explained and bounded, status apart, one `workload` block for all kinds."""

from __future__ import annotations

import re

import pytest

from tests.unit.crds.crd_samples import Document, Field, fields_of, load_crds, schema_of

CRDS = load_crds()
SHORT_NAMES = {"Model": "mdl", "KnowledgeBase": "kbase", "TrainingJob": "tjob", "InferenceService": "infsvc"}

every_kind = pytest.mark.parametrize("kind", sorted(SHORT_NAMES))


def _fields(kind: str) -> list[Field]:
    return [field for field in fields_of(schema_of(CRDS[kind])) if field.path != "metadata"]


def _is_open(schema: Document) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _is_bounded(schema: Document) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return "maxLength" in schema
    match schema["type"]:
        case "string":
            return "enum" in schema or "maxLength" in schema
        case "integer":
            # What is observed has no upper bound of its own; what is asked for has.
            return "minimum" in schema
        case "array":
            return "maxItems" in schema and "x-kubernetes-list-type" in schema
        case "object":
            return "properties" in schema or "maxProperties" in schema
        case "boolean":
            return True
    return False


def test_there_are_exactly_the_four_kinds() -> None:
    assert sorted(CRDS) == sorted(SHORT_NAMES)


@every_kind
def test_group_names_and_category_are_ours(kind: str) -> None:
    spec = CRDS[kind]["spec"]
    assert (spec["group"], spec["scope"]) == ("llmos.dev", "Namespaced")
    assert spec["names"]["shortNames"] == [SHORT_NAMES[kind]]
    assert spec["names"]["categories"] == ["llmos"]
    assert CRDS[kind]["metadata"]["name"] == f"{spec['names']['plural']}.llmos.dev"
    assert [version["name"] for version in spec["versions"]] == ["v1alpha1"]


@every_kind
def test_only_spec_and_status_stand_at_the_top_and_status_is_a_subresource(kind: str) -> None:
    assert sorted(schema_of(CRDS[kind])["properties"]) == ["apiVersion", "kind", "metadata", "spec", "status"]
    assert CRDS[kind]["spec"]["versions"][0]["subresources"]["status"] == {}


def test_an_inference_service_can_be_scaled_by_anyone() -> None:
    scale = CRDS["InferenceService"]["spec"]["versions"][0]["subresources"]["scale"]
    assert scale == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }


@every_kind
def test_every_field_is_explained(kind: str) -> None:
    unexplained = [field.path for field in _fields(kind) if len(field.schema.get("description", "")) < 5]
    assert unexplained == []


@every_kind
def test_every_field_is_bounded(kind: str) -> None:
    unbounded = [
        field.path
        for field in _fields(kind)
        if field.path not in {"", "apiVersion", "kind"} and not _is_open(field.schema) and not _is_bounded(field.schema)
    ]
    assert unbounded == []


@every_kind
def test_every_number_in_a_spec_is_an_integer_with_both_bounds(kind: str) -> None:
    numbers = [field for field in _fields(kind) if field.path.startswith("spec") and field.schema.get("type") in {"integer", "number"}]
    assert numbers
    assert [field.path for field in numbers if not {"minimum", "maximum"} <= field.schema.keys()] == []
    assert [field.path for field in _fields(kind) if field.schema.get("type") == "number"] == []


@every_kind
def test_enums_are_camel_case(kind: str) -> None:
    values = {
        (field.path, value)
        for field in _fields(kind)
        for value in field.schema.get("enum", [])
        if not field.path.startswith("spec.linking.languages")  # ISO codes are what they are
    }
    assert [item for item in values if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", item[1])] == []


@every_kind
def test_defaults_stand_only_on_optional_fields(kind: str) -> None:
    wrong = [
        f"{field.path}.{name}"
        for field in _fields(kind)
        for name, child in field.schema.get("properties", {}).items()
        if "default" in child and name in field.schema.get("required", [])
    ]
    assert wrong == []


@every_kind
def test_rules_say_what_must_be(kind: str) -> None:
    rules = [rule for field in _fields(kind) for rule in field.schema.get("x-kubernetes-validations", [])]
    assert rules
    assert [rule["message"] for rule in rules if not rule["message"].startswith("must ")] == []


@every_kind
def test_conditions_are_a_map_by_type_and_carry_all_that_the_conventions_ask(kind: str) -> None:
    conditions = schema_of(CRDS[kind])["properties"]["status"]["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    assert set(conditions["items"]["properties"]) == {"type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"}
    assert "observedGeneration" in schema_of(CRDS[kind])["properties"]["status"]["properties"]


@every_kind
def test_columns_answer_ready_and_why_first_and_age_last(kind: str) -> None:
    columns = CRDS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns[:2]] == ["Ready", "Reason"]
    assert columns[-1]["name"] == "Age"
    assert sum("priority" not in column for column in columns) <= 7, "too wide for a terminal: move details to priority 1"
    assert all(column["description"] for column in columns)


def test_the_workload_block_is_the_same_in_all_kinds() -> None:
    blocks = {kind: schema_of(crd)["properties"]["spec"]["properties"]["workload"] for kind, crd in CRDS.items()}
    assert [kind for kind, block in blocks.items() if block != blocks["Model"]] == []


def test_a_training_job_is_immutable_but_for_what_may_change() -> None:
    spec = schema_of(CRDS["TrainingJob"])["properties"]["spec"]
    mutable = {"suspend", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "workload"}
    for name, field in spec["properties"].items():
        rules = {rule["rule"] for rule in field.get("x-kubernetes-validations", [])}
        assert ("self == oldSelf" in rules) == (name not in mutable), name
        # A rule on a field that may come and go would not see it go.
        assert name in mutable or name in spec["required"] or "default" in field, name


@pytest.mark.parametrize(("kind", "path"), [("InferenceService", "spec.model.selector.task"), ("TrainingJob", "spec.base.selector.task")])
def test_a_selector_can_ask_for_every_task_a_model_can_have(kind: str, path: str) -> None:
    def tasks_at(of: str, where: str) -> list[str]:
        return next(field.schema["enum"] for field in _fields(of) if field.path == where)

    assert tasks_at(kind, path) == tasks_at("Model", "spec.task")

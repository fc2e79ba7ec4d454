"""What the schemas accept and refuse, as far as it can be told without a cluster; `tests/cluster/test_api_samples.py` asks the real one.

It also holds the samples themselves to account: every field is used once, every rule and every kind of bound is broken once.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache

import jsonschema
import pytest

from tests.unit.crds.crd_samples import Document, RefusedCase, accepted, fields_of, load_crds, refused, schema_of

CRDS = load_crds()
ACCEPTED = accepted()
REFUSED = refused()
BOUNDS = {"enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties", "required", "type"}


def _closed(schema: Document) -> Document:
    """Return the schema as JSON Schema in which unknown fields are errors, as strict field validation makes them."""
    result = copy.deepcopy(schema)
    for field in fields_of(result):
        if "properties" in field.schema and field.path != "metadata":
            field.schema["additionalProperties"] = False
    return result


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_closed(schema_of(CRDS[kind])))


def _errors(document: Document) -> Iterator[tuple[str, str]]:
    """Yield (field, broken keyword) for each error, with fields written as the API server writes them."""
    for error in _validator(document["kind"]).iter_errors(document):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        if error.validator == "required":
            for name in error.validator_value:
                if name not in error.instance:
                    yield f"{path}.{name}".lstrip("."), "required"
        else:
            yield path.lstrip("."), str(error.validator)


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(document: Document) -> None:
    assert list(_errors(document)) == []


@pytest.mark.parametrize("case", [case for case in REFUSED if case.by == "schema"], ids=lambda case: case.id)
def test_refused_by_the_schema(case: RefusedCase) -> None:
    assert {field for field, _ in _errors(case.document)} == {case.field}


@pytest.mark.parametrize("case", [case for case in REFUSED if case.by != "schema"], ids=lambda case: case.id)
def test_what_a_rule_refuses_is_otherwise_right(case: RefusedCase) -> None:
    """Else the sample would be refused for another reason than the one it is there for."""
    assert {keyword for _, keyword in _errors(case.document)} <= ({"additionalProperties"} if "unknown field" in case.expect else set())
    assert list(_errors(case.base)) == []


def _pattern(field: str) -> str:
    """Turn `spec.env[0]` of a case into the schema's `spec.env[]`."""
    return re.sub(r"\[\d+\]", "[]", field)


@pytest.mark.parametrize("kind", CRDS)
def test_every_rule_is_broken_by_a_sample(kind: str) -> None:
    broken = {(case.document["kind"], _pattern(case.field), case.expect) for case in REFUSED if case.by == "rule"}
    missing = []
    for field in fields_of(schema_of(CRDS[kind])):
        if len(field.schema.get("enum", ())) == 1:
            continue  # with one value there is nothing to change to; the enum refuses first
        owner = "Model" if field.path.startswith("spec.workload") else kind
        for rule in field.schema.get("x-kubernetes-validations", []):
            if not any((owner, field.path) == (k, path) and rule["message"].startswith(words) for k, path, words in broken):
                missing.append(f"{field.path}: {rule['message']}")
    assert missing == []


@pytest.mark.parametrize("kind", CRDS)
def test_every_kind_of_bound_is_broken_by_a_sample(kind: str) -> None:
    used = {
        keyword
        for field in fields_of(schema_of(CRDS[kind]))
        if field.path.startswith("spec") and not field.path.startswith("spec.workload")
        for keyword in field.schema
        if keyword in BOUNDS
    }
    broken = {keyword for case in REFUSED if case.by == "schema" and case.document["kind"] == kind for _, keyword in _errors(case.document)}
    assert used - broken == set()


@pytest.mark.parametrize("kind", CRDS)
def test_every_field_of_a_spec_is_used_by_an_accepted_sample(kind: str) -> None:
    documents = [document for document in ACCEPTED.values() if document["kind"] == kind]
    schema = schema_of(CRDS[kind])
    expected = {
        field.path
        for field in fields_of(schema)
        if field.path.startswith("spec") and (kind == "Model" or not field.path.startswith("spec.workload."))
    }
    used: set[str] = set()
    for document in documents:
        used |= _used(schema, document, "")
    assert expected - used == set()


def _used(schema: Document, value: object, path: str) -> set[str]:
    found = {path}
    if isinstance(value, dict):
        for name, child in value.items():
            if name in schema.get("properties", {}):
                found |= _used(schema["properties"][name], child, f"{path}.{name}".lstrip("."))
            elif isinstance(schema.get("additionalProperties"), dict):
                found |= _used(schema["additionalProperties"], child, f"{path}{{}}")
    elif isinstance(value, list) and "items" in schema:
        for child in value:
            found |= _used(schema["items"], child, f"{path}[]")
    return found


def test_examples_name_no_namespace() -> None:
    assert [name for name, document in ACCEPTED.items() if "namespace" in document["metadata"]] == []

"""`spec.evaluation` on the operator's side: hashed whole where it is given, and nowhere else."""

from typing import Any

import pytest
from world import MINILM, TRAINED_MODEL

from llmos.artifacts import inputs_hash
from llmos.models import parse_model_spec
from llmos_operator.api import parse_spec
from tests.unit.crds.crd_samples import accepted


def hashed(spec: Any) -> dict[str, Any]:
    return parse_spec("Model", spec).hashed()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("spec", "digest"),
    # As the version before the field existed hashed them; another value would import every user's models anew.
    [
        (MINILM, "sha256:e894b9873ed11d77bd338ab63681dab7dd0628848d9874e3e4d3cf3b812fca5d"),
        (TRAINED_MODEL, "sha256:01f8d7413aa61a775928ec4882b618d07f30593146b9986f435a15e6f0e4b525"),
    ],
)
def test_a_model_without_evaluation_hashes_as_ever(spec: Any, digest: str) -> None:
    assert inputs_hash(kind="Model", spec=hashed(spec), parents={}) == digest


def test_evaluation_decides_the_content_and_its_defaults_do_not() -> None:
    evaluated = {**TRAINED_MODEL, "evaluation": {"dataset": {"trainingJob": {}}}}
    assert hashed(evaluated) != hashed(TRAINED_MODEL)
    explicit = {**TRAINED_MODEL, "evaluation": {"dataset": {"trainingJob": {}}, "calibrationPercent": 20, "seed": 0, "maximumItems": 10000}}
    assert hashed(evaluated) == hashed(explicit)
    assert hashed({**TRAINED_MODEL, "evaluation": {**evaluated["evaluation"], "minimum": "0.5"}}) != hashed(evaluated)


MODELS = {name: document for name, document in accepted().items() if document["kind"] == "Model"}


@pytest.mark.parametrize("document", MODELS.values(), ids=MODELS)
def test_the_workload_reads_every_spec_that_the_operator_hashes(document: dict[str, Any]) -> None:
    spec = hashed(document["spec"])
    assert parse_model_spec(spec).model_dump(by_alias=True, mode="json", exclude_none=True)["task"] == spec["task"]

"""docs/own-models.md has a Model for every task, and the API, the operator and the workload take each."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from llmos.models import Task, parse_model_spec
from llmos_operator.api import parse_spec
from tests.unit.crds.crd_samples import load_crds, schema_of

PAGE = Path(__file__).parents[3] / "docs" / "own-models.md"
MODELS: dict[str, Any] = {
    document["metadata"]["name"]: document
    for document in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
}


def test_every_task_has_a_model() -> None:
    assert {model["spec"]["task"] for model in MODELS.values()} == {str(task) for task in Task}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_page_is_taken_by_all_three(name: str) -> None:
    jsonschema.Draft202012Validator(schema_of(load_crds()["Model"])).validate(MODELS[name])
    hashed = parse_spec("Model", MODELS[name]["spec"]).hashed()  # type: ignore[attr-defined]
    assert parse_model_spec(hashed).task == MODELS[name]["spec"]["task"]

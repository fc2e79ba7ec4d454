from decimal import Decimal
from typing import Any

import pytest

from llmos.adaptation import parse_training_spec
from llmos.errors import ConfigError

TAXONOMY = {"knowledge": {"role": "knowledge/hpo"}, "relation": "is_a", "root": "HP:0000118"}
SPEC: dict[str, Any] = {
    "task": "TextClassification",
    "objective": "Supervised",
    "method": {"type": "LoRA", "rank": 16, "alpha": 32},
    "data": {"taxonomy": TAXONOMY},
    "split": {"heldOutPercent": 20, "seed": 4},
    "hyperparameters": {"epochs": 1, "batchSize": 8, "learningRate": "0.002", "maximumTokens": 16, "seed": 7},
    "baseline": "None",
}


def test_the_spec_of_the_contract_is_read() -> None:
    spec = parse_training_spec(SPEC)
    assert (spec.split.held_out_percent, spec.split.seed, spec.baseline) == (20, 4, "None")
    assert (spec.hyperparameters.learning_rate, spec.hyperparameters.batch_size) == (Decimal("0.002"), 8)
    assert spec.data.taxonomy.group_depth == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": {"type": "LoRA"}}, "spec.method: must set rank and alpha with type LoRA"),
        ({"method": {"type": "Full", "rank": 4, "alpha": 4}}, "spec.method: must set rank and alpha only with type LoRA"),
        ({"method": {"type": "LoRA", "rank": 0, "alpha": 4}}, "spec.method.rank: .*found 0"),
        ({"data": {"taxonomy": TAXONOMY | {"knowledge": {"name": "hpo"}}}}, "spec.data.taxonomy.knowledge.role is missing"),
        ({"hyperparameters": {"learningRate": "0"}}, "spec.hyperparameters.learningRate: .*"),
        ({"hyperparameters": {"learningRate": "2"}}, "spec.hyperparameters.learningRate: .*"),
        ({"split": {"heldOutPercent": 0}}, "spec.split.heldOutPercent: .*found 0"),
        ({"baseline": "Guess"}, "spec.baseline: .*found 'Guess'"),
        ({"nodes": 2}, "spec.nodes is unknown"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_training_spec({**SPEC, **change})
    assert caught.value.reason == "InvalidSpec"

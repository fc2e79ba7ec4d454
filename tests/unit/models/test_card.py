"""Cards: what hubs read of them, the same facts to the same bytes, and nothing in a fact that could break out of its place."""

import pytest
import yaml
from huggingface_hub import ModelCard

from llmos.models.card import Card, CardMetric, pipeline_tag, render_card
from llmos.models.config import Task
from llmos.models.serving_files import build_card

METRIC = CardMetric(
    name="macroF1", value="0.41", dataset="1663 held-out items", dataset_digest="sha256:" + "e" * 64, precision="Int8Dynamic"
)
FULL = Card(
    title="organ-system",
    task="TextClassification",
    library="onnx",
    base_model="sha256:" + "a" * 64,
    languages=["en", "zh-Hans"],
    license="apache-2.0",
    description="Sentences about patients; not for diagnosis.",
    metrics=[METRIC],
    facts={"Task": "TextClassification", "Labels": "14"},
    sections={"Exports": [["precision", "size"], ["Float32", "91.0 MB"]]},
)


def test_a_hub_reads_what_is_known() -> None:
    data = ModelCard(render_card(FULL)).data
    assert (data.language, data.license, data.library_name) == (["en", "zh-Hans"], "apache-2.0", "onnx")
    assert (data.pipeline_tag, data.base_model, data.model_name) == ("text-classification", FULL.base_model, "organ-system")
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_name, result.metric_value) == ("f1", "macroF1 Int8Dynamic", 0.41)
    assert (result.dataset_name, result.dataset_type) == ("1663 held-out items", "sha256:" + "e" * 64)


def test_the_body_is_for_people() -> None:
    body = render_card(FULL).split("---\n", 2)[2]
    assert body == (
        "\n# organ-system\n\nSentences about patients; not for diagnosis.\n\n"
        "| | |\n|---|---|\n| Task | TextClassification |\n| Labels | 14 |\n\n"
        "## Exports\n\n| precision | size |\n|---|---|\n| Float32 | 91.0 MB |\n"
    )


def test_the_same_facts_are_the_same_bytes_and_what_is_unknown_is_left_out() -> None:
    assert render_card(FULL) == render_card(FULL)
    front = yaml.safe_load(render_card(Card(title="x", task="MaskedLM", library="onnx")).split("---")[1])
    assert front == {"library_name": "onnx", "pipeline_tag": "fill-mask", "tags": ["llmos"]}


def test_a_fact_stays_in_its_place() -> None:
    nasty = "a | b\n---\nlicense: mine"
    card = render_card(Card(title="x", license=nasty, facts={"Note": nasty}))
    assert ModelCard(card).data.license == nasty
    assert card.endswith("| Note | a \\| b --- license: mine |\n")


def test_a_metric_that_is_no_number_is_refused() -> None:
    metric = CardMetric(name="accuracy", value="high", dataset="d", dataset_digest="sha256:x")
    with pytest.raises(ValueError, match="high"):
        render_card(Card(title="x", metrics=[metric]))


def test_the_card_beside_an_export_says_what_it_was_made_from() -> None:
    card = build_card(title="An export", facts={"Precision": "Float32"}, task="FeatureExtraction", library="onnx", base_model="sha256:x")
    data = ModelCard(card).data
    assert (data.pipeline_tag, data.library_name, data.base_model) == ("feature-extraction", "onnx", "sha256:x")
    assert "| Precision | Float32 |" in card


def test_every_task_has_the_name_hubs_use() -> None:
    assert {task for task in Task if pipeline_tag(task) is None} == set()

"""Tasks of encoders of text besides one vector and one label: what comes out, what a server is told, and which models are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmos.errors import ConfigError
from llmos.models import OnnxSpec, Task, TensorSpec, TextNetwork, export_onnx, load_network, read_labels
from llmos.models.onnx_build import build_onnx
from llmos.models.text_tasks import TEXT_TASKS, load_text_network
from tests.unit.models.tiny import SPECIAL, WORDS, make_folder

TAGS = ["O", "B-organ", "I-organ"]
VOCABULARY = len(SPECIAL) + len(WORDS) + 1
Make = Callable[..., Path]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return lambda **options: make_folder(tmp_path_factory.mktemp("text"), **options)


@pytest.fixture(scope="session")
def tagger_folder(make: Make) -> Path:
    return make(labels=TAGS, head="TokenClassification")


def edit(folder: Path, into: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """Copy a folder with one JSON file changed."""
    shutil.copytree(folder, into)
    document = json.loads((into / name).read_text())
    change(document)
    (into / name).write_text(json.dumps(document))
    return into


def written(network: Any, folder: Path) -> Any:
    network.write_assets(folder, maximum_length=16)
    return json.loads((folder / "preprocessing.json").read_text())


def test_a_tagger_scores_each_token_and_says_how_tokens_become_words(tagger_folder: Path, tmp_path: Path) -> None:
    network = load_network(tagger_folder, Task.TOKEN_CLASSIFICATION)
    assert network.outputs == (TensorSpec("logits", "FP32", (-1, 3)),)
    assert [label.id for label in read_labels(tagger_folder)] == TAGS
    assert written(network, tmp_path)["alignment"] == {"word": "FirstToken", "offsets": "CodePoints", "scheme": "BIO"}


def test_a_tagger_s_export_agrees_with_torch_token_by_token(tagger_folder: Path, tmp_path: Path) -> None:
    network = load_network(tagger_folder, Task.TOKEN_CLASSIFICATION)
    spec = OnnxSpec.model_validate({"maximumTokens": 16})
    exported = export_onnx(network, tmp_path / "model.onnx", maximum_tokens=16)
    built = build_onnx(network, exported, tmp_path / "onnx", precision="Float32", spec=spec, labels=read_labels(tagger_folder), facts={})
    # Float32: kernels that add up in another order differ in the seventh digit; what stands at padding is not compared.
    assert 0 < float(built.measurements["maximumDifference"]) < 1e-5
    assert float(built.measurements["paddingDifference"]) < 1e-5
    assert 'name: "logits" data_type: TYPE_FP32 dims: [ -1, 3 ]' in (built.folder / "config.pbtxt").read_text()


def test_a_pair_is_scored_once_and_its_second_text_is_told_from_the_first(make: Make, tmp_path: Path) -> None:
    network = load_network(make(labels=["no", "yes"]), Task.SEQUENCE_PAIR)
    inputs = network.make_inputs((2, 8), np.random.default_rng(0))
    assert network.outputs == (TensorSpec("logits", "FP32", (2,)),)
    # The second row is two tokens shorter; half of each is the second text, and padding belongs to neither.
    assert inputs["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0]]
    assert {name: written(network, tmp_path)[name] for name in ("texts", "join", "activation")} == {
        "texts": 2, "join": "TokenizerTemplate", "activation": "Softmax",
    }  # fmt: skip


def test_a_single_score_of_a_pair_is_a_probability(make: Make, tmp_path: Path) -> None:
    assert written(load_network(make(labels=["relevant"]), Task.SEQUENCE_PAIR), tmp_path)["activation"] == "Sigmoid"


def test_a_tokenizer_that_runs_two_texts_together_is_refused(make: Make, tmp_path: Path) -> None:
    def forget(document: dict[str, Any]) -> None:
        document["post_processor"]["pair"] = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]

    folder = edit(make(labels=["no", "yes"]), tmp_path / "model", "tokenizer.json", forget)
    with pytest.raises(ConfigError, match=r"puts nothing between two texts.*template for pairs") as caught:
        load_network(folder, Task.SEQUENCE_PAIR)
    assert caught.value.reason == "InvalidSource"


def test_a_masked_language_model_scores_every_word_at_every_place(make: Make, tmp_path: Path) -> None:
    network = load_text_network(make(head="MaskedLM"), Task.MASKED_LM)
    assert network.outputs == (TensorSpec("logits", "FP32", (-1, VOCABULARY)),)
    assert written(network, tmp_path)["mask"] == {"id": VOCABULARY - 1, "token": "[MASK]"}
    inputs = network.make_inputs((2, 6), np.random.default_rng(0))
    with torch.inference_mode():
        assert network(*(torch.from_numpy(array) for array in inputs.values())).shape == (2, 6, VOCABULARY)


def test_without_a_mask_there_is_nothing_to_guess(make: Make, tmp_path: Path) -> None:
    folder = edit(make(head="MaskedLM"), tmp_path / "model", "tokenizer_config.json", lambda document: document.pop("mask_token"))
    with pytest.raises(ConfigError, match="has no mask token"):
        load_network(folder, Task.MASKED_LM)


@pytest.mark.parametrize(
    ("options", "task", "why"),
    [
        ({}, Task.TOKEN_CLASSIFICATION, r"no trained head \(classifier.* is missing\); choose a model that was trained for it"),
        ({}, Task.SEQUENCE_PAIR, r"no trained head \(bert\.pooler|no trained head \(classifier"),
        ({}, Task.MASKED_LM, r"no trained head \(cls\.predictions"),
        # The same names and shapes as a tagger's: only config.json tells them apart.
        ({"labels": TAGS}, Task.TOKEN_CLASSIFICATION, "the weights are those of a BertForSequenceClassification"),
        ({"labels": TAGS, "head": "TokenClassification"}, Task.TEXT_CLASSIFICATION, r"no trained head .*use FeatureExtraction"),
    ],
)
def test_weights_of_another_task_are_refused(make: Make, options: dict[str, Any], task: Task, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"spec\.task is {task}, and .*{why}") as caught:
        load_network(make(**options), task)
    assert caught.value.reason == "TaskMismatch"


def test_a_folder_that_names_fewer_labels_than_its_head_has_is_refused(tagger_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tagger_folder, tmp_path / "model")
    (folder / "labels.json").write_text(json.dumps({"labels": [{"id": tag, "name": tag} for tag in TAGS[:2]]}))
    with pytest.raises(ConfigError, match=r"different labels|names 2 labels and its head has 3"):
        load_network(folder, Task.TOKEN_CLASSIFICATION)


def test_encoders_of_text_are_those_that_are_loaded_as_such() -> None:
    assert set(TEXT_TASKS) == {task for task in Task if task.is_encoder_of_text}


def test_every_task_has_a_loader() -> None:
    from llmos.models.loading import _LOADERS

    assert set(_LOADERS) == {task for task in Task if not task.is_generative}


def test_the_pooling_network_is_what_the_notebook_gets(encoder: TextNetwork) -> None:
    assert (encoder.pooling, encoder.preprocessing) == ("Mean", {})

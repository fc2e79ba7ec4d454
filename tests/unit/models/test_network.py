import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llmos.errors import ConfigError
from llmos.models import Task, TextNetwork, load_network
from tests.unit.models.tiny import POSITIONS


def batch(network: TextNetwork, rows: list[list[int]]) -> list[torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return [arrays[name] for name in network.input_names]


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, llmos.models, llmos.adaptation; assert not {'torch', 'transformers', 'sklearn', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_encoder_gives_one_vector_for_each_text(encoder: TextNetwork) -> None:
    with torch.inference_mode():
        answer = encoder(*batch(encoder, [[2, 4, 3], [2, 5, 6, 7, 3]]))
    assert (encoder.outputs[0].name, encoder.pooling, answer.shape, answer.dtype) == ("embedding", "Mean", (2, 32), torch.float32)


def test_the_vector_is_the_mean_of_the_tokens_that_are_not_padding(encoder: TextNetwork) -> None:
    ids = torch.tensor([[2, 4, 5, 3]])
    with torch.inference_mode():
        hidden = encoder.model(input_ids=ids).last_hidden_state
        together = encoder(*batch(encoder, [[2, 4, 5, 3], [2, 4, 5, 6, 7, 8, 3]]))
    # Float32 sums in another order: a few units in the last place of numbers of about 1.
    torch.testing.assert_close(together[0], hidden[0].mean(0), atol=1e-6, rtol=0)


def test_a_classifier_gives_one_score_for_each_label(classifier: TextNetwork) -> None:
    with torch.inference_mode():
        answer = classifier(*batch(classifier, [[2, 4, 3]]))
    assert (classifier.outputs[0].name, classifier.pooling, answer.shape, classifier.maximum_positions) == (
        "logits",
        None,
        (1, 3),
        POSITIONS,
    )


def test_an_encoder_is_no_classifier(encoder_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"no trained head.*use FeatureExtraction") as caught:
        load_network(encoder_folder, Task.TEXT_CLASSIFICATION)
    assert caught.value.reason == "TaskMismatch"


def test_a_folder_without_a_tokenizer_is_refused(encoder_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"model has no tokenizer \(tokenizer\.json, vocab\.txt, vocab\.json\)") as caught:
        load_network(folder, Task.FEATURE_EXTRACTION)
    assert caught.value.reason == "InvalidSource"


def test_a_tokenizer_of_another_model_is_refused(encoder_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    document = json.loads((folder / "tokenizer.json").read_text())
    document["model"]["vocab"]["unheard"] = len(document["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"knows 19 tokens, and the model 18; they are of different models") as caught:
        load_network(folder, Task.FEATURE_EXTRACTION)
    assert caught.value.reason == "InvalidSource"


def test_weights_that_do_not_fit_the_config_are_refused(encoder_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(ConfigError, match=r"does not fit config.json") as caught:
        load_network(folder, Task.FEATURE_EXTRACTION)
    assert caught.value.reason == "InvalidSource"


def test_code_that_a_model_brings_along_is_not_run(encoder_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModel": "mine.M"}})
    )
    (folder / "mine.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(ConfigError, match="transformers cannot load"):
        load_network(folder, Task.FEATURE_EXTRACTION)

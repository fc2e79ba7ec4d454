"""Training on a toy task with a one-layer model: the word decides the label."""

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch

from llmos.adaptation import Hyperparameters, Method, TrainedClassifier, build_classifier, predict, save_classifier, train_classifier
from llmos.adaptation.classifier import count_trained
from llmos.adaptation.determinism import deterministic
from llmos.adaptation.training import Step
from llmos.artifacts import digest_file
from llmos.errors import ConfigError, PermanentError
from llmos.models import Label, Task, load_network, read_labels
from tests.unit.models.tiny import WORDS, make_folder

LABELS = (Label("organ:heart", "Heart"), Label("organ:lung", "Lung"))
LORA = Method(type="LoRA", rank=4, alpha=8)
FULL = Method(type="Full")
TEXTS = [f"{organ} {trouble}" for organ in ("heart", "lung") for trouble in WORDS[3:9]] * 4
TARGETS = [0 if "heart" in text else 1 for text in TEXTS]
FAST = Hyperparameters(epochs=6, batch_size=8, learning_rate=Decimal("0.01"), maximum_tokens=8, seed=0)
FACTS = {"Base": "tiny"}


def train(base: Path, method: Method = LORA, hyperparameters: Hyperparameters = FAST) -> TrainedClassifier:
    return train_classifier(base, TEXTS, TARGETS, LABELS, method=method, hyperparameters=hyperparameters, num_threads=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def trained(base: Path) -> TrainedClassifier:
    return train(base)


@pytest.fixture(scope="module")
def saved(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    again = train(base)
    return save_classifier(again.model, again.tokenizer, LABELS, tmp_path_factory.mktemp("saved") / "model", facts=FACTS)


@pytest.mark.parametrize("method", [LORA, FULL], ids=["LoRA", "Full"])
def test_the_loss_falls_and_the_task_is_learned(base: Path, method: Method) -> None:
    result = train(base, method)
    assert np.mean(result.losses[-6:]) < 0.1 < 0.5 < np.mean(result.losses[:6])
    assert (predict(result.model, result.tokenizer, TEXTS, maximum_tokens=8).argmax(1) == TARGETS).all()


def test_the_same_seed_gives_the_same_losses_and_weights_exactly(base: Path, trained: TrainedClassifier) -> None:
    again = train(base)
    assert again.losses == trained.losses
    for left, right in zip(trained.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_another_seed_gives_other_losses(base: Path, trained: TrainedClassifier) -> None:
    other = FAST.model_copy(update={"epochs": 1, "seed": 1})
    assert train(base, LORA, other).losses[0] != trained.losses[0]


def test_what_was_saved_answers_as_what_was_trained(trained: TrainedClassifier, saved: Path) -> None:
    network = load_network(saved, Task.TEXT_CLASSIFICATION)
    before = predict(trained.model, trained.tokenizer, TEXTS, maximum_tokens=8)
    after = predict(network.model, network.tokenizer, TEXTS, maximum_tokens=8)
    # Merging adds the LoRA product to the weights before and not after the multiplication: another order of the same float32 sums.
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert before.shape == (len(TEXTS), 2)


def test_what_was_saved_is_the_same_bytes_in_another_place(saved: Path, base: Path, tmp_path: Path) -> None:
    again = train(base)
    folder = save_classifier(again.model, again.tokenizer, LABELS, tmp_path / "elsewhere", facts=FACTS)
    assert {path.name: digest_file(path) for path in folder.iterdir()} == {path.name: digest_file(path) for path in saved.iterdir()}


def test_what_was_saved_says_its_labels_and_no_place(saved: Path) -> None:
    assert read_labels(saved) == LABELS
    config = json.loads((saved / "config.json").read_text())
    assert config["id2label"] == {"0": "organ:heart", "1": "organ:lung"}
    assert {path.suffix for path in saved.iterdir()} <= {".json", ".safetensors", ".md"}
    for path in saved.glob("*.json"):
        assert str(saved.parent) not in path.read_text()
        assert "pytest" not in path.read_text()


def test_lora_trains_few_numbers_and_the_head(base: Path) -> None:
    lora, full = (build_classifier(base, LABELS, method=method, seed=0)[0] for method in (LORA, FULL))
    assert count_trained(lora) < count_trained(full) / 2
    trained = {name for name, parameter in lora.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name or "classifier" in name for name in trained)
    assert any("classifier" in name for name in trained)


def test_training_goes_on_from_a_classifier_of_other_labels(tmp_path: Path) -> None:
    base = make_folder(tmp_path / "base", labels=["x", "y", "z"])
    model, _ = build_classifier(base, LABELS, method=FULL, seed=0)
    assert model.config.num_labels == 2


def test_progress_counts_down(base: Path) -> None:
    steps: list[Step] = []
    one = FAST.model_copy(update={"epochs": 1})
    train_classifier(base, TEXTS, TARGETS, LABELS, method=LORA, hyperparameters=one, num_threads=1, on_step=steps.append)
    assert [step.number for step in steps] == list(range(1, steps[0].of + 1))
    assert steps[-1].remaining_s == 0
    assert steps[0].remaining_s > 0


def test_predictions_keep_the_order_of_the_texts(trained: TrainedClassifier) -> None:
    mixed = ["lung", "left heart pain rash", "red lung failure"]
    together = predict(trained.model, trained.tokenizer, mixed, maximum_tokens=8, batch_size=2)
    alone = np.concatenate([predict(trained.model, trained.tokenizer, [text], maximum_tokens=8) for text in mixed])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("rank", [32, 512])
def test_a_rank_that_is_not_below_the_width_is_refused(base: Path, rank: int) -> None:
    with pytest.raises(ConfigError, match=f"method.rank is {rank}, and the model's narrowest linear layer has 32") as caught:
        build_classifier(base, LABELS, method=Method(type="LoRA", rank=rank, alpha=8), seed=0)
    assert caught.value.reason == "InvalidSpec"


def test_more_tokens_than_positions_are_refused(base: Path) -> None:
    with pytest.raises(ConfigError, match=r"hyperparameters.maximumTokens is 64, and the base model has 32 positions"):
        train(base, LORA, FAST.model_copy(update={"maximum_tokens": 64}))


def test_a_loss_that_is_no_number_stops_the_training(base: Path) -> None:
    with pytest.raises(PermanentError, match=r"lower hyperparameters.learningRate") as caught:
        train(base, FULL, FAST.model_copy(update={"learning_rate": Decimal("1e30")}))
    assert caught.value.reason == "TrainingDiverged"


def test_settings_of_torch_are_put_back() -> None:
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state())
    with deterministic(7, num_threads=1):
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        torch.rand(3)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before[:2]
    assert torch.equal(torch.random.get_rng_state(), before[2])

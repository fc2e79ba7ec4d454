"""AudioClassification on a one-layer Whisper encoder: how recordings are prepared, what comes out, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from llmos.errors import ConfigError
from llmos.models import Task, TensorSpec, load_network
from llmos.models.audio_network import AudioNetwork
from llmos.models.audio_spec import read_audio_spec

LABELS = {0: "speech", 1: "music", 2: "noise"}
NAMES: dict[str, Any] = {"id2label": LABELS, "label2id": {name: column for column, name in LABELS.items()}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=20, num_mel_bins=80, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2,        encoder_ffn_dim=32, decoder_ffn_dim=32, max_source_positions=100,
        pad_token_id=0, bos_token_id=0, eos_token_id=0,
        decoder_start_token_id=1, classifier_proj_size=16, init_std=0.1, **NAMES,
    )  # fmt: skip
    WhisperForAudioClassification(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80, chunk_length=2).save_pretrained(folder)
    return folder


def tone(seconds: float) -> Any:
    time = np.arange(int(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(0).normal(0, 0.01, len(time))
    return (0.5 * np.sin(2 * np.pi * 440 * time) + noise).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.3, 2.0, 3.1])
def test_a_recording_is_prepared_as_whisper_s_own_extractor_does(folder: Path, seconds: float) -> None:
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    theirs = extractor(tone(seconds), sampling_rate=16_000, return_tensors="np").input_features[0]
    ours = read_audio_spec(folder).prepare(tone(seconds))
    assert (ours.shape, ours.dtype) == ((80, 200), np.float32)
    # Both add up in double precision, in another order.
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_classifier_of_sound_scores_a_window(folder: Path, tmp_path: Path) -> None:
    network = load_network(folder, Task.AUDIO_CLASSIFICATION)
    assert isinstance(network, AudioNetwork)
    assert (network.inputs, network.outputs) == (
        (TensorSpec("input_features", "FP32", (80, 200)),),
        (TensorSpec("logits", "FP32", (3,)),),
    )
    inputs = network.make_inputs((2, 7), np.random.default_rng(0))
    with torch.inference_mode():
        assert network(torch.from_numpy(inputs["input_features"])).shape == (2, 3)
    network.write_assets(tmp_path, maximum_length=256)
    assert json.loads((tmp_path / "preprocessing.json").read_text()) == {
        "inputs": ["input_features"],
        "outputs": ["logits"],
        "audio": {
            "samplingRate": 16000, "channels": 1, "samples": 32000, "features": "LogMelWhisper", "fftSize": 400, "hopSize": 160,
            "melBins": 80,
        },
    }  # fmt: skip


def test_a_model_of_raw_samples_is_refused_with_what_is_known(tmp_path: Path) -> None:
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,), conv_kernel=(4,), conv_stride=(4,),
        num_feat_extract_layers=1, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, classifier_proj_size=8, **NAMES,
    )  # fmt: skip
    Wav2Vec2ForSequenceClassification(config).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="takes input_values, and only models of mel features") as caught:
        load_network(tmp_path, Task.AUDIO_CLASSIFICATION)
    assert caught.value.reason == "InvalidSource"


@pytest.mark.parametrize(
    ("change", "words"), [({"feature_extractor_type": "Other"}, "only WhisperFeatureExtractor is known"), ({"n_fft": None}, "TypeError")]
)
def test_a_preparation_that_is_not_understood_is_refused(folder: Path, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    config = json.loads((folder / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config | change))
    with pytest.raises(ConfigError, match=words):
        read_audio_spec(tmp_path)


def test_a_folder_that_says_nothing_about_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not understood \(preprocessor_config\.json\): FileNotFoundError"):
        read_audio_spec(tmp_path)

"""SpeechRecognition on a one-layer Whisper: built, compared with torch, and run on a sound with the artifact's own files alone."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from llmos.errors import ConfigError, PermanentError
from llmos.models import Task
from llmos.models.config import ModelSpec, OnnxSpec, Source, TrainingJobSource
from llmos.models.generation.building import build_generator
from llmos.models.generation.hearing import BuiltHearer, TorchHearer
from llmos.models.generation.job import open_original
from llmos.models.generation.measuring import HELD_OUT_FILE
from llmos.models.generation.speech import SAMPLING_RATE, OriginalSpeech, SpeechRunner

SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
VOCABULARY = 320
SPEC = ModelSpec(
    task=Task.SPEECH_RECOGNITION,
    source=Source(training_job=TrainingJobSource()),
    onnx=OnnxSpec.model_validate({"precisions": ["Float32", "Int4"], "maximumTokens": 32}),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([HELD_OUT_FILE.read_text()], vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False)
    end = SPECIAL[0]
    PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token=end, eos_token=end, pad_token=end).save_pretrained(folder)
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=VOCABULARY, num_mel_bins=80, d_model=64, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_target_positions=64, init_std=0.1,
        pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=1,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(decoder_start_token_id=1, eos_token_id=0, pad_token_id=0, is_multilingual=False)
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def original(folder: Path) -> OriginalSpeech:
    found = open_original(folder, SPEC)
    assert isinstance(found, OriginalSpeech)
    return found


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_generator(folder, tmp_path_factory.mktemp("built") / "Float32", precision="Float32", maximum_tokens=32)


def test_encoder_and_decoder_answer_as_torch_does(original: OriginalSpeech, built: Path) -> None:
    measured = original.measure(built, precision="Float32")
    assert set(measured["differences"]) == {"encoder", "1x2", "1x12"}
    # Float32: kernels that add up in another order differ in the sixth digit of numbers of about 1.
    assert 0 < float(measured["maximumDifference"]) < 1e-4
    assert float(measured["tokensPerSecond"]) > 0


def test_an_export_beyond_the_bound_is_refused(original: OriginalSpeech, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(original, "hidden_1FD", original.hidden_1FD + 0.01)
    with pytest.raises(PermanentError, match=r"Float32 export differs from torch by 0\.01\d*, .*allows 0\.001") as caught:
        original.measure(built, precision="Float32")
    assert caught.value.reason == "ExportDiffers"


def test_the_artifact_takes_a_recording_and_writes(original: OriginalSpeech, built: Path) -> None:
    names = {path.name for path in built.iterdir()}
    assert {"encoder.onnx", "decoder.onnx", "genai_config.json", "audio_processor_config.json", "tokenizer.json"} <= names
    stream = io.BytesIO()
    tone = np.sin(np.arange(SAMPLING_RATE) * 0.2).astype(np.float32)
    soundfile.write(stream, tone, SAMPLING_RATE, format="WAV", subtype="PCM_16")
    heard = SpeechRunner(built).transcribe(stream.getvalue(), original.prompt(), maximum_tokens=6, stops=False)
    assert heard.num_tokens == 6
    assert original.describe(built) == {
        "task": "SpeechRecognition",
        "runtime": "onnxruntime-genai",
        "type": "whisper",
        "maximumTokens": 32,
        "audio": {"samplingRate": 16000, "channels": 1, "maximumSeconds": 30},
        "prompt": {"tokens": ["<|startoftranscript|>", "<|notimestamps|>"]},
    }
    json.dumps(original.describe(built))


def test_a_model_of_many_languages_is_told_which(original: OriginalSpeech, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(original, "is_multilingual", True)
    assert original.prompt("de") == ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]


def test_the_original_and_its_export_hear_the_same(folder: Path, built: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    hearer = TorchHearer(folder, SPEC, language="en")
    export = BuiltHearer(built, prompt=hearer.prompt, maximum_tokens=hearer.maximum_new_tokens)
    heard = []
    for number in range(3):
        samples = generator.normal(0, 0.1 * (number + 1), SAMPLING_RATE).astype(np.float32)
        soundfile.write(tmp_path / "a.wav", samples, SAMPLING_RATE, subtype="FLOAT")
        heard.append((hearer.hear(tmp_path / "a.wav", samples), export.hear(tmp_path / "a.wav", samples)))
    # The runtime's own mel spectrogram differs in the last digits, and an untrained model stands near to a tie at every token.
    assert all(ours[:8] == theirs[:8] and len(ours) >= 8 for ours, theirs in heard), heard
    assert len({ours for ours, _ in heard}) > 1, "different sounds"


def test_an_encoder_of_text_hears_nothing(encoder_folder: Path) -> None:
    with pytest.raises(ConfigError, match="transformers cannot load"):
        open_original(encoder_folder, SPEC)

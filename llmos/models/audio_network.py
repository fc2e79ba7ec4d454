"""A model of sound as one torch module: features of a window of fixed length in, one score for each label out.

    B batch, M mel bins, F frames, L labels; everything float32.

Recordings are filled up to the window before, so nothing is ever padded here, and only the batch is free. Must not: prepare a recording;
`audio_spec` says how.
"""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoModelForAudioClassification

from llmos.errors import ConfigError
from llmos.models.audio_spec import AudioSpec, read_audio_spec
from llmos.models.config import Task
from llmos.models.labels import check_label_count
from llmos.models.network import Network
from llmos.models.pretrained import load_pretrained
from llmos.models.serving_files import write_preprocessing
from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["AudioNetwork", "load_audio_network"]

_INPUT = "input_features"


class AudioNetwork(Network):
    """Wraps a transformers classifier of mel features; its one output is `logits` [B, L]."""

    def __init__(self, model: Any, spec: AudioSpec) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.inputs = (TensorSpec(_INPUT, "FP32", (spec.num_mel_bins, spec.num_frames)),)
        self.outputs = (TensorSpec("logits", "FP32", (int(model.config.num_labels),)),)
        self.maximum_positions = None

    def forward(self, features_BMF: Tensor) -> Tensor:
        """Return logits_BL."""
        logits_BL: Tensor = self.model(features_BMF).logits
        return logits_BL

    def choose_shapes(self, maximum_length: int) -> tuple[tuple[int, int], ...]:
        """Return one window and three; their length is their frames, whatever is asked for."""
        return (1, self.spec.num_frames), (3, self.spec.num_frames)

    def make_inputs(self, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False) -> Inputs:
        """Make features as loud as a recording's."""
        batch, _ = shape
        return {_INPUT: generator.uniform(-1, 1, (batch, *self.inputs[0].dims)).astype(np.float32)}

    def pad(self, inputs: Inputs, length: int) -> Inputs | None:
        """Return None: windows have one length."""
        return None

    def write_assets(self, folder: Path, *, maximum_length: int) -> None:
        """Write `preprocessing.json`."""
        document = {
            "inputs": [tensor.name for tensor in self.inputs],
            "outputs": [tensor.name for tensor in self.outputs],
            "audio": self.spec.to_document(),
        }
        write_preprocessing(folder, document)


def load_audio_network(folder: Path, task: Task) -> AudioNetwork:
    """Load a folder with a classifier of sound, in evaluation mode; raises as `load_network`."""
    heads = ("ForAudioClassification", "ForSequenceClassification")
    model = load_pretrained(AutoModelForAudioClassification, folder, task=task, heads=heads)
    if model.main_input_name != _INPUT:
        raise ConfigError(
            f"a {type(model).__name__} takes {model.main_input_name}, and only models of mel features ({_INPUT}) are known; use Whisper's "
            "encoder",
            reason="InvalidSource",
        )
    check_label_count(folder, int(model.config.num_labels))
    network: AudioNetwork = AudioNetwork(model, read_audio_spec(folder)).eval()
    return network

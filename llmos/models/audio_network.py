"""A model of sound as one torch module: features of a window of fixed length in, one score for each label out.

    B batch, M mel bins, F frames, L labels; everything float32.

Recordings are filled up to the window before, so nothing is ever padded here, and only the batch is free. Must not: prepare a recording;
`audio_spec` says how.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoModelForAudioClassification

from llmos.errors import ConfigError
from llmos.models.audio_spec import AudioSpec, read_audio_spec
from llmos.models.config import Task
from llmos.models.fixed_network import FixedNetwork
from llmos.models.labels import check_label_count
from llmos.models.pretrained import load_pretrained
from llmos.models.tensors import Inputs, TensorSpec

__all__ = ["AudioNetwork", "load_audio_network"]

_INPUT = "input_features"


class AudioNetwork(FixedNetwork):
    """Wraps a transformers classifier of mel features; its one output is `logits` [B, L]."""

    def __init__(self, model: Any, spec: AudioSpec) -> None:
        given = TensorSpec(_INPUT, "FP32", (spec.num_mel_bins, spec.num_frames))
        super().__init__(model, given=given, length=spec.num_frames)
        self.spec = spec

    def forward(self, features_BMF: Tensor) -> Tensor:
        """Return logits_BL."""
        logits_BL: Tensor = self.model(features_BMF).logits
        return logits_BL

    def make_inputs(self, shape: tuple[int, int], generator: np.random.Generator, *, full: bool = False) -> Inputs:
        """Make features as loud as a recording's."""
        batch, _ = shape
        return {_INPUT: generator.uniform(-1, 1, (batch, *self.inputs[0].dims)).astype(np.float32)}

    def describe_input(self) -> Mapping[str, Any]:
        """Return `audio`."""
        return {"audio": self.spec.to_document()}


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

"""From a recording to the numbers a model of sound takes: the logarithm of a mel spectrogram, as Whisper is trained with, in numpy alone.

    S samples, N bins of a spectrum, M mel bins, F frames.

A server does with it what was measured. Must not: import torch, or read files of sound.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from llmos.errors import ConfigError

__all__ = ["AudioSpec", "read_audio_spec"]

_LINEAR_HERTZ: Final = 1000.0
"""Below, mels are hertz by a factor; above, their logarithm (Slaney's scale)."""
_HERTZ_PER_MEL: Final = 200.0 / 3
_LOG_STEP: Final = np.log(6.4) / 27.0


@dataclass(frozen=True, slots=True)
class AudioSpec:
    """What is done to a recording."""

    sampling_rate: int
    """Samples a second."""

    num_samples: int
    """A recording is cut to so many, or filled up with silence."""

    fft_size: int
    hop_size: int
    """Samples between two frames."""

    num_mel_bins: int

    @property
    def num_frames(self) -> int:
        """Frames of a whole window."""
        return self.num_samples // self.hop_size

    def to_document(self) -> Mapping[str, Any]:
        """Return the `audio` of `preprocessing.json`."""
        return {
            "samplingRate": self.sampling_rate,
            "channels": 1,
            "samples": self.num_samples,
            "features": "LogMelWhisper",
            "fftSize": self.fft_size,
            "hopSize": self.hop_size,
            "melBins": self.num_mel_bins,
        }

    def prepare(self, samples_S: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features_MF of one channel with samples from -1 to 1, at `sampling_rate`."""
        window_S = np.zeros(self.num_samples, dtype=np.float64)
        cut_S = samples_S[: self.num_samples]
        window_S[: len(cut_S)] = cut_S
        padded_S = np.pad(window_S, self.fft_size // 2, mode="reflect")
        starts_F = np.arange(self.num_frames) * self.hop_size
        frames = padded_S[starts_F[:, None] + np.arange(self.fft_size)]
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.fft_size) / self.fft_size)
        power_FN = np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2
        mel_MF = np.log10(np.maximum(power_FN @ self._filters_NM(), 1e-10)).T
        # Eight powers of ten below the loudest is silence; the rest lies about from -1 to 1.
        features_MF: NDArray[np.float32] = ((np.maximum(mel_MF, mel_MF.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
        return features_MF

    def _filters_NM(self) -> NDArray[np.float64]:
        highest = self.sampling_rate / 2
        edges = _to_hertz(np.linspace(0.0, _to_mel(highest), self.num_mel_bins + 2))
        bins_N = np.linspace(0.0, highest, self.fft_size // 2 + 1)
        slopes = edges[None, :] - bins_N[:, None]
        widths = np.diff(edges)
        triangles_NM = np.maximum(0.0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
        # Slaney's normalisation: each filter has the same area.
        return np.asarray(triangles_NM * (2.0 / (edges[2:] - edges[:-2])), dtype=np.float64)


def _to_mel(hertz: float) -> float:
    if hertz < _LINEAR_HERTZ:
        return hertz / _HERTZ_PER_MEL
    return float(_LINEAR_HERTZ / _HERTZ_PER_MEL + np.log(hertz / _LINEAR_HERTZ) / _LOG_STEP)


def _to_hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _LINEAR_HERTZ / _HERTZ_PER_MEL
    return np.where(mels < knee, mels * _HERTZ_PER_MEL, _LINEAR_HERTZ * np.exp(_LOG_STEP * (mels - knee)))


def read_audio_spec(folder: Path) -> AudioSpec:
    """Read how a model's recordings are prepared.

    Raises: ConfigError (InvalidSource) if `preprocessor_config.json` does not say it, or says something that is not known here.
    """
    path = folder / "preprocessor_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if config["feature_extractor_type"] != "WhisperFeatureExtractor":
            raise ValueError(f"only WhisperFeatureExtractor is known, found {config['feature_extractor_type']!r:.80}")
        rate = int(config["sampling_rate"])
        return AudioSpec(
            rate, rate * int(config["chunk_length"]), int(config["n_fft"]), int(config["hop_length"]), int(config["feature_size"])
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"how {folder.name} wants its recordings prepared is not understood ({path.name}): {type(error).__name__} {error}",
            reason="InvalidSource",
        ) from error

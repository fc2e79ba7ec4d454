"""Reading a recording as the samples of one channel, with libsndfile.

    S samples.

Must not: resample: how that is done changes what a model hears, so a recording comes as the model wants it.
"""

from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from llmos.errors import ConfigError

__all__ = ["read_recording"]

_MOST_SECONDS: Final = 3600


def read_recording(path: Path, *, name: str, sampling_rate: int) -> NDArray[np.float32]:
    """Return samples_S from -1 to 1, the mean of the channels.

    Args:
        name: what the file is called in messages.
        sampling_rate: what it must have, in samples a second.

    Raises: ConfigError (InvalidDataset) if it cannot be read, or has another rate.
    """
    try:
        with soundfile.SoundFile(str(path)) as recording:
            found, frames = int(recording.samplerate), int(recording.frames)
            if found != sampling_rate:
                raise ConfigError(
                    f"{name!r:.100} of spec.evaluation.dataset has {found:,} samples a second, and the model takes {sampling_rate:,}; "
                    "convert it",
                    reason="InvalidDataset",
                )
            if not 0 < frames <= _MOST_SECONDS * sampling_rate:
                raise ConfigError(
                    f"{name!r:.100} of spec.evaluation.dataset is {frames / sampling_rate:.1f} s long; it must have some sound, and at "
                    f"most {_MOST_SECONDS:,} s",
                    reason="InvalidDataset",
                )
            samples_SC = recording.read(dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise ConfigError(
            f"{name!r:.100} of spec.evaluation.dataset is no recording that can be read: {error}", reason="InvalidDataset"
        ) from error
    samples_S: NDArray[np.float32] = np.asarray(samples_SC.mean(axis=1), dtype=np.float32)
    return samples_S

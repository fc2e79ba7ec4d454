"""From a fetched folder to one that transformers loads, whatever the weights came as.

A converter stands between fetching and the import: it takes a fetched folder, writes a model folder, and says in one line what it changed;
that line goes into the provenance and the model card. Must not: fetch, or run anything that a file brings along.
"""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from llmos.models.config import FormatSpec
from llmos.models.folder import copy_model_folder, is_model_file
from llmos.models.formats.safety import refuse_foreign_code, refuse_links

__all__ = ["describe_conversion", "is_converted", "is_wanted", "take_model_folder", "tools_of"]

CONVERSION_FILE: Final = "conversion.json"
"""Lies beside converted weights, and says what was done to them."""

_CONVERTERS: Final[Mapping[str, str]] = {
    "GGUF": "gguf_file:convert_gguf",
    "CTranslate2": "ctranslate2:convert_ctranslate2",
    "ONNX": "onnx_file:take_onnx",
    "StateDict": "state_dict:convert_state_dict",
}
"""Format → `module:function` of `(source, into, FormatSpec) -> what was changed`; loaded when used, because they need torch."""

_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "GGUF": (".gguf",),
    "CTranslate2": (".bin",),
    "ONNX": (".onnx", ".onnx.data", ".onnx_data"),
    "StateDict": (".pth", ".pt"),
}
_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {"GGUF": ("gguf",), "StateDict": ("timm",)}


def take_model_folder(source: Path, into: Path, form: FormatSpec | None = None) -> Path:
    """Copy or convert a fetched folder into a model folder.

    Args:
        source: as it was fetched, to be thrown away afterwards: where both are on one disk, nothing is copied.
        into: a folder that does not exist yet.
        form: what the source is, if it is no folder of transformers with safetensors.

    Returns: `into`.
    Raises: ConfigError (InvalidSource) for code, links, a pickle, or a file that is damaged or not what the spec says.
    """
    refuse_links(source)
    refuse_foreign_code(source)
    if form is None:
        return copy_model_folder(source, into, may_link=True)
    module, name = _CONVERTERS[form.type].split(":")
    changes = getattr(import_module(f"llmos.models.formats.{module}"), name)(source, into, form)
    kept = {"format": "onnx"} if form.type == "ONNX" else {"convertedFrom": form.type}
    document = {**kept, "changes": changes}
    (into / CONVERSION_FILE).write_text(json.dumps(document, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return into


def is_converted(form: FormatSpec | None) -> Callable[[str], bool]:
    """Return which files of a source a converter reads, by name: nothing but tensors is taken from them."""
    suffixes = _SUFFIXES[form.type] if form else ()
    return lambda name: name.endswith(suffixes)


def is_wanted(form: FormatSpec | None) -> Callable[[str], bool]:
    """Return which files of a source are worth fetching, by name: a repository may hold the same weights in several formats."""
    suffixes = _SUFFIXES[form.type] if form else ()

    def is_wanted_file(name: str) -> bool:
        if form is None:
            return is_model_file(name)
        if form.file is not None and name.endswith(suffixes):
            # A graph's weights may lie in a file beside it, which has its name and a little more.
            return name == form.file or name in [f"{form.file}{ending}" for ending in (".data", "_data") if form.type == "ONNX"]
        return name.endswith(suffixes) or (is_model_file(name) and not name.endswith(".safetensors"))

    return is_wanted_file


def describe_conversion(folder: Path, form: FormatSpec | None) -> Mapping[str, str]:
    """Return attributes for the payload of a folder that `take_model_folder` wrote; none for a copy."""
    # Only where we converted: a file of that name in somebody's folder says nothing.
    return dict(json.loads((folder / CONVERSION_FILE).read_text(encoding="utf-8"))) if form else {}


def tools_of(form: FormatSpec | None) -> tuple[str, ...]:
    """Return the packages whose versions decide the converted bytes, besides torch and transformers."""
    return _TOOLS.get(form.type, ()) if form else ()

"""From a task to the loader of its kind of input. A new kind of input is one file with a `Network`, and one line here.

Must not: import torch before a model is loaded; know what any loader does.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from llmos.models.config import FormatSpec, Task

if TYPE_CHECKING:
    from llmos.models.network import Network

__all__ = ["load_network"]

_TEXT: Final = "text_tasks:load_text_network"
_GIVEN: Final = "onnx_given:load_given_network"
_LOADERS: Final[Mapping[Task, str]] = {
    Task.FEATURE_EXTRACTION: _TEXT,
    Task.TEXT_CLASSIFICATION: _TEXT,
    Task.TOKEN_CLASSIFICATION: _TEXT,
    Task.SEQUENCE_PAIR: _TEXT,
    Task.MASKED_LM: _TEXT,
    Task.AUDIO_CLASSIFICATION: "audio_network:load_audio_network",
    Task.IMAGE_CLASSIFICATION: "image_network:load_image_network",
}


def load_network(folder: Path, task: Task, *, form: FormatSpec | None = None) -> "Network":
    """Load a model folder in float32, in evaluation mode, on the CPU.

    Args:
        form: what the source was; a folder with a graph that was given is opened, not loaded.

    Raises: ConfigError: InvalidSource if transformers cannot load it, TaskMismatch if its weights have no head for the task.
    """
    loader = _GIVEN if form is not None and form.type == "ONNX" else _LOADERS[task]
    module, name = loader.split(":")
    return cast("Network", getattr(import_module(f"llmos.models.{module}"), name)(folder, task))

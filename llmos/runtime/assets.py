"""The inference pod's files: where they lie, and what the model's own files say.

Must not: fetch; `fetch` does. Everything parsed here came from an artifact whose digest was verified; it is checked all the same, because
a wrong label list would answer every question wrongly and nothing would ever fail.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.artifacts import digest_hex
from llmos.errors import PermanentError

__all__ = ["SERVED_TASKS", "TRITON_MODEL", "Label", "ModelAssets", "PodPaths", "load_assets"]

TRITON_MODEL: Final = "model"
"""The one model's name in Triton; its config.pbtxt says the same."""

SERVED_TASKS: Final = ("FeatureExtraction", "TextClassification")
"""What an answer can be made of; the operator refuses other Models before a pod starts."""

TOKENIZER_FILE: Final = "tokenizer.json"
LABELS_FILE: Final = "labels.json"
PREPROCESSING_FILE: Final = "preprocessing.json"

_KNOWN_INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_KNOWN_OUTPUTS: Final = ("logits", "embedding")
_TEMPERATURES: Final = (0.05, 20.0)
"""Bounds of what an import fits; anything beyond would make every answer certain, or none."""


@dataclass(frozen=True, slots=True)
class PodPaths:
    """The volumes of an inference pod."""

    models: Path = Path("/models")
    knowledge: Path = Path("/knowledge")
    active: Path = Path("/etc/llmos/knowledge/active.yaml")
    config: Path = Path("/etc/llmos/config.yaml")

    @property
    def repository(self) -> Path:
        """Triton's model repository."""
        return self.models / "repository"

    @property
    def assets(self) -> Path:
        """What the sidecar needs of the model."""
        return self.models / "assets"

    def snapshot(self, digest: str) -> Path:
        """Where the snapshot of a KnowledgeBase's version lies."""
        return self.knowledge / digest_hex(digest)

    def sparql_stores(self, digest: str) -> Path:
        """Where the stores lie that were derived from a snapshot."""
        return self.knowledge / "sparql" / digest_hex(digest)


@dataclass(frozen=True, slots=True)
class Label:
    """A class of the model; compared by id, never by its place in the list."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAssets:
    """What turns text into the model's input, and its output into an answer."""

    tokenizer: Path
    labels: Sequence[Label] | None
    """None for a model that gives embeddings."""

    inputs: Sequence[str]
    output: str
    maximum_tokens: int
    temperature: float = 1.0
    """By what logits are divided before the softmax, so that a score is how often such an answer is right; 1: not measured."""

    @property
    def task(self) -> str:
        """`TextClassification` or `FeatureExtraction`."""
        return "FeatureExtraction" if self.labels is None else "TextClassification"


def load_assets(directory: Path) -> ModelAssets:
    """Read and check the model's files.

    Raises: PermanentError (InvalidSource) naming the file and what is wrong with it.
    """
    preprocessing = _read_json(directory / PREPROCESSING_FILE)
    labels_path = directory / LABELS_FILE
    labels = _parse_labels(labels_path) if labels_path.exists() else None
    output = _KNOWN_OUTPUTS[0] if labels is not None else _KNOWN_OUTPUTS[1]
    inputs = preprocessing.get("inputs")
    outputs = preprocessing.get("outputs")
    maximum_tokens = preprocessing.get("maximumTokens")
    path = directory / PREPROCESSING_FILE
    if not isinstance(inputs, list) or not inputs or not set(inputs) <= _KNOWN_INPUTS:
        raise _invalid(path, f"inputs is {inputs!r}; it must be a list of {', '.join(sorted(_KNOWN_INPUTS))}")
    if not isinstance(outputs, list) or output not in outputs:
        raise _invalid(path, f"outputs is {outputs!r}; a model {'with' if labels else 'without'} labels must have the output {output}")
    if not isinstance(maximum_tokens, int) or maximum_tokens < 1:
        raise _invalid(path, f"maximumTokens is {maximum_tokens!r}; it must be a positive integer")
    tokenizer = directory / TOKENIZER_FILE
    if not tokenizer.is_file():
        raise _invalid(tokenizer, "it is missing")
    return ModelAssets(
        tokenizer=tokenizer,
        labels=labels,
        inputs=tuple(inputs),
        output=output,
        maximum_tokens=maximum_tokens,
        temperature=_parse_temperature(path, preprocessing.get("temperature", 1.0)),
    )


def _parse_temperature(path: Path, value: Any) -> float:
    least, most = _TEMPERATURES
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise _invalid(path, f"temperature is {value!r}; it must be a number from {least} to {most}")
    return float(value)


def _parse_labels(path: Path) -> tuple[Label, ...]:
    items = _read_json(path).get("labels")
    try:
        labels = tuple(Label(str(item["id"]), str(item["name"])) for item in items or [])
    except (TypeError, KeyError) as error:
        raise _invalid(path, f"each label needs id and name: {error}") from error
    if not labels or len({label.id for label in labels}) != len(labels):
        raise _invalid(path, "it must hold at least one label, and each id once")
    return labels


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _invalid(path, f"it cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise _invalid(path, "it must hold a JSON object")
    return document


def _invalid(path: Path, problem: str) -> PermanentError:
    return PermanentError(f"the model's file {path.name} is unusable: {problem}; import the Model anew", reason="InvalidSource")

"""Labels of a classifier: an id that stays, a name for people, and their order, which is the order of the output's columns.

They travel as `labels.json` beside the weights, and are compared by id at every hop, never by index. Must not: import torch.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llmos.errors import ConfigError

__all__ = ["LABELS_FILE", "Label", "check_label_count", "label_measurements", "read_labels", "write_labels"]

LABELS_FILE: Final = "labels.json"

_MOST_IDS: Final = 256
_LONGEST_ID: Final = 128
"""Bounds of `status.version.labelIds`, which selectors ask."""


@dataclass(frozen=True, slots=True)
class Label:
    """One class."""

    id: str
    """Stable; an entity's id where the classes come from a graph."""

    name: str


def label_measurements(labels: Sequence[Label]) -> dict[str, Any]:
    """Return what a version says about its labels: how many, and their ids while those stay few and short enough for a status."""
    if not labels:
        return {}
    is_short = len(labels) <= _MOST_IDS and all(len(label.id) <= _LONGEST_ID for label in labels)
    return {"labels": len(labels), **({"labelIds": [label.id for label in labels]} if is_short else {})}


def read_labels(folder: Path) -> tuple[Label, ...]:
    """Read the labels of a model folder: `labels.json`, else `id2label` of config.json (then a name is its own id).

    Returns: the labels in the order of the output's columns; empty where neither file has any.
    Raises: ConfigError (InvalidSource) if they are malformed, doubled, or the two files disagree.
    """
    config = _read_json(folder / "config.json") or {}
    id2label = config.get("id2label") or {}
    try:
        ids = [str(id2label[key]) for key in sorted(id2label, key=int)]
        if sorted(int(key) for key in id2label) != list(range(len(ids))):
            raise ValueError("its keys must be 0, 1, 2, …")
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"config.json has a malformed id2label: {error}", reason="InvalidSource") from error
    document = _read_json(folder / LABELS_FILE)
    labels = tuple(Label(id=text, name=text) for text in ids) if document is None else _parse(document)
    if len({label.id for label in labels}) != len(labels):
        raise ConfigError(
            f"the labels of {folder.name} must have distinct ids, found {[label.id for label in labels]!r:.200}", reason="InvalidSource"
        )
    if document is not None and ids and ids != [label.id for label in labels]:
        raise ConfigError("labels.json and id2label of config.json name different labels, or in another order", reason="InvalidSource")
    return labels


def check_label_count(folder: Path, num_columns: int) -> None:
    """Refuse a folder whose labels are not as many as its head's columns; raises ConfigError (InvalidSource)."""
    if (count := len(read_labels(folder))) != num_columns:
        raise ConfigError(f"{folder.name} names {count} labels and its head has {num_columns}", reason="InvalidSource")


def write_labels(folder: Path, labels: Sequence[Label]) -> Path:
    """Write `labels.json` into a folder; equal labels give equal bytes."""
    path = folder / LABELS_FILE
    document = {"labels": [{"id": label.id, "name": label.name} for label in labels]}
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def _parse(document: Any) -> tuple[Label, ...]:
    try:
        labels = tuple(Label(id=item["id"], name=item["name"]) for item in document["labels"])
    except (TypeError, KeyError) as error:
        raise ConfigError(f'labels.json must be {{"labels": [{{"id": …, "name": …}}]}}: {error}', reason="InvalidSource") from error
    if not all(isinstance(text, str) and text for label in labels for text in (label.id, label.name)):
        raise ConfigError("labels.json must give each label an id and a name, both text and not empty", reason="InvalidSource")
    return labels


def _read_json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} cannot be read as JSON: {error}", reason="InvalidSource") from error

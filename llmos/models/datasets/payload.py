"""Labelled items as a payload: one file of canonical lines, so that the same items are the same bytes. Must not: talk to a registry."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from llmos.artifacts import DATASET_FILE, FileLayer
from llmos.errors import PermanentError
from llmos.models.datasets.examples import Dataset, Example

__all__ = ["DATASET_NAME", "dataset_layers", "read_dataset_payload", "write_dataset"]

DATASET_NAME: Final = "items.jsonl"


def write_dataset(examples: Iterable[Example], folder: Path) -> Path:
    """Write `items.jsonl` into a new folder and return the folder."""
    folder.mkdir(parents=True)
    with (folder / DATASET_NAME).open("wb") as stream:
        for example in examples:
            stream.write(example.to_line() + b"\n")
    return folder


def dataset_layers(folder: Path) -> list[FileLayer]:
    """Return the payload's one file."""
    return [FileLayer(path=DATASET_NAME, source=folder / DATASET_NAME, media_type=DATASET_FILE)]


def read_dataset_payload(folder: Path) -> Dataset:
    """Read what `write_dataset` wrote.

    Raises: PermanentError (ChainBroken) if it is anything else.
    """
    try:
        with (folder / DATASET_NAME).open(encoding="utf-8") as stream:
            return Dataset(tuple(_parse(json.loads(line)) for line in stream))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"the payload of labelled items cannot be read: {error}", reason="ChainBroken") from error


def _parse(row: dict[str, Any]) -> Example:
    tokens = tuple(row["text"]) if isinstance(row["text"], list) else ()
    return Example(
        text=" ".join(tokens) if tokens else row["text"],
        label=None if tokens else row["label"],
        second_text=row.get("secondText"),
        tokens=tokens,
        tags=tuple(row["label"]) if tokens else (),
        groups=tuple(row.get("groups", ())),
        slices=row.get("slices", {}),
    )

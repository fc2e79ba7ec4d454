"""`spec.evaluation` of a Model: what it is measured on and what it must reach.

All of it decides which exports a version holds, so all of it is hashed; a Model without it hashes as before the field existed. Must not:
decide; the Job does.
"""

from typing import Any

from llmos_operator.api.parts import Part
from llmos_operator.api.sources import PythonPackage

__all__ = ["Evaluation"]


class InlineDataset(Part):
    """A few items."""

    content: str


class HttpDataset(Part):
    """A file by address and checksum."""

    url: str
    sha256: str


class MediaArchive(Part):
    """Where pictures and recordings are: exactly one."""

    http: HttpDataset | None = None
    python_package: PythonPackage | None = None


class DatasetFile(Part):
    """A file of labelled items and what its columns mean."""

    inline: InlineDataset | None = None
    http: HttpDataset | None = None
    python_package: PythonPackage | None = None
    format: str
    text_column: str = "text"
    second_text_column: str | None = None
    label_column: str = "label"
    facts_column: str | None = None
    language: str | None = None
    media: MediaArchive | None = None
    group_column: str | None = None
    slice_columns: tuple[str, ...] = ()


class EvaluationDataset(Part):
    """What is measured on: exactly one."""

    training_job: dict[str, Any] | None = None
    file: DatasetFile | None = None


class SliceBound(Part):
    """What each value of a column must reach."""

    column: str
    minimum: str | None = None
    maximum: str | None = None


class Evaluation(Part):
    """The whole of it."""

    dataset: EvaluationDataset
    calibration_percent: int = 20
    seed: int = 0
    maximum_items: int = 10_000
    metric: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    maximum_drop: str | None = None
    maximum_latency_milliseconds: str | None = None
    slices: tuple[SliceBound, ...] = ()

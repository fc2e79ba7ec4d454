"""`spec.evaluation` of a `Model`: what it is measured on, and what it must reach. Part of the hashed spec where it is given.

Must not: fetch or decide; `llmos.models.datasets` and `llmos.models.gate` do.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from llmos.models.spec import Decimals, PythonPackageSource, SpecPart

__all__ = [
    "DatasetFile",
    "EvaluationBounds",
    "EvaluationDataset",
    "EvaluationSpec",
    "HttpDataset",
    "InlineDataset",
    "MediaArchive",
    "SliceBound",
]

Column = Annotated[str, Field(min_length=1, max_length=128)]
Share = Annotated[Decimals, Field(ge=0, le=1)]
Ceiling = Annotated[Decimals, Field(ge=0, lt=1000)]
"""Of metrics that may be above 1: errors per word, bits per byte."""


class InlineDataset(SpecPart):
    """A few items, in the spec itself."""

    content: Annotated[str, Field(min_length=1, max_length=16384)]


class HttpDataset(SpecPart):
    """A file by address and checksum."""

    url: Annotated[str, Field(pattern=r"^https?://", max_length=2048)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class MediaArchive(SpecPart):
    """Where pictures and recordings are: exactly one."""

    http: HttpDataset | None = None
    """A ZIP archive."""

    python_package: PythonPackageSource | None = None
    """A folder of a wheel."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if [self.http, self.python_package].count(None) != 1:
            raise ValueError("must set exactly one of http and pythonPackage")
        return self


class DatasetFile(SpecPart):
    """A file of labelled items and what its columns mean."""

    inline: InlineDataset | None = None
    http: HttpDataset | None = None
    python_package: PythonPackageSource | None = None
    format: Literal["JSONL", "CSV"]
    text_column: Column = "text"
    """With `media`, the path of the file."""

    second_text_column: Column | None = None
    """Of pairs; with FeatureExtraction, the text that belongs to the first one."""

    label_column: Column = "label"
    """A label's id; with tokens, the list of their tags; what should be written, where text is written."""

    facts_column: Column | None = None
    """What the model is told beside the question."""

    group_column: Column | None = None
    """What belongs together (a patient, a document) and so stays in one part. Without it, equal texts do."""

    slice_columns: Annotated[tuple[Column, ...], Field(max_length=8)] = ()
    """By whose values metrics are told apart."""

    media: MediaArchive | None = None
    """Where pictures and recordings are, whose paths stand in `text_column`."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    """Of the recordings, for models that know several; by default English."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if [self.inline, self.http, self.python_package].count(None) != 2:
            raise ValueError("must set exactly one of inline, http and pythonPackage")
        return self


class TrainingJobDataset(SpecPart):
    """The items that the TrainingJob held out, of the version that the model follows."""


class EvaluationDataset(SpecPart):
    """What is measured on: exactly one."""

    training_job: TrainingJobDataset | None = None
    file: DatasetFile | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if [self.training_job, self.file].count(None) != 1:
            raise ValueError("must set exactly one of trainingJob and file")
        return self


class SliceBound(SpecPart):
    """What the metric must reach for each value of a column."""

    column: Column
    minimum: Share | None = None
    maximum: Ceiling | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.minimum is None) == (self.maximum is None):
            raise ValueError("must set exactly one of minimum and maximum")
        return self


class EvaluationBounds(SpecPart):
    """How a set is measured on, and what must be reached; without a bound nothing is refused, and everything is measured."""

    calibration_percent: Annotated[int, Field(ge=1, le=50)] = 20
    """Share of the groups on which temperatures and scales are fitted; the rest is measured on."""

    seed: Annotated[int, Field(ge=0, le=2147483647)] = 0
    """Of that split."""

    maximum_items: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Of a larger set this many are measured on, chosen by their hash."""

    metric: (
        Literal[
            "Accuracy",
            "MacroF1",
            "SpanF1",
            "MaskedAccuracy",
            "RetrievalAccuracy",
            "WordErrorRate",
            "BitsPerByte",
            "AnswerAccuracy",
            "RougeL",
        ]
        | None
    ) = None
    """What the bounds below speak of; by default the first of the task."""

    minimum: Share | None = None
    maximum: Ceiling | None = None
    """Of a metric that is better the lower it is."""

    maximum_drop: Share | None = None
    """By how much it may be worse than the model in torch and Float32, on the same items."""

    maximum_latency_milliseconds: Annotated[Decimals, Field(gt=0, le=3_600_000)] | None = None
    """Of one item alone, 95th percentile."""

    slices: Annotated[tuple[SliceBound, ...], Field(max_length=8)] = ()

    @property
    def bounds_answers(self) -> bool:
        """Whether an export can be refused for what it answers."""
        return any(bound is not None for bound in (self.minimum, self.maximum, self.maximum_drop)) or bool(self.slices)


class EvaluationSpec(EvaluationBounds):
    """The whole of it."""

    dataset: EvaluationDataset

    @model_validator(mode="after")
    def _check_slices(self) -> Self:
        known = self.dataset.file.slice_columns if self.dataset.file else ()
        for bound in self.slices:
            if bound.column not in known:
                raise ValueError(f"slices names the column {bound.column!r}, and dataset.file.sliceColumns has {list(known)}")
        return self

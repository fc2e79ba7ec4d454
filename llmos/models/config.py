"""What a `Model` asks for: the hashed part of its spec, parsed and checked.

Must not: know where the result goes, or how a pod is run; that is `llmos.workload`.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from llmos.models.evaluation.spec import EvaluationSpec
from llmos.models.spec import Decimals, PythonPackageSource, SpecPart, parse_spec

__all__ = [
    "Decimals",
    "EvaluationSpec",
    "HttpFileSource",
    "HttpSource",
    "ModelSpec",
    "OnnxSpec",
    "PythonPackageSource",
    "SpecPart",
    "Task",
    "TrainingJobSource",
    "parse_model_spec",
    "parse_spec",
]


class Task(StrEnum):
    """What a model does."""

    FEATURE_EXTRACTION = "FeatureExtraction"
    """Text to one vector: the mean of its tokens' last hidden states, not normalised."""

    TEXT_CLASSIFICATION = "TextClassification"
    """Text to one score (logit) for each label."""

    TOKEN_CLASSIFICATION = "TokenClassification"  # noqa: S105
    """Text to one score for each label of each token."""

    SEQUENCE_PAIR = "SequencePair"
    """Two texts, joined by the tokenizer, to one score for each label; a single label is how well they belong together."""

    MASKED_LM = "MaskedLM"
    """Text with masked tokens to one score for each token of the vocabulary at each place."""

    @property
    def has_labels(self) -> bool:
        """Whether the columns of its output are labels with ids."""
        return self in (Task.TEXT_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.SEQUENCE_PAIR)


class HttpFileSource(SpecPart):
    """One file of a model folder."""

    url: Annotated[str, Field(pattern=r"^https?://", max_length=2048)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    path: Annotated[str, Field(min_length=1, max_length=256)]
    """Where it lies in the folder, such as `config.json`."""


class HttpSource(SpecPart):
    """The files of a model folder, each by address and checksum."""

    files: Annotated[tuple[HttpFileSource, ...], Field(min_length=1, max_length=64)]


class TrainingJobSource(SpecPart):
    """What a TrainingJob made; which version is said by the parent of role `trainingJob`."""


class Source(SpecPart):
    """Where the weights come from: exactly one."""

    python_package: PythonPackageSource | None = None
    http: HttpSource | None = None
    training_job: TrainingJobSource | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if [self.python_package, self.http, self.training_job].count(None) != 2:
            raise ValueError("must set exactly one of pythonPackage, http and trainingJob")
        return self


class OnnxSpec(SpecPart):
    """How the export is made and what it must hold."""

    precisions: Annotated[tuple[Literal["Float32"], ...], Field(min_length=1, max_length=4)] = ("Float32",)
    maximum_difference: Annotated[Decimals, Field(ge=0)] = Decimal("0.001")
    """Largest absolute difference of any output number between the export and torch."""

    maximum_tokens: Annotated[int, Field(ge=8, le=8192)] = 256
    """Longer inputs are cut."""


class ModelSpec(SpecPart):
    """The whole hashed spec."""

    task: Task
    source: Source
    onnx: OnnxSpec = OnnxSpec()
    evaluation: EvaluationSpec | None = None

    @model_validator(mode="after")
    def _check_dataset(self) -> Self:
        if self.evaluation and self.evaluation.dataset.training_job and not self.source.training_job:
            raise ValueError(
                "must not set evaluation.dataset.trainingJob unless source is trainingJob: only such a model has held-out items"
            )
        return self


def parse_model_spec(document: Mapping[str, Any]) -> ModelSpec:
    """Parse a Model's hashed spec.

    Raises: ConfigError (InvalidSpec) naming the field, its value and what it must be.
    """
    return parse_spec(ModelSpec, document)

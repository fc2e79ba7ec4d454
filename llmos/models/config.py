"""What a `Model` asks for: the hashed part of its spec, parsed and checked.

Must not: know where the result goes, or how a pod is run; that is `llmos.workload`.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from llmos.errors import ConfigError

__all__ = [
    "Decimals",
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

SpecType = TypeVar("SpecType", bound=BaseModel)


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


def _parse_decimal(value: Any) -> Any:
    # Specs carry decimals as text, because a float has no canonical form to hash.
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('must be a decimal number as text, for example "0.001"')
    return Decimal(value) if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit() else value


Decimals = Annotated[Decimal, BeforeValidator(_parse_decimal)]


class SpecPart(BaseModel):
    """Camel-case in the document, snake-case here; nothing unknown, nothing changed after parsing."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class PythonPackageSource(SpecPart):
    """A folder of a wheel."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    version: Annotated[str, Field(min_length=1, max_length=64)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the wheel."""

    path: Annotated[str, Field(min_length=1, max_length=256)]
    """The folder with config.json, inside the wheel."""


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


def parse_model_spec(document: Mapping[str, Any]) -> ModelSpec:
    """Parse a Model's hashed spec.

    Raises: ConfigError (InvalidSpec) naming the field, its value and what it must be.
    """
    return parse_spec(ModelSpec, document)


def parse_spec(model: type[SpecType], document: Mapping[str, Any]) -> SpecType:
    """Parse a spec document with a pydantic model; raises ConfigError (InvalidSpec) with one sentence."""
    try:
        # Snake-case names are for Python; a document that used them would hash to something else than it says.
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("spec", *(str(part) for part in first["loc"])))
        if first["type"] == "extra_forbidden":
            sentence = f"{field} is unknown; remove it, or use an image of the operator's version"
        elif first["type"] == "missing":
            sentence = f"{field} is missing"
        else:
            found = first["input"]
            shown = f", found {found!r:.100}" if isinstance(found, str | int | float | bool | None) else ""
            sentence = f"{field}: {first['msg'].removeprefix('Value error, ')}{shown}"
        raise ConfigError(sentence, reason="InvalidSpec") from error

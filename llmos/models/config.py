"""What a `Model` asks for: the hashed part of its spec, parsed and checked.

Must not: know where the result goes, or how a pod is run; that is `llmos.workload`.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from llmos.models.evaluation.fit import check_fit
from llmos.models.evaluation.spec import EvaluationSpec
from llmos.models.spec import Decimals, PythonPackageSource, SpecPart, parse_spec
from llmos.workload.source_spec import HttpFileSource, HttpSource, OciSource, PvcSource, S3FileSource, S3Source

__all__ = [
    "Decimals",
    "EvaluationSpec",
    "FormatSpec",
    "HttpFileSource",
    "HttpSource",
    "HuggingFaceSource",
    "ModelSpec",
    "OciSource",
    "OnnxSpec",
    "Precision",
    "PvcSource",
    "PythonPackageSource",
    "S3FileSource",
    "S3Source",
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

    IMAGE_CLASSIFICATION = "ImageClassification"
    """Picture to one score for each label."""

    AUDIO_CLASSIFICATION = "AudioClassification"
    """Sound to one score for each label."""

    SPEECH_RECOGNITION = "SpeechRecognition"
    """Sound to the text that is said in it."""

    TEXT_GENERATION = "TextGeneration"
    """Text to the text that goes on from it, token by token."""

    SUMMARIZATION = "Summarization"
    """Text to a shorter one: generation after an instruction that travels with the model."""

    @property
    def is_encoder_of_text(self) -> bool:
        """Whether tokens go in, all at once, and numbers come out."""
        return self in (
            Task.FEATURE_EXTRACTION,
            Task.TEXT_CLASSIFICATION,
            Task.TOKEN_CLASSIFICATION,
            Task.SEQUENCE_PAIR,
            Task.MASKED_LM,
        )

    @property
    def is_generative(self) -> bool:
        """Whether it writes token by token, which ONNX Runtime GenAI runs."""
        return self in (Task.SPEECH_RECOGNITION, Task.TEXT_GENERATION, Task.SUMMARIZATION)

    @property
    def has_labels(self) -> bool:
        """Whether the columns of its output are labels with ids."""
        return self in (
            Task.TEXT_CLASSIFICATION,
            Task.TOKEN_CLASSIFICATION,
            Task.SEQUENCE_PAIR,
            Task.IMAGE_CLASSIFICATION,
            Task.AUDIO_CLASSIFICATION,
        )


class Precision(StrEnum):
    """A number format of an export."""

    FLOAT32 = "Float32"
    """As torch computed it."""

    FLOAT16 = "Float16"
    """Two bytes a number."""

    BFLOAT16 = "BFloat16"
    """Two bytes a number, with the range of Float32 and eight bits of precision."""

    INT8_DYNAMIC = "Int8Dynamic"
    """Weights in eight bits, activations rounded to eight while it runs, each row by its own scale."""

    INT8_STATIC = "Int8Static"
    """Weights and activations in eight bits, by scales fitted on real inputs."""

    INT4 = "Int4"
    """Weights of matrices in four bits, in blocks of 32, each with a scale; only of models that generate."""

    @property
    def is_quantized(self) -> bool:
        """Whether numbers are rounded so far that only a metric can say what that costs."""
        return self in (Precision.INT8_DYNAMIC, Precision.INT8_STATIC, Precision.INT4)

    @property
    def needs_calibration(self) -> bool:
        """Whether it can only be made with real inputs."""
        return self is Precision.INT8_STATIC


class HuggingFaceSource(SpecPart):
    """A repository of a Hub."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$", max_length=192)]
    revision: Annotated[str, Field(min_length=1, max_length=128)] = "main"
    """A branch, a tag or a commit."""

    endpoint: Annotated[str, Field(pattern=r"^https?://", max_length=512)] | None = None
    """Another server than the Hub."""


class TrainingJobSource(SpecPart):
    """What a TrainingJob made; which version is said by the parent of role `trainingJob`."""


class Source(SpecPart):
    """Where the weights come from: exactly one."""

    python_package: PythonPackageSource | None = None
    http: HttpSource | None = None
    oci: OciSource | None = None
    hugging_face: HuggingFaceSource | None = None
    pvc: PvcSource | None = None
    s3: S3Source | None = None
    training_job: TrainingJobSource | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        fields = list(type(self).model_fields)
        if [getattr(self, name) for name in fields].count(None) != len(fields) - 1:
            names = [to_camel(name) for name in fields]
            raise ValueError(f"must set exactly one of {', '.join(names[:-1])} and {names[-1]}")
        return self


class FormatSpec(SpecPart):
    """What the source is, where it is no folder that transformers loads."""

    type: Literal["GGUF", "CTranslate2", "ONNX", "StateDict"]
    file: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Which file of the folder; not needed where there is one of the format."""

    architecture: Literal["EfficientNetLite0"] | None = None
    """Of a state dict, which says nothing about itself."""

    @model_validator(mode="after")
    def _check_architecture(self) -> Self:
        if (self.type == "StateDict") != (self.architecture is not None):
            raise ValueError("must set architecture with type StateDict, and only then")
        return self


class OnnxSpec(SpecPart):
    """How the export is made and what it must hold."""

    precisions: Annotated[tuple[Precision, ...], Field(min_length=1, max_length=8)] = (Precision.FLOAT32,)
    maximum_difference: Annotated[Decimals, Field(ge=0)] = Decimal("0.001")
    """Largest absolute difference of any output number between Float32 and torch, and of a row alone and in a batch."""

    maximum_tokens: Annotated[int, Field(ge=8, le=8192)] = 256
    """Longer inputs are cut."""


class ModelSpec(SpecPart):
    """The whole hashed spec."""

    task: Task
    source: Source
    format: FormatSpec | None = None
    """Absent: a folder of transformers, with safetensors."""

    onnx: OnnxSpec = OnnxSpec()
    evaluation: EvaluationSpec | None = None

    @model_validator(mode="after")
    def _check_calibration(self) -> Self:
        if self.evaluation is None and any(precision.needs_calibration for precision in self.onnx.precisions):
            raise ValueError(
                "must set evaluation with Int8Static in onnx.precisions: its scales are fitted on the dataset's calibration part"
            )
        return self

    @model_validator(mode="after")
    def _check_dataset(self) -> Self:
        if self.evaluation and self.evaluation.dataset.training_job and not self.source.training_job:
            raise ValueError(
                "must not set evaluation.dataset.trainingJob unless source is trainingJob: only such a model has held-out items"
            )
        if self.evaluation:
            check_fit(self.task, self.evaluation)
        return self

    @model_validator(mode="after")
    def _check_precisions(self) -> Self:
        if not self.task.is_generative and Precision.INT4 in self.onnx.precisions:
            raise ValueError("must set Int4 in onnx.precisions only with a task that writes text")
        if self.task.is_generative and (others := set(self.onnx.precisions) - {Precision.FLOAT32, Precision.INT4}):
            raise ValueError(f"must set only Float32 and Int4 in onnx.precisions with a task that writes text, not {min(others)}")
        return self

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        if self.format is not None and self.source.training_job is not None:
            raise ValueError("must not set format with source.trainingJob: what a TrainingJob makes is safetensors")
        if self.format is not None and self.format.type == "ONNX" and not self.task.is_encoder_of_text:
            raise ValueError("must set format type ONNX only with a task of encoders of text")
        return self


def parse_model_spec(document: Mapping[str, Any]) -> ModelSpec:
    """Parse a Model's hashed spec.

    Raises: ConfigError (InvalidSpec) naming the field, its value and what it must be.
    """
    return parse_spec(ModelSpec, document)

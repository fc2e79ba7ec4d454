"""What a `TrainingJob` asks for: the hashed part of its spec, parsed and checked.

Must not: know where the result goes, or how a pod is run; that is `llmos.workload`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from llmos.models.config import Decimals, SpecPart, parse_spec

__all__ = ["Data", "Hyperparameters", "KnowledgeRole", "Method", "SplitSpec", "Taxonomy", "TrainingSpec", "parse_training_spec"]

Seed = Annotated[int, Field(ge=0, le=2147483647)]


class Method(SpecPart):
    """Which weights are trained."""

    type: Literal["LoRA", "Full"]
    rank: Annotated[int, Field(ge=1, le=512)] | None = None
    """LoRA: rank of the added matrices."""

    alpha: Annotated[int, Field(ge=1, le=2048)] | None = None
    """LoRA: what was added is scaled by alpha / rank."""

    @model_validator(mode="after")
    def _check_union(self) -> Self:
        is_given = (self.rank is not None, self.alpha is not None)
        if self.type == "LoRA" and not all(is_given):
            raise ValueError("must set rank and alpha with type LoRA")
        if self.type != "LoRA" and any(is_given):
            raise ValueError("must set rank and alpha only with type LoRA")
        return self


class KnowledgeRole(SpecPart):
    """Which of the parents is the knowledge base."""

    role: Annotated[str, Field(pattern=r"^knowledge/.+$")]


class Taxonomy(SpecPart):
    """Examples made from a hierarchy; see `llmos.adaptation.taxonomy`."""

    knowledge: KnowledgeRole
    relation: Annotated[str, Field(min_length=1, max_length=128)]
    root: Annotated[str, Field(min_length=1, max_length=128)]
    minimum_items_per_label: Annotated[int, Field(ge=2, le=1_000_000)] = 100
    group_depth: Annotated[int, Field(ge=2, le=16)] = 2


class Data(SpecPart):
    """What is learned from."""

    taxonomy: Taxonomy


class SplitSpec(SpecPart):
    """What is kept back to measure on."""

    held_out_percent: Annotated[int, Field(ge=1, le=90)] = 30
    """Share of the groups; of the items only about."""

    seed: Seed = 0


class Hyperparameters(SpecPart):
    """How the training runs."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    learning_rate: Annotated[Decimals, Field(gt=0, le=1)] = Decimal("0.001")
    """At its highest, after the warm-up."""

    maximum_tokens: Annotated[int, Field(ge=8, le=8192)] = 128
    """Longer examples are cut."""

    seed: Seed = 0
    """Of new weights, dropout and the order of examples."""


class TrainingSpec(SpecPart):
    """The whole hashed spec."""

    task: Literal["TextClassification"]
    objective: Literal["Supervised"]
    method: Method
    data: Data
    split: SplitSpec = SplitSpec()
    hyperparameters: Hyperparameters = Hyperparameters()
    baseline: Literal["CharacterTfidf", "None"] = "CharacterTfidf"


def parse_training_spec(document: Mapping[str, Any]) -> TrainingSpec:
    """Parse a TrainingJob's hashed spec.

    Raises: ConfigError (InvalidSpec) naming the field, its value and what it must be.
    """
    return parse_spec(TrainingSpec, document)

"""The evaluation set of one import: fetched, its labels known to the model, not trained on, and split.

Everything here can go wrong before a model is loaded, and then does. Must not: measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llmos.artifacts import Registry
from llmos.errors import ConfigError
from llmos.models.config import Task
from llmos.models.datasets import (
    Dataset,
    Example,
    LabelKind,
    Parts,
    fetch_dataset,
    fetch_training_items,
    find_ancestry,
    find_overlap,
    find_unknown_label,
    split_for_evaluation,
)
from llmos.models.evaluation.fit import METRIC_FACTS
from llmos.models.evaluation.spec import EvaluationBounds, EvaluationSpec
from llmos.models.evaluation.task_metrics import find_metrics
from llmos.models.labels import Label
from llmos.workload import ParentRef, Reporter

__all__ = ["EvaluationSet", "check_contamination", "check_labels", "prepare_evaluation", "split_dataset"]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """What a model is measured on."""

    bounds: EvaluationBounds
    digest: str
    parts: Parts
    num_training_items: int | None
    """How many training items it was held against; None where nobody knows what the model was trained on."""

    media: Mapping[str, Path] = field(default_factory=dict)
    """Digest to file, of pictures and recordings."""

    num_unknown_ancestors: int = 0
    """Ancestors of which nobody can say any more what they learned from."""

    num_uses: int | None = None
    """How often the set was measured on in the namespace, this time among them; None where that was not counted."""

    def describe(self) -> Mapping[str, Any]:
        """Return the facts for the measurements."""
        compared = {} if self.num_training_items is None else {"comparedWithTrainingItems": self.num_training_items}
        if self.num_unknown_ancestors:
            compared["unknownAncestors"] = self.num_unknown_ancestors
        if self.num_uses is not None:
            compared["uses"] = self.num_uses
        return {
            "digest": self.digest,
            "items": len(self.parts.evaluation),
            "calibrationItems": len(self.parts.calibration),
            "straddlingItems": self.parts.num_straddling,
            "leftOutItems": self.parts.num_left_out,
            **compared,
        }


def prepare_evaluation(
    spec: EvaluationSpec,
    labels: Sequence[Label],
    into: Path,
    *,
    task: Task,
    registry: Registry,
    parent: ParentRef | None,
    reporter: Reporter | None = None,
) -> EvaluationSet:
    """Bring the evaluation set here, ready to be measured on.

    Args:
        labels: of the model, in any order.
        into: a folder that does not exist yet.
        parent: the TrainingJob's version, where the model follows one.

    Raises: ConfigError (InvalidDataset, EvaluationContaminated, InvalidSpec); otherwise as `fetch_dataset`.
    """
    _, metric = find_metrics(task, spec.metric)
    kind = METRIC_FACTS[metric.name].label_kind
    if kind is LabelKind.ID and len(labels) < 2:
        raise ConfigError(
            f"spec.evaluation is given, and the model has {len(labels)} labels to choose from; it is measured by its choices, so leave "
            "spec.evaluation out",
            reason="InvalidSpec",
        )
    if reporter is not None:
        reporter.progress("Evaluate", 0, "reading the evaluation set")
    dataset = fetch_dataset(spec.dataset, into / "evaluation", registry=registry, parent=parent, label_kind=kind, reporter=reporter)
    check_labels(dataset, labels)
    num_training, num_unknown = _compare_with_ancestors(dataset, into, registry, parent) if parent is not None else (None, 0)
    found = split_dataset(dataset, spec, num_training_items=num_training, is_fitted=not task.is_generative)
    return replace(found, num_unknown_ancestors=num_unknown)


def _compare_with_ancestors(dataset: Dataset, into: Path, registry: Registry, parent: ParentRef) -> tuple[int | None, int]:
    """Refuse a set that some ancestor was trained on.

    Returns: how many training items it was held against, None if no ancestor carries any; and how many ancestors nobody can look into.
    """
    ancestry = find_ancestry(registry, parent)
    num_items = 0
    for number, training in enumerate(ancestry.trainings):
        items = fetch_training_items(registry, training, into / f"training-{number}")
        assert items is not None, "an ancestry names only versions that carry items"
        check_contamination(dataset, items)
        num_items += len(items.examples)
    return (num_items if ancestry.trainings else None), ancestry.num_unknown


def split_dataset(
    dataset: Dataset, bounds: EvaluationBounds, *, num_training_items: int | None = None, is_fitted: bool = True
) -> EvaluationSet:
    """Split a set by its groups.

    Args:
        is_fitted: whether something is fitted on a part; else all items are measured on.

    Raises: ConfigError (InvalidDataset) if nothing is left to measure on.
    """
    percent = bounds.calibration_percent if is_fitted else 0
    parts = split_for_evaluation(dataset.examples, calibration_percent=percent, seed=bounds.seed, maximum_items=bounds.maximum_items)
    if not parts.evaluation:
        raise ConfigError(
            f"of the {len(dataset.examples)} items of spec.evaluation.dataset none is left to measure on: all their groups are in the "
            "calibration part; give more groups, or change spec.evaluation.seed",
            reason="InvalidDataset",
        )
    return EvaluationSet(bounds, dataset.digest, parts, num_training_items, dataset.media)


def check_labels(dataset: Dataset, labels: Sequence[Label]) -> None:
    """Refuse a set that names a label the model does not know; raises ConfigError (InvalidDataset)."""
    found = find_unknown_label(dataset.examples, [label.id for label in labels])
    if found is not None:
        position, id = found
        known = ", ".join(label.id for label in labels[:8]) + (", …" if len(labels) > 8 else "")
        raise ConfigError(
            f"item {position + 1} of spec.evaluation.dataset has the label {id!r:.100}, which the model does not know by that id; "
            f"it knows {known}",
            reason="InvalidDataset",
        )


def check_contamination(dataset: Dataset, training: Dataset) -> None:
    """Refuse a set of which items were trained on; raises ConfigError (EvaluationContaminated) with the number and an example."""
    overlap = find_overlap([_content(example) for example in dataset.examples], (_content(example) for example in training.examples))
    if not overlap.exact and not overlap.near:
        return
    position, trained = next(iter((overlap.exact or overlap.near).items()))
    raise ConfigError(
        f"of the {len(dataset.examples)} items of spec.evaluation.dataset the model was trained on {len(overlap.exact)} and on "
        f"{len(overlap.near)} that are nearly the same: item {position + 1}, {dataset.examples[position].text!r:.100}, is {trained!r:.100} "
        "of the TrainingJob; leave them out: a number measured on them says what the model remembers",
        reason="EvaluationContaminated",
    )


def _content(example: Example) -> str:
    """Return all that a model reads of an item: pairs often share one of their texts and are no less two items."""
    return example.text if example.second_text is None else f"{example.text}\n{example.second_text}"

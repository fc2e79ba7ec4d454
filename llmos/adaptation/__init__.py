"""Adapting a model to a task: data from a knowledge graph, an honest split, LoRA, and a metric beside a baseline.

Everything here works in a notebook, without a cluster; docs/training.md shows how. Importing this package does not import torch or
scikit-learn: names whose modules need them are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmos.adaptation.config import Hyperparameters, Method, TrainingSpec, parse_training_spec
from llmos.adaptation.split import Split, is_held_out, split_by_group
from llmos.adaptation.taxonomy import Item, TaxonomyDataset, build_taxonomy_dataset

if TYPE_CHECKING:
    from llmos.adaptation.baseline import predict_with_tfidf
    from llmos.adaptation.classifier import build_classifier, save_classifier
    from llmos.adaptation.training import TrainedClassifier, predict, train_classifier
    from llmos.models.evaluation.metrics import Scores, score

__all__ = [
    "Hyperparameters",
    "Item",
    "Method",
    "Scores",
    "Split",
    "TaxonomyDataset",
    "TrainedClassifier",
    "TrainingSpec",
    "build_classifier",
    "build_taxonomy_dataset",
    "is_held_out",
    "parse_training_spec",
    "predict",
    "predict_with_tfidf",
    "save_classifier",
    "score",
    "split_by_group",
    "train_classifier",
]

_HEAVY = {
    "Scores": "llmos.models.evaluation.metrics",
    "TrainedClassifier": "llmos.adaptation.training",
    "build_classifier": "llmos.adaptation.classifier",
    "predict": "llmos.adaptation.training",
    "predict_with_tfidf": "llmos.adaptation.baseline",
    "save_classifier": "llmos.adaptation.classifier",
    "score": "llmos.models.evaluation.metrics",
    "train_classifier": "llmos.adaptation.training",
}


def __getattr__(name: str) -> Any:
    """Load a name whose module imports torch, NumPy or scikit-learn."""
    if name in _HEAVY:
        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Labelled items to measure a model on: read, checked, identified by content, and split so that what belongs together stays together.

Must not: import torch or NumPy.
"""

from llmos.models.datasets.ancestry import Ancestry, find_ancestry
from llmos.models.datasets.examples import Dataset, Example, LabelKind, find_unknown_label
from llmos.models.datasets.fetching import fetch_dataset, fetch_training_items
from llmos.models.datasets.overlap import Overlap, find_overlap
from llmos.models.datasets.payload import dataset_layers, read_dataset_payload, write_dataset
from llmos.models.datasets.reading import Columns, read_csv, read_jsonl
from llmos.models.datasets.splitting import Parts, is_chosen, split_for_evaluation

__all__ = [
    "Ancestry",
    "Columns",
    "Dataset",
    "Example",
    "LabelKind",
    "Overlap",
    "Parts",
    "dataset_layers",
    "fetch_dataset",
    "fetch_training_items",
    "find_ancestry",
    "find_overlap",
    "find_unknown_label",
    "is_chosen",
    "read_csv",
    "read_dataset_payload",
    "read_jsonl",
    "split_for_evaluation",
    "write_dataset",
]

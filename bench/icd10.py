"""A real classification task from a package: the description of an ICD-10-CM code, and the chapter it belongs to.

The codes are in the public domain; the package is MIT. Whole categories (the first three characters of a code) are held out, so that no
near-copy of a test text was trained on.
"""

import hashlib
import random
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from llmos.workload import fetch_python_package

__all__ = ["Chapters", "Item", "fetch_chapters", "make_classifier"]

_PACKAGE: Final = {
    "name": "simple-icd-10-cm",
    "version": "1.5.0",
    "sha256": "6d461d71dc26aedc530ae65f02cfb578a154e49507c32e8241e75f701d4b7e42",
}
_FILE: Final = "simple_icd_10_cm/data/icd10c-tabular-April-1-2026.xml"
_HELD_OUT_OF_TEN: Final = 3
_TEXTS_PER_CHAPTER: Final = 200
_MAXIMUM_TOKENS: Final = 64

Item = tuple[str, str]
"""Text and label."""


@dataclass(frozen=True, slots=True)
class Chapters:
    """The task."""

    training: Sequence[Item]
    held_out: Sequence[Item]

    @property
    def labels(self) -> list[str]:
        """All labels, sorted."""
        return sorted({label for _, label in self.training})


def fetch_chapters(folder: Path, *, num_items: int) -> Chapters:
    """Fetch and split; at most `num_items` are held out, and 200 texts of each chapter are trained on."""
    fetch_python_package(**_PACKAGE, paths=[_FILE], into=folder)
    root = ET.parse(folder / _FILE).getroot()
    rows = [row for chapter in root.findall("chapter") for row in _read_chapter(chapter)]
    random.Random(0).shuffle(rows)
    training: dict[str, list[Item]] = {}
    held_out: list[Item] = []
    seen: set[str] = set()
    for text, label, category in rows:
        if text in seen:
            continue
        seen.add(text)
        if int(hashlib.sha256(category.encode()).hexdigest(), 16) % 10 < _HELD_OUT_OF_TEN:
            held_out.append((text, label))
        elif len(of_chapter := training.setdefault(label, [])) < _TEXTS_PER_CHAPTER:
            of_chapter.append((text, label))
    return Chapters([item for items in training.values() for item in items], held_out[:num_items])


def _read_chapter(chapter: Any) -> list[tuple[str, str, str]]:
    label = str(chapter.findtext("desc")).rpartition("(")[0].strip()
    rows = []
    for code in chapter.iter("diag"):
        category = str(code.findtext("name"))[:3]
        notes = [note.text for term in code.findall("inclusionTerm") for note in term.findall("note")]
        rows += [(str(text), label, category) for text in (code.findtext("desc"), *notes)]
    return rows


def make_classifier(encoder: Path, into: Path, chapters: Chapters) -> Path:
    """Fit a head on what the frozen encoder says of the training texts, and write the model with it."""
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    labels = chapters.labels
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: column for column, label in enumerate(labels)}}
    model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(labels), **names).eval()
    items = sorted(chapters.training, key=lambda item: len(item[0]))
    features = []
    with torch.inference_mode():
        for start in range(0, len(items), 32):
            texts = [text for text, _ in items[start : start + 32]]
            batch = tokenizer(texts, padding=True, truncation=True, max_length=_MAXIMUM_TOKENS, return_tensors="pt")
            features.append(model.base_model(**batch).pooler_output.numpy())
    head = LogisticRegression(C=10, max_iter=300).fit(np.concatenate(features), [labels.index(label) for _, label in items])
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(head.coef_))
        model.classifier.bias.copy_(torch.from_numpy(head.intercept_))
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)
    return into

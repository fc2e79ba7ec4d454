"""What must be true of the demo's answer and of the objects behind it; each check says what it found.

Owns: the verdicts. Must not: talk to anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["EXPECTED_ENTITIES", "QUESTION", "Check", "check_demo"]

QUESTION = "The child has seizures, a large head and was found to have low muscle tone."
EXPECTED_ENTITIES = {"HP:0001250": "Seizure", "HP:0000256": "Macrocephaly", "HP:0001252": "Hypotonia"}


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict: what was checked, whether it holds, and the figures."""

    title: str
    ok: bool
    found: str


def check_demo(
    *, answer: Mapping[str, Any], training: Mapping[str, Any], model: Mapping[str, Any], knowledge: Mapping[str, Any]
) -> list[Check]:
    """All verdicts on the answer and on the statuses of TrainingJob, Model and KnowledgeBase."""
    return list(_checks(answer, training["status"], model["status"], knowledge["status"]))


def _checks(
    answer: Mapping[str, Any], training: Mapping[str, Any], model: Mapping[str, Any], knowledge: Mapping[str, Any]
) -> Iterator[Check]:
    linked = {item["id"] for item in answer["entities"]}
    missing = [f"{name} ({id})" for id, name in EXPECTED_ENTITIES.items() if id not in linked]
    yield Check(
        "the entities in the question are recognised", not missing, f"missing: {', '.join(missing)}" if missing else f"{len(linked)} linked"
    )

    without = [
        id
        for id in sorted(linked & EXPECTED_ENTITIES.keys())
        if not any(fact["subject"]["id"] == id and fact["source"]["version"] for fact in answer["facts"])
    ]
    yield Check(
        "each has facts, with source and version",
        not without,
        f"none for: {', '.join(without)}" if without else f"{len(answer['facts'])} facts",
    )

    label = answer.get("label") or {}
    yield Check(
        "the label has a stable id and a probability",
        str(label.get("id", "")).startswith("HP:") and 0 < label.get("score", 0) <= 1,
        f"{label}",
    )

    served = answer["model"]["digest"]
    yield Check(
        "the model that answered is the Model's version", served == model["version"]["digest"], f"{served} / {model['version']['digest']}"
    )

    snapshots = [item["digest"] for item in answer["knowledge"]]
    yield Check("the facts come from the KnowledgeBase's snapshot", snapshots == [knowledge["snapshot"]["digest"]], f"{snapshots}")

    parents = {item["role"]: item["digest"] for item in model.get("resolved", ())}
    trained = training["version"]["digest"]
    yield Check("the Model descends from the TrainingJob's version", parents.get("trainingJob") == trained, f"{parents} / {trained}")

    figures = training["version"]["measurements"]
    accuracy, baseline = Decimal(figures["accuracy"]), Decimal(figures["baselineAccuracy"])
    yield Check(
        "the fine-tuned model beats the TF-IDF baseline on held-out subtrees",
        accuracy > baseline,
        f"accuracy {accuracy} against {baseline}",
    )

"""The demo's verdicts: each thing that can be wrong with an answer is found by its own check."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
from rich.console import Console

from llmos.cli.demo.ask import render_answer
from llmos.cli.demo.checks import EXPECTED_ENTITIES, QUESTION, check_demo

MODEL, SNAPSHOT, TRAINED = ("sha256:" + letter * 64 for letter in "abc")


def _world() -> dict[str, Any]:
    entities = [
        {"id": id, "name": name, "text": name, "start": 0, "end": 5, "knowledge": "hpo", "candidates": [id]}
        for id, name in EXPECTED_ENTITIES.items()
    ]
    facts = [
        {
            "subject": {"id": id, "name": name},
            "predicate": "is_a",
            "object": {"id": "HP:1", "name": "All"},
            "knowledge": "hpo",
            "source": {"name": "hpo", "version": "2025-01-16", "file": "hp.obo"},
        }
        for id, name in EXPECTED_ENTITIES.items()
    ]
    label = {"id": "HP:0000707", "name": "Abnormality of the nervous system", "score": 0.9}
    answer = {
        "label": label, "labels": [label], "entities": entities, "facts": facts,
        "model": {"name": "organ-system", "digest": MODEL, "precision": "Float32"},
        "knowledge": [{"name": "hpo", "digest": SNAPSHOT}], "timings": {"totalMilliseconds": 9.9},
    }  # fmt: skip
    return {
        "answer": answer,
        "training": {"status": {"version": {"digest": TRAINED, "measurements": {"accuracy": "0.406", "baselineAccuracy": "0.303"}}}},
        "model": {"status": {"version": {"digest": MODEL}, "resolved": [{"role": "trainingJob", "digest": TRAINED}]}},
        "knowledge": {"status": {"snapshot": {"digest": SNAPSHOT}}},
    }


def test_a_good_answer_passes_every_check() -> None:
    assert [check.title for check in check_demo(**_world()) if not check.ok] == []


@pytest.mark.parametrize(
    ("path", "value", "failed"),
    [
        (("answer", "entities"), [], "the entities in the question are recognised"),
        (("answer", "facts"), [], "each has facts, with source and version"),
        (("answer", "label"), None, "the label has a stable id and a probability"),
        (("answer", "model", "digest"), TRAINED, "the model that answered is the Model's version"),
        (("answer", "knowledge"), [], "the facts come from the KnowledgeBase's snapshot"),
        (("model", "status", "resolved"), [], "the Model descends from the TrainingJob's version"),
        (
            ("training", "status", "version", "measurements", "accuracy"),
            "0.303",
            "the fine-tuned model beats the TF-IDF baseline on held-out subtrees",
        ),
    ],
)
def test_each_fault_is_found_by_its_own_check(path: tuple[str, ...], value: Any, failed: str) -> None:
    world = copy.deepcopy(_world())
    place = world
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert failed in [check.title for check in check_demo(**world) if not check.ok]


def test_the_answer_is_drawn_with_its_label_entities_facts_and_digests() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(render_answer(QUESTION, _world()["answer"]))
    drawn = console.export_text()
    for expected in ("Abnormality of the nervous system", "HP:0001250", "is_a", "2025-01-16", MODEL, SNAPSHOT):
        assert expected in drawn

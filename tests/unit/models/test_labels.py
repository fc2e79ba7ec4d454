import json
from pathlib import Path
from typing import Any

import pytest

from llmos.errors import ConfigError
from llmos.models import Label, read_labels, write_labels

LABELS = (Label("HP:1", "Heart"), Label("HP:2", "肺"))


def write_config(folder: Path, id2label: Any) -> None:
    (folder / "config.json").write_text(json.dumps({"id2label": id2label}))


def test_labels_come_back_in_their_order(tmp_path: Path) -> None:
    write_labels(tmp_path, LABELS)
    write_config(tmp_path, {"1": "HP:2", "0": "HP:1"})
    assert read_labels(tmp_path) == LABELS


def test_without_labels_json_a_name_is_its_own_id_in_column_order(tmp_path: Path) -> None:
    write_config(tmp_path, {str(column): f"L{column}" for column in reversed(range(12))})
    assert [label.id for label in read_labels(tmp_path)] == [f"L{column}" for column in range(12)]


def test_a_folder_without_labels_has_none(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == ()


@pytest.mark.parametrize(
    ("id2label", "document", "message"),
    [
        ({"0": "HP:2", "1": "HP:1"}, {"labels": [{"id": "HP:1", "name": "a"}, {"id": "HP:2", "name": "b"}]}, "or in another order"),
        ({"0": "x", "1": "x"}, None, "distinct ids"),
        ({"0": "x", "2": "y"}, None, "keys must be 0, 1, 2"),
        ({}, {"labels": [{"id": "", "name": "a"}]}, "not empty"),
        ({}, {"classes": []}, "labels.json must be"),
    ],
)
def test_labels_that_could_be_taken_for_others_are_refused(tmp_path: Path, id2label: Any, document: Any, message: str) -> None:
    write_config(tmp_path, id2label)
    if document is not None:
        (tmp_path / "labels.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=message) as caught:
        read_labels(tmp_path)
    assert caught.value.reason == "InvalidSource"

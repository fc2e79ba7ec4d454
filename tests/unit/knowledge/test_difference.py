"""What one snapshot says that another does not."""

from pathlib import Path

import pytest

from llmos.errors import PermanentError
from llmos.knowledge import LinkingSettings, build_snapshot
from llmos.knowledge.difference import compare_snapshots, summarise_difference
from llmos.knowledge.formats.registry import FORMATS
from tests.unit.knowledge import calls
from tests.unit.knowledge.calls import write_calls

BASE = [
    *(("entity", id, "Thing") for id in "ABC"),
    *(("name", id, f"thing {id}") for id in "ABC"),
    ("fact", "A", "is_a", "B"),
    ("fact", "B", "is_a", "C", {"frequency": "1/2"}),
    ("attribute", "A", "weight", "7"),
]


@pytest.fixture(autouse=True)
def calls_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, calls.FORMAT, calls.bind)


def build(folder: Path, *found, partition: str = "", version: str = "1", **settings) -> Path:
    folder.mkdir()
    (folder / "snapshot").mkdir()
    file = write_calls(folder / "calls.json", *found, ("version", version), partition=partition)
    build_snapshot([file], folder / "snapshot", linking=LinkingSettings(), **settings)
    return folder / "snapshot"


def lines(old: Path, new: Path) -> list[str]:
    return [str(change) for change in compare_snapshots(old, new)]


def test_the_same_content_has_no_difference_whatever_the_version_of_the_source(tmp_path):
    first, second = build(tmp_path / "a", *BASE), build(tmp_path / "b", *BASE[::-1], version="2")
    assert lines(first, second) == []
    assert summarise_difference(first, second).to_document() == {"added": {}, "removed": {}, "samples": []}


def test_every_kind_of_change_is_told_by_identifiers_in_both_directions(tmp_path):
    def derive(connection):
        connection.execute("INSERT INTO derived VALUES (2, 'is_a', 4, 'transitive', 1000, '', '[]')")
        return {}

    # An entity that comes first moves every number: only what is said counts.
    changed = [("entity", "@", "Thing"), ("name", "@", "first"), *BASE[:5], ("name", "C", "thing see"), BASE[6]]
    changed += [("fact", "B", "is_a", "C", {"frequency": "9/10"}), ("attribute", "A", "weight", "8")]
    old, new = build(tmp_path / "a", *BASE), build(tmp_path / "b", *changed, steps=[derive], documents={"rules": [1]})
    expected = [
        "+ entity  @  Thing",
        "+ name  @  first  Preferred  en  s",
        "+ name  C  thing see  Preferred  en  s",
        "- name  C  thing C  Preferred  en  s",
        "- attribute  A  weight  7  s",
        "+ attribute  A  weight  8  s",
        "- fact  B  is_a  C  1/2  1000  s",
        "+ fact  B  is_a  C  9/10  1000  s",
        "+ derived  A  is_a  C  transitive  1000  []",
        "+ document  rules  [1]",
    ]
    assert sorted(lines(old, new)) == sorted(expected)
    back = {"+": "-", "-": "+"}
    assert sorted(lines(new, old)) == sorted(back[line[0]] + line[1:] for line in expected)


def test_what_became_private_is_a_change(tmp_path):
    old, new = build(tmp_path / "a", *BASE), build(tmp_path / "b", *BASE, partition="ward")
    assert "+ fact  A  is_a  B  1000  s  [ward]" in lines(old, new)
    assert "- fact  A  is_a  B  1000  s" in lines(old, new)


def test_a_summary_counts_all_and_keeps_a_few_of_each_kind_and_direction(tmp_path):
    more = [("name", "A", f"another {index:03}", {"scope": "Exact"}) for index in range(50)]
    old, new = build(tmp_path / "a", *BASE), build(tmp_path / "b", *BASE[:-1], *more)
    found = summarise_difference(old, new, samples=2)
    assert (found.added, found.removed) == ({"name": 50}, {"attribute": 1})
    assert [str(change) for change in found.samples] == [
        "+ name  A  another 000  Exact  en  s",
        "+ name  A  another 001  Exact  en  s",
        "- attribute  A  weight  7  s",
    ]


def test_a_folder_that_holds_no_snapshot_is_refused(tmp_path):
    with pytest.raises(PermanentError, match="give the folder of a snapshot"):
        lines(tmp_path, tmp_path)

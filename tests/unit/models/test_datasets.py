"""Labelled items: read or refused by row, column and value; identified by content; split by group."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.artifacts import DATASET_ARTIFACT, DATASET_CONFIG, Registry, RegistryAccess
from llmos.errors import ConfigError
from llmos.models.datasets import (
    Columns,
    Dataset,
    Example,
    LabelKind,
    dataset_layers,
    fetch_dataset,
    find_overlap,
    find_unknown_label,
    is_chosen,
    read_csv,
    read_dataset_payload,
    read_jsonl,
    split_for_evaluation,
    write_dataset,
)
from llmos.models.evaluation.prepare import check_contamination
from llmos.models.evaluation.spec import EvaluationDataset
from tests.unit.models.http_registry import serve_folder

COLUMNS = Columns(group="patient", slices=("sex",))
CSV = 'text,label,patient,sex\n"pain, sharp",organ:heart,1,F\nred rash,organ:skin,2,\n'
ROWS = [
    {"text": "pain, sharp", "label": "organ:heart", "patient": 1, "sex": "F"},
    {"text": "red rash", "label": "organ:skin", "patient": 2, "sex": ""},
]


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_the_same_items_are_the_same_set_in_any_format_and_order(tmp_path: Path) -> None:
    from_csv = read_csv(write(tmp_path / "a.csv", "\ufeff" + CSV.replace("\n", "\r\n")), COLUMNS)
    lines = "\n".join(json.dumps(row) for row in reversed(ROWS))
    from_jsonl = read_jsonl(write(tmp_path / "a.jsonl", f"{lines}\n\n"), COLUMNS)
    assert from_csv.examples[0] == Example("pain, sharp", "organ:heart", groups=("1",), slices={"sex": "F"})
    assert from_csv.examples == from_jsonl.examples[::-1]
    assert from_csv.digest == from_jsonl.digest
    assert from_csv.digest != Dataset(from_csv.examples[:1]).digest


def test_a_list_of_texts_is_tokens_with_tags(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"words": ["red", "rash"], "tags": ["O", "B-skin"]}')
    (example,) = read_jsonl(path, Columns(text="words", label="tags", label_kind=LabelKind.TAGS)).examples
    assert (example.text, example.tokens, example.tags, example.label) == ("red rash", ("red", "rash"), ("O", "B-skin"), None)
    assert find_unknown_label([example], {"O"}) == (0, "B-skin")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,b\n,b\n", r"row 3, column 'text': must be text, and not empty, found ''"),
        ("text,label\na,b,c\n", r"row 2: has 3 cells, and the first row names 2 columns"),
        ("text,name\na,b\n", r"row 2: has no column 'label'; it has 'text', 'name'"),
        ("text,text\na,b\n", r"row 1: names the column 'text' twice"),
        ('text,label\n"a,b\n', r"is no CSV"),
        ("text,label\n", r"has no rows"),
        ("text,label\na," + "b" * 300 + "\n", r"row 2, column 'label': must have at most 256 characters and has 300"),
    ],
)
def test_a_bad_row_of_csv_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_csv(write(tmp_path / "a.csv", content), Columns(), name="set")
    assert caught.value.reason == "InvalidDataset"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "label": 0.5}', r"set, row 2, column 'label': must be text, and not empty, found 0.5"),
        ('{"text": "a", "label": true}', r"set, row 2, column 'label': .*found True"),
        ('{"text": 7, "label": "b"}', r"set, row 2, column 'text': .*found 7"),
        ('{"text": ["a", "b"], "label": "O"}', r"set, row 2, column 'text': must be text, and not empty, found \['a', 'b'\]"),
        ('["a", "b"]', r"set, row 2: must be a JSON object"),
        ('{"text": "a"', r"set, row 2: is no JSON"),
    ],
)
def test_a_bad_row_of_jsonl_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_jsonl(write(tmp_path / "a.jsonl", f'{{"text": "good", "label": 1}}\n{line}\n'), Columns(), name="set")


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        (LabelKind.TAGS, '{"text": ["a", "b"], "label": ["O"]}', r"row 1, column 'label': must be a list of 2 tags, one for each token"),
        (LabelKind.TAGS, '{"text": [], "label": []}', r"row 1, column 'text': must be a list of tokens, which JSONL can hold, found \[\]"),
        (LabelKind.TAGS, '{"text": "a b", "label": ["O", "O"]}', r"row 1, column 'text': must be a list of tokens"),
        (LabelKind.TEXTS, '{"text": "a", "label": []}', r"row 1, column 'label': must be a text, or a list of at most 64 and not empty"),
        (LabelKind.TEXTS, '{"text": "a", "label": ["b", 7]}', r"row 1, column 'label': must be text, and not empty, found 7"),
    ],
)
def test_a_right_answer_of_another_form_is_refused(tmp_path: Path, kind: LabelKind, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_jsonl(write(tmp_path / "a.jsonl", line), Columns(label_kind=kind))


def test_a_question_has_facts_and_answers_that_decide_its_digest(tmp_path: Path) -> None:
    columns = Columns(text="q", label="a", facts="f", label_kind=LabelKind.TEXTS)
    lines = [
        '{"q": "Who?", "a": ["I", "me"], "f": ["It was I."]}',
        '{"q": "Who?", "a": "I", "f": []}',
        '{"q": "Who?", "a": "I", "f": "It was I."}',
    ]
    examples = read_jsonl(write(tmp_path / "a.jsonl", "\n".join(lines)), columns).examples
    assert [(example.answers, example.facts) for example in examples] == [
        (("I", "me"), ("It was I.",)),
        (("I",), ()),
        (("I",), ("It was I.",)),
    ]
    assert len({example.digest for example in examples}) == 3


def test_a_text_that_is_its_own_answer_needs_no_label(tmp_path: Path) -> None:
    (example,) = read_csv(write(tmp_path / "a.csv", "text\nsome words\n"), Columns(label_kind=LabelKind.NONE)).examples
    assert (example.label, example.labels, example.to_line()) == (None, (), b'{"text":"some words"}')


def test_a_file_or_a_set_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", "text,label\n" + "a,b\n" * 20)
    monkeypatch.setattr("llmos.models.datasets.reading.MAX_ROWS", 19)
    with pytest.raises(ConfigError, match="more than 19 rows"):
        read_csv(path, Columns())
    monkeypatch.setattr("llmos.models.datasets.reading.MAX_BYTES", 10)
    with pytest.raises(ConfigError, match="has 91 bytes, and at most 10 are read"):
        read_csv(path, Columns())


def test_pairs_that_share_one_text_are_not_the_same_item() -> None:
    pair = Example("the patient has a rash on the arm", "yes", second_text="is there a rash?")
    other = Example("the patient has a rash on the arm", "no", second_text="has the patient had a fever since monday?")
    check_contamination(Dataset((pair,)), Dataset((other,)))
    with pytest.raises(ConfigError, match="trained on 1 and on 0") as caught:
        check_contamination(Dataset((pair, other)), Dataset((other,)))
    assert caught.value.reason == "EvaluationContaminated"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\na,b\n\xff,c\n")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_csv(tmp_path / "a.csv", Columns())


examples = st.builds(
    Example,
    text=st.text(min_size=1),
    label=st.text(min_size=1, max_size=3),
    groups=st.lists(st.sampled_from("abcdefgh"), max_size=2, unique=True).map(lambda groups: tuple(sorted(groups))),
    slices=st.dictionaries(st.sampled_from(["x", "y"]), st.text(max_size=2)),
)


@given(st.lists(examples, min_size=1, max_size=20))
def test_no_group_is_in_both_parts_and_no_item_is_lost(items: list[Example]) -> None:
    parts = split_for_evaluation(items, calibration_percent=40, seed=3, maximum_items=1000)
    sides = [{group for item in part for group in item.groups or (item.text,)} for part in (parts.calibration, parts.evaluation)]
    assert not sides[0] & sides[1]
    assert len(parts.calibration) + len(parts.evaluation) + parts.num_straddling == len(items)


@given(st.lists(examples, min_size=1, max_size=8))
def test_a_payload_reads_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, items: list[Example]) -> None:
    folder = tmp_path_factory.mktemp("items") / "payload"
    assert read_dataset_payload(write_dataset(items, folder)) == Dataset(tuple(items))


def test_the_calibration_part_is_not_the_very_groups_that_were_held_out() -> None:
    held_out = [Example(name, "a", groups=(name,)) for name in map(str, range(3000)) if is_chosen(name, percent=30, seed=0)]
    parts = split_for_evaluation(held_out, calibration_percent=20, seed=0, maximum_items=10_000)
    # With the split's own salt, two thirds of these would be chosen again.
    assert 0.17 < len(parts.calibration) / len(held_out) < 0.23


def test_of_too_many_items_the_same_ones_are_kept_whatever_their_order() -> None:
    items = [Example(f"text {number}", "a") for number in range(500)]
    kept, again = (split_for_evaluation(order, calibration_percent=20, seed=0, maximum_items=100) for order in (items, items[::-1]))
    assert (len(kept.evaluation), kept.num_left_out) == (100, 500 - 100 - len(kept.calibration))
    assert set(kept.calibration) == set(again.calibration)
    assert set(kept.evaluation) == set(again.evaluation)


LONG = "the patient has had a red rash on the left arm since last monday morning"


@pytest.mark.parametrize(
    ("text", "trained", "found"),
    [
        ("Abnormality of the heart", "abnormality  of the HEART.", "exact"),
        (LONG, LONG + "!!", "exact"),
        (LONG, LONG + "s", "near"),
        ("red rash on the left arm", "red rash on the right leg", "none"),
        ("rash", "pain", "none"),
    ],
)
def test_what_was_trained_on_is_found_again(text: str, trained: str, found: str) -> None:
    overlap = find_overlap(["something else entirely", text], ["nothing to see here", trained])
    assert (overlap.exact, overlap.near) == ({1: trained} if found == "exact" else {}, {1: trained} if found == "near" else {})


words = st.lists(st.sampled_from(["red", "rash", "left", "right", "arm", "pain"]), min_size=1, max_size=12).map(" ".join)


@given(st.lists(words, max_size=6), st.lists(words, max_size=6))
def test_the_filter_finds_just_what_comparing_all_with_all_finds(texts: list[str], trained: list[str]) -> None:
    def grams(text: str) -> set[str]:
        return {f" {text} "[start : start + 5] for start in range(max(1, len(text) - 2))}

    def is_near(left: str, right: str) -> bool:
        return 10 * len(grams(left) & grams(right)) >= 9 * len(grams(left) | grams(right))

    overlap = find_overlap(texts, trained)
    expected = {position for position, text in enumerate(texts) if any(is_near(text, other) for other in trained)}
    assert overlap.exact.keys() | overlap.near.keys() == expected
    assert set(overlap.exact) == {position for position, text in enumerate(texts) if text in trained}


def fetch(document: dict[str, Any], into: Path, **more: Any) -> Dataset:
    with Registry(RegistryAccess(plain_http=True)) as registry:
        return fetch_dataset(EvaluationDataset.model_validate(document), into, registry=registry, parent=None, **more)


def test_a_set_comes_from_the_spec_or_from_an_address(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    data = write(tmp_path / "web" / "held-out.csv", CSV).read_bytes()
    columns = {"format": "CSV", "groupColumn": "patient", "sliceColumns": ["sex"]}
    inline = fetch({"file": {"inline": {"content": CSV}, **columns}}, tmp_path / "inline")
    with serve_folder(tmp_path / "web") as url:
        http = {"url": f"{url}/held-out.csv", "sha256": hashlib.sha256(data).hexdigest()}
        assert fetch({"file": {"http": http, **columns}}, tmp_path / "http") == inline
    assert len(inline.examples) == 2


def test_held_out_items_need_a_training_job(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="parents name no trainingJob"):
        fetch({"trainingJob": {}}, tmp_path / "items")


def test_the_layers_of_a_payload_are_its_one_file(tmp_path: Path) -> None:
    (layer,) = dataset_layers(write_dataset([Example("a", "b")], tmp_path / "items"))
    assert (layer.path, layer.source.read_bytes()) == ("items.jsonl", b'{"label":"b","text":"a"}\n')
    assert DATASET_ARTIFACT != DATASET_CONFIG

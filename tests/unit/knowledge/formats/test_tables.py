"""Tables become what their mapping says; what is wrong with a row is said with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from llmos.errors import ConfigError
from llmos.knowledge.formats.registry import bind_format
from llmos.knowledge.formats.table import TABLE_FORMATS, parse_table
from llmos.knowledge.formats.table_mapping import TableMapping, parse_template
from llmos.knowledge.sink import FoundAttribute, FoundName, ListSink, Scope

DISEASES = {
    "entities": [
        {
            "id": "ICD:{code}",
            "kind": "Disease",
            "names": [
                {"column": "name", "language": "en"},
                {"column": "zh", "language": "zh"},
                {"column": "synonyms", "scope": "Exact", "separator": "|"},
            ],
            "attributes": [{"column": "note", "predicate": "note"}],
            "aliases": ["OLD:{old}"],
        },
        {
            "id": "SYM:{symptoms}",
            "kind": "Symptom",
            "names": [{"column": "symptoms"}],
            "split": {"column": "symptoms", "separator": ";"},
            "whenMissing": "Skip",
        },
    ],
    "facts": [
        {
            "subject": "ICD:{code}",
            "predicate": "has_symptom",
            "object": "SYM:{symptoms}",
            "split": {"column": "symptoms", "separator": ";"},
            "reference": "source",
            "whenMissing": "Skip",
        }
    ],
    "missingValues": ["NA"],
}
COLUMNS = ("code", "name", "zh", "synonyms", "note", "old", "symptoms", "source")
ROWS = [
    ("J10", "Influenza", "流行性感冒", "Flu| Grippe", "seasonal", "X1", "fever; dry  cough", "PMID:1"),
    ("R50", "Fever", "发烧", "NA", "", "", "", ""),
]


def mapping(document: dict[str, Any]) -> TableMapping:
    return TypeAdapter(TableMapping).validate_python(document)


def write(path: Path, format: str, rows: list[tuple[str, ...]]) -> None:
    if format == "JSONL":
        path.write_text("".join(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n" for row in rows))
    elif format == "Parquet":
        pq.write_table(pa.table({name: list(values) for name, values in zip(COLUMNS, zip(*rows, strict=True), strict=True)}), path)
    else:
        delimiter = "," if format == "CSV" else "\t"
        path.write_text("".join(delimiter.join(row) + "\n" for row in [COLUMNS, *rows]))


def parse(path: Path, format: str, document: dict[str, Any] = DISEASES) -> ListSink:
    sink = ListSink()
    parse_table(path, package_version="1", sink=sink, format=format, options=mapping(document))
    return sink


def read(path: Path, text: str, document: dict[str, Any], format: str = "CSV") -> ListSink:
    (path / "table").write_bytes(text.encode())
    return parse(path / "table", format, document)


CODES = {"entities": [{"id": "ICD:{code}", "kind": "Disease", "names": [{"column": "name"}]}]}


@pytest.mark.parametrize("format", TABLE_FORMATS)
def test_every_format_gives_what_the_mapping_says(tmp_path: Path, format: str) -> None:
    write(tmp_path / "table", format, ROWS)
    sink = parse(tmp_path / "table", format)
    assert sink.entities == [("ICD:J10", "Disease"), ("SYM:fever", "Symptom"), ("SYM:dry_cough", "Symptom"), ("ICD:R50", "Disease")]
    assert sink.names == [
        FoundName("ICD:J10", "Influenza", Scope.Preferred, "", "en"),
        FoundName("ICD:J10", "流行性感冒", Scope.Preferred, "", "zh"),
        FoundName("ICD:J10", "Flu", Scope.Exact, "", "en"),
        FoundName("ICD:J10", "Grippe", Scope.Exact, "", "en"),
        FoundName("SYM:fever", "fever", Scope.Preferred, "", "en"),
        FoundName("SYM:dry_cough", "dry cough", Scope.Preferred, "", "en"),
        FoundName("ICD:R50", "Fever", Scope.Preferred, "", "en"),
        FoundName("ICD:R50", "发烧", Scope.Preferred, "", "zh"),
    ]
    facts = [(fact.subject, fact.predicate, fact.object, fact.reference) for fact in sink.facts]
    assert facts == [("ICD:J10", "has_symptom", "SYM:fever", "PMID:1"), ("ICD:J10", "has_symptom", "SYM:dry_cough", "PMID:1")]
    first = 2 if format in ("CSV", "TSV") else 1
    assert sink.attributes == [FoundAttribute("ICD:J10", "note", "seasonal", "", "", first)]
    assert sink.aliases == [("OLD:X1", "ICD:J10")]
    assert sink.problems == []


def test_a_missing_identifier_and_a_wrong_number_of_cells_are_located(tmp_path: Path) -> None:
    sink = read(tmp_path, 'code,name\nA,"one\ntwo"\n,Nothing\nB\n\nC,three,more\nD,four\n', CODES)
    assert sink.problems == [
        (4, "column 'code' is empty"),
        (5, "1 cells where the header has 2"),
        (7, "3 cells where the header has 2"),
    ]
    assert [name.text for name in sink.names] == ["one two", "four"]


@pytest.mark.parametrize("format", TABLE_FORMATS)
def test_columns_that_a_table_lacks_are_one_error(tmp_path: Path, format: str) -> None:
    write(tmp_path / "table", format, ROWS)
    document = {"entities": [{"id": "X:{nr}", "kind": "{what}", "names": [{"column": "name"}]}]}
    with pytest.raises(ConfigError, match="'nr', 'what'") as caught:
        parse(tmp_path / "table", format, document)
    assert caught.value.reason == "InvalidSource"


def test_lists_of_json_and_parquet_need_no_separator(tmp_path: Path) -> None:
    document = {
        "entities": [{"id": "S:{s}", "kind": "Symptom", "names": [{"column": "s"}], "split": {"column": "s"}}],
        "facts": [{"subject": "D:{d}", "predicate": "has", "object": "S:{s}", "split": {"column": "s"}}],
    }
    (tmp_path / "a.jsonl").write_text('{"d": 1, "s": ["x", "y"]}\n')
    pq.write_table(pa.table({"d": [1], "s": [["x", "y"]]}), tmp_path / "a.parquet")
    one, other = parse(tmp_path / "a.jsonl", "JSONL", document), parse(tmp_path / "a.parquet", "Parquet", document)
    assert [(fact.subject, fact.object) for fact in one.facts] == [("D:1", "S:x"), ("D:1", "S:y")]
    assert (one.entities, one.names, one.facts) == (other.entities, other.names, other.facts)


def test_a_list_without_split_is_a_problem_of_its_row(tmp_path: Path) -> None:
    sink = read(tmp_path, '{"code": ["a", "b"], "name": "x"}\n{"code": "c", "name": "y"}\n', CODES, "JSONL")
    assert sink.problems == [(1, "column 'code' holds a list; the mapping needs a `split` for it")]
    assert sink.entities == [("ICD:c", "Disease")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "a line must be a JSON object, not list"),
        ('{"code": ', "not a JSON object"),
        ('{"code": NaN, "name": "x"}', "NaN is no JSON"),
        ('{"code": {"a": 1}, "name": "x"}', "column 'code' holds a dict"),
        ('{"code": ' + "[" * 100_000 + "]" * 100_000 + "}", "recursion"),
        ('{"code": ' + "9" * 5000 + "}", "4300 digits"),
    ],
    ids=["list", "cut", "nan", "object", "deep", "number"],
)
def test_bad_json_is_a_problem_of_its_line(tmp_path: Path, line: str, message: str) -> None:
    sink = read(tmp_path, f'{{"code": "a", "name": "x"}}\n{line}\n{{"code": "b", "name": "y"}}\n', CODES, "JSONL")
    assert [name.text for name in sink.names] == ["x", "y"]
    assert [number for number, _ in sink.problems] == [2]
    assert message in sink.problems[0][1]


def test_a_quote_that_is_never_closed_costs_at_most_what_a_cell_may_hold(tmp_path: Path) -> None:
    rows = "".join(f"{number},name {number}\n" for number in range(20_000))
    sink = read(tmp_path, f'code,name\nA,"never closed\n{rows}', CODES)
    assert [line for line, _ in sink.problems] == [2]
    assert "field limit" in sink.problems[0][1]
    assert len(sink.entities) > 10_000


def test_values_of_other_types_have_one_text(tmp_path: Path) -> None:
    import datetime
    from decimal import Decimal

    table = pa.table({"code": [7], "name": [True], "day": [datetime.date(2026, 1, 2)], "price": [Decimal("1.50")]})
    pq.write_table(table, tmp_path / "table")
    document = {"entities": [{"id": "E:{code}-{day}", "kind": "{name}", "attributes": [{"column": "price", "predicate": "price"}]}]}
    sink = parse(tmp_path / "table", "Parquet", document)
    assert sink.entities == [("E:7-2026-01-02", "true")]
    assert sink.attributes[0].value == "1.50"


def test_identifiers_are_the_same_for_composed_and_decomposed_letters(tmp_path: Path) -> None:
    sink = read(tmp_path, "code,name\nMénière,a\nMe\u0301nie\u0300re,b\nשלום עולם,שלום\n", CODES)
    assert [entity for entity, _ in sink.entities] == ["ICD:Ménière", "ICD:Ménière", "ICD:שלום_עולם"]
    assert sink.names[-1].text == "שלום"


def test_bytes_that_are_no_utf_8_make_a_bad_row_and_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(b"\xef\xbb\xbfcode,name\nA,caf\xe9\nB,tea\n")
    sink = parse(tmp_path / "table", "CSV", CODES)
    assert sink.problems == [(2, "the row has bytes that are no UTF-8")]
    assert sink.entities == [("ICD:B", "Disease")]


def test_another_delimiter_can_be_declared_for_csv_alone(tmp_path: Path) -> None:
    assert read(tmp_path, "code;name\nA;x\n", CODES | {"delimiter": ";"}).entities == [("ICD:A", "Disease")]
    with pytest.raises(ConfigError, match="CSV only"):
        bind_format("TSV", CODES | {"delimiter": ";"}, path="a.tsv")


def test_quotes_mean_nothing_in_tsv(tmp_path: Path) -> None:
    assert read(tmp_path, 'code\tname\nA\t"x\nB\ty"\n', CODES, "TSV").names[0].text == '"x'


@pytest.mark.parametrize("text", ["ICD:{code", "ICD:code}", "ICD:{}", "{{code}}"])
def test_templates_with_braces_that_do_not_pair_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="template"):
        parse_template(text)


@pytest.mark.parametrize(
    "document",
    [{}, {"entities": [{"id": "ICD:fixed", "kind": "Disease"}]}, {"entities": [{"id": "{a}", "kind": "{b"}]}],
    ids=["empty", "one entity", "braces"],
)
def test_mappings_that_cannot_work_are_refused_before_a_file_is_read(document: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        mapping(document)
    assert caught.value.reason == "InvalidSpec"


def test_unknown_fields_of_a_mapping_are_refused_by_their_place() -> None:
    with pytest.raises(ConfigError, match=r"mapping\.entities\.0\.colour"):
        bind_format("CSV", {"entities": [{"id": "{a}", "kind": "b", "colour": "red"}]}, path="a.csv")

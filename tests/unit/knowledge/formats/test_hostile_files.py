"""Files made to hurt: each costs bounded time and memory, and says where it is wrong; none ends the process."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmos.errors import ConfigError
from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.formats import blank_nodes
from llmos.knowledge.formats.confined import run_confined
from llmos.knowledge.formats.registry import FORMATS
from llmos.knowledge.sink import ListSink

TABLE = {"entities": [{"id": "X:{a}", "kind": "Thing", "names": [{"column": "b"}]}]}
HUGE = 100_000_000
MEBIBYTE = 1 << 20


def parse(path: Path, format: str, options: dict[str, Any] | None = None) -> ListSink:
    sink = ListSink()
    FORMATS[format](options or {})(path, package_version="", sink=sink)
    return sink


@pytest.fixture
def memory() -> Iterator[list[int]]:
    """Record the largest resident size above what there was at first, in bytes."""
    process, stop, largest = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not stop.wait(0.002):
            largest[0] = max(largest[0], process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    yield largest
    stop.set()
    thread.join()


def write_with_huge_literal(path: Path, before: str, after: str, size: int = HUGE) -> Path:
    with path.open("w") as file:
        file.write(before)
        for _ in range(100):
            file.write("x" * (size // 100))
        file.write(after)
    return path


def test_a_literal_of_100_mb_costs_n_triples_its_line(tmp_path: Path, memory: list[int]) -> None:
    good = '<http://e/a> <http://e/p> "y" .\n'
    path = write_with_huge_literal(tmp_path / "a.nt", good + '<http://e/a> <http://e/p> "', '" .\n' + good)
    sink = parse(path, "NTriples")
    assert [each.line for each in sink.attributes] == [1, 3]
    assert sink.problems == [(2, "a line of more than 16777216 bytes")]
    assert memory[0] < 100 * MEBIBYTE


def test_lines_between_two_that_are_too_long_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmos.knowledge.formats.rdf_read._MAXIMUM_LINE_BYTES", 1 << 18)
    good, long = '<http://e/a> <http://e/p> "y" .\n', f'<http://e/a> <http://e/p> "{"x" * (1 << 19)}" .\n'
    (tmp_path / "a.nt").write_text(good + long + good + good + long + long + good)
    sink = parse(tmp_path / "a.nt", "NTriples")
    assert [each.line for each in sink.attributes] == [1, 3, 4, 7]
    assert [line for line, _ in sink.problems] == [2, 5, 6]


@pytest.mark.parametrize(
    ("format", "before", "after", "message"),
    [
        ("Turtle", '<http://e/a> <http://e/p> "', '" .', "about byte .* more than 16 MiB"),
        ("JSONLD", '{"@id": "http://e/a", "http://e/p": "', '"}', "about byte .* more than 16 MiB"),
        ("RDFXML", "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\n<p>", "</p></rdf:RDF>", "a:2: a text of [12]0000"),
    ],
)
@pytest.mark.parametrize("size", [20_000_000, pytest.param(HUGE, marks=pytest.mark.soak)])
def test_a_literal_beyond_16_mib_is_refused_with_its_place(
    tmp_path: Path, format: str, before: str, after: str, message: str, size: int
) -> None:
    path = write_with_huge_literal(tmp_path / "a", before, after, size)
    with pytest.raises(ConfigError, match=message) as caught:
        parse(path, format)
    assert caught.value.reason == "InvalidSource"


@pytest.mark.parametrize(
    ("format", "before", "after", "line"),
    [
        ("CSV", "a,b\n1,x\n2,", "\n3,y\n", 3),
        ("TSV", "a\tb\n1\tx\n2\t", "\n3\ty\n", 3),
        ("JSONL", '{"a":1,"b":"x"}\n{"b":"', '"}\n{"a":3,"b":"y"}\n', 2),
    ],
)
def test_a_cell_of_100_mb_costs_a_table_its_row(tmp_path: Path, memory: list[int], format: str, before: str, after: str, line: int) -> None:
    sink = parse(write_with_huge_literal(tmp_path / "a", before, after), format, TABLE)
    assert [name.text for name in sink.names] == ["x", "y"]
    assert (line, "a line of more than 4194304 characters") in sink.problems
    assert memory[0] < 100 * MEBIBYTE


def test_a_long_text_that_a_million_rows_of_parquet_share_is_there_once(tmp_path: Path, memory: list[int]) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 999 + [1], pa.int32()), pa.array(["z" * 3_000_000, "fine"]))
    pq.write_table(pa.table({"a": list(range(1000)), "b": texts}), tmp_path / "a.parquet")
    memory[0] = 0
    sink = parse(tmp_path / "a.parquet", "Parquet", TABLE)
    assert [name.text for name in sink.names] == ["fine"]
    assert sink.problems[0] == (1, "column 'b' has 3000000 characters, more than 131072")
    assert len(sink.problems) == 999
    assert memory[0] < 500 * MEBIBYTE


def test_parquet_that_grows_beyond_a_gigabyte_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmos.knowledge.formats.table_parquet._MAXIMUM_GROUP_BYTES", 1000)
    pq.write_table(pa.table({"a": ["x" * 5000], "b": ["y"]}), tmp_path / "a.parquet", use_dictionary=False)
    with pytest.raises(ConfigError, match="smaller row groups"):
        parse(tmp_path / "a.parquet", "Parquet", TABLE)


def test_a_file_that_is_no_parquet_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PAR1" + b"\xff" * 100 + b"PAR1")
    with pytest.raises(ConfigError, match="cannot be read as Parquet"):
        parse(tmp_path / "a", "Parquet", TABLE)


RDF = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/"><rdf:Description rdf:about="http://e/a"><e:p>%s</e:p></rdf:Description></rdf:RDF>'


def entities(*declared: str) -> str:
    return "<?xml version='1.0'?><!DOCTYPE r [" + "".join(f"<!ENTITY {each}>" for each in declared) + "]>\n"


LAUGHS = entities('a0 "ha"', *(f'a{i} "{f"&a{i - 1};" * 10}"' for i in range(1, 12)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS + RDF % "&a11;", "has an entity in it"),
        (entities(f'a "{"x" * 60_000}"') + RDF % ("&a;" * 60_000), "would make|amplification"),
        (entities('a SYSTEM "file:///etc/passwd"') + RDF % "&a;", "external"),
        (entities('% a "x"') + RDF % "y", "parameter entity"),
        ("<a>" * 50_000, "nested more than 100 deep"),
    ],
    ids=["billion laughs", "quadratic", "external", "parameter", "deep"],
)
def test_xml_that_grows_without_end_is_refused(tmp_path: Path, memory: list[int], text: str, message: str) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(ConfigError, match=message):
        parse(tmp_path / "a", "RDFXML")
    assert memory[0] < 50 * MEBIBYTE


def test_entities_that_only_shorten_iris_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(entities('e "http://example.org/"') + RDF % "see &e;x")
    assert [each.value for each in parse(tmp_path / "a", "RDFXML").attributes] == ["see http://example.org/x"]


@pytest.mark.parametrize("opening", ['{"http://e/p":', '{"@graph":[', "[" * 10], ids=["objects", "graphs", "lists"])
def test_json_that_is_nested_without_end_is_refused(tmp_path: Path, opening: str) -> None:
    (tmp_path / "a").write_text(opening * 20_000)
    with pytest.raises(ConfigError, match="nested more than 100 deep"):
        parse(tmp_path / "a", "JSONLD")


def test_brackets_in_texts_are_no_nesting(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"@id": "http://e/a", "http://e/p": "' + r"[{\"" * 500 + '"}')
    assert len(parse(tmp_path / "a", "JSONLD").attributes) == 1


def entangled(num_nodes: int) -> str:
    nodes = range(num_nodes)
    return "".join(f"_:n{one} <http://e/p> _:n{other} .\n" for one, other in itertools.permutations(nodes, 2))


def test_blank_nodes_that_would_take_for_ever_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blank_nodes, "_TIMEOUT_S", 0.8)
    (tmp_path / "a.nt").write_text(entangled(12))
    started = time.monotonic()
    with pytest.raises(ConfigError, match="blankNodes: Ignore"):
        parse(tmp_path / "a.nt", "NTriples")
    assert time.monotonic() - started < 10
    assert parse(tmp_path / "a.nt", "NTriples", {"blankNodes": "Ignore"}).facts == []


def test_too_many_statements_about_blank_nodes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmos.knowledge.formats.rdf.MAXIMUM_BLANK_STATEMENTS", 10)
    (tmp_path / "a.nt").write_text(entangled(5))
    with pytest.raises(ConfigError, match="more than 10 statements about blank nodes"):
        parse(tmp_path / "a.nt", "NTriples")


def test_a_confined_worker_gets_neither_our_environment_nor_more_memory_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    limits: dict[str, Any] = {"what": "it", "timeout_s": 20, "remedy": "mend it"}
    module = "tests.unit.knowledge.formats.confined_worker"
    assert b"SECRET_TOKEN" not in run_confined(module, b"environment", memory_bytes=1 << 30, **limits)
    with pytest.raises(ConfigError, match=r"MemoryError.*mend it"):
        run_confined(module, b"memory", memory_bytes=1 << 30, **limits)
    with pytest.raises(ConfigError, match="it cannot be read: the data is wrong; mend it"):
        run_confined(module, b"refuse", memory_bytes=1 << 30, **limits)


CIRCLE = """@prefix e: <http://e/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
e:a a owl:Class ; rdfs:label "first" ; rdfs:subClassOf e:b . e:b a owl:Class ; rdfs:label "second" ; rdfs:subClassOf e:c .
e:c a owl:Class ; rdfs:label "third" ; rdfs:subClassOf e:a , e:c . e:x owl:sameAs e:y . e:y owl:sameAs e:x .
"""


def test_a_circle_of_classes_and_of_aliases_is_built_like_any_other_graph(tmp_path: Path) -> None:
    (tmp_path / "a.ttl").write_text(CIRCLE)
    options = {"prefixes": [{"prefix": "E", "iri": "http://e/"}], "aliases": ["SameAs"]}
    file = SourceFile(source="s", path="a.ttl", format="Turtle", package_version="1", location=tmp_path / "a.ttl", options=options)
    (tmp_path / "out").mkdir()
    build_snapshot([file], tmp_path / "out", linking=LinkingSettings())
    with Snapshot.open(tmp_path / "out") as snapshot:
        facts = {(fact.subject.id, fact.predicate, fact.object.id) for fact in snapshot.facts("E:c", 10)}
        assert facts == {("E:b", "is_a", "E:c"), ("E:c", "is_a", "E:a"), ("E:c", "is_a", "E:c")}


def test_right_to_left_and_decomposed_names_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,حمى شديدة\n2,Me\u0301nie\u0300re\n3,\u202bכאב ראש\u202c\n")
    file = SourceFile(source="s", path="a.csv", format="CSV", package_version="1", location=tmp_path / "a.csv", options=TABLE)
    (tmp_path / "out").mkdir()
    build_snapshot([file], tmp_path / "out", linking=LinkingSettings())
    with Snapshot.open(tmp_path / "out") as snapshot:
        text = "يعاني من حمى شديدة and Ménière, כאב ראש."
        assert [mention.id for mention in snapshot.link(text)] == ["X:1", "X:2", "X:3"]

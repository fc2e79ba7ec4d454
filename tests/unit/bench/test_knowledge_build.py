"""The judgement of bench.knowledge_build and bench.grounding, and that their graph is the same every time."""

from pathlib import Path
from typing import Any

from bench.grounding import NAMES_IN_TEXT, TEXT_CHARACTERS, make_texts
from bench.grounding import build_figures as grounding_figures
from bench.knowledge_build import Size, build_figures
from bench.synthetic_graph import make_graph, write_lines


def result(seconds: float) -> dict[str, Any]:
    return {"seconds": seconds, "peakAnonymousBytes": 1e8, "bytes": 80_000_000}


def test_a_build_may_take_three_bulk_loads_and_grow_linearly() -> None:
    sizes = [
        Size(1_000_000, [(result(12.0), result(6.0))] * 6, result(20.0), [result(2.9), result(3.1)]),
        Size(10_000_000, [(result(150.0), result(40.0))] * 6, result(200.0), [result(19.0)]),
    ]
    figures = {figure.name: figure for figure in build_figures(sizes)}
    assert figures["full build, 1,000,000 triples"].verdict == "pass"
    assert figures["full build, 10,000,000 triples"].verdict == "FAIL"
    small, large = (figure for figure in build_figures(sizes) if figure.name == "  one source of 1,000 changed")
    assert (small.bar, small.value, small.verdict) == (3.0, 3.1, "FAIL")
    assert (large.bar, large.verdict) == (20.0, "pass"), "a tenth of a full build, where that is more than three seconds"
    assert figures["growth from 1,000,000 to 10,000,000"].value == 1.25


def test_grounding_is_judged_by_the_size_of_the_graph() -> None:
    found = {
        "totalMilliseconds": [6.0] * 100,
        "linkMilliseconds": [1.0] * 100,
        "factsMilliseconds": [2.0] * 100,
        "cpuMilliseconds": [6.0] * 100,
        "rules": 50,
        "verdicts": 3,
        "mentions": 1200,
        "facts": 9000,
        "anonymousBytes": 160_000_000,
        "filesBytes": 1,
        "openSeconds": 0.1,
    }
    assert [figure.verdict for figure in grounding_figures(1_000_000, found)] == ["FAIL", "", "", "", "FAIL", ""]
    assert [figure.verdict for figure in grounding_figures(9_900_000, found)] == ["pass", "", "", "", "FAIL", ""]


def test_the_graph_is_the_same_every_time_and_has_as_many_triples_as_it_says(tmp_path: Path) -> None:
    graph = make_graph(5_000)
    paths = write_lines(graph, tmp_path, num_files=3)
    lines = [line for path in paths for line in path.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == graph.num_triples
    assert abs(graph.num_triples - 5_000) < 500
    assert make_graph(5_000).synonyms == graph.synonyms
    subjects = [{line.split()[0] for line in path.read_text().splitlines()} for path in paths]
    assert not subjects[0] & subjects[1], "all that is said of an entity stands in one file"


def test_texts_hold_a_dozen_names_in_two_kilobytes() -> None:
    graph = make_graph(5_000)
    texts = make_texts(graph, num_texts=20)
    assert max(map(len, texts)) <= TEXT_CHARACTERS
    assert sum(label in texts[0] for label in set(graph.labels)) >= NAMES_IN_TEXT - 2

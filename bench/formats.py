"""How long the formats take for a million statements, beside what their libraries take to read the same file and do nothing.

    uv run python -m bench.formats [--triples 1000000] [--repeats 5]

Processor time of one thread, so that a busy machine disturbs it less; the sink counts and keeps nothing. Must not: fetch anything.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pyoxigraph import RdfFormat, parse, serialize

from bench.figures import informative, print_figures
from llmos.knowledge.formats.registry import bind_format

_PER_ENTITY: Final = 10
_PREFIXES: Final = [{"prefix": "E", "iri": "http://example.org/e/"}, {"prefix": "x", "iri": "http://example.org/"}]
_MAPPING: Final = {
    "entities": [
        {"id": "E:{id}", "kind": "Disease", "names": [{"column": "name"}], "attributes": [{"column": "note", "predicate": "note"}]}
    ],
    "facts": [{"subject": "E:{id}", "predicate": "rel", "object": "E:{others}", "split": {"column": "others", "separator": ";"}}],
}
_SYNTAXES: Final = {
    "NTriples": RdfFormat.N_TRIPLES,
    "Turtle": RdfFormat.TURTLE,
    "RDFXML": RdfFormat.RDF_XML,
    "JSONLD": RdfFormat.JSON_LD,
}


class _Counter:
    """A sink that counts."""

    def __init__(self) -> None:
        self.num_calls = 0

    def _count(self, *_values: Any, **_more: Any) -> None:
        self.num_calls += 1

    version = entity = name = fact = attribute = alias = _count

    def problem(self, line: int, message: str) -> None:
        raise AssertionError(f"line {line}: {message}")


def _others(number: int, num_entities: int) -> list[int]:
    return [(number * 7 + step * 31) % num_entities for step in range(_PER_ENTITY - 3)]


def _write(folder: Path, num_entities: int) -> None:
    with (folder / "NTriples").open("w") as lines, (folder / "CSV").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["id", "name", "note", "others"])
        for number in range(num_entities):
            one = f"<http://example.org/e/{number}>"
            others = _others(number, num_entities)
            lines.write(f"{one} <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://example.org/Disease> .\n")
            lines.write(f'{one} <http://www.w3.org/2000/01/rdf-schema#label> "entity number {number}"@en .\n')
            lines.write(f'{one} <http://example.org/note> "note {number}" .\n')
            for step, other in enumerate(others):
                lines.write(f"{one} <http://example.org/rel{step}> <http://example.org/e/{other}> .\n")
            rows.writerow([number, f"entity number {number}", f"note {number}", ";".join(map(str, others))])
    for name, syntax in _SYNTAXES.items():
        if name != "NTriples":
            serialize(parse(path=folder / "NTriples", format=RdfFormat.N_TRIPLES), folder / name, format=syntax)


def _seconds(work: Callable[[], Any], repeats: int) -> list[float]:
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return taken


def _ours(path: Path) -> None:
    """Read a file, whose name is its format's."""
    options = _MAPPING if path.name == "CSV" else {"prefixes": _PREFIXES}
    bind_format(path.name, options, path=path.name)(path, package_version="", sink=_Counter())


def _library(path: Path) -> None:
    """Read a file with the library alone, and look at nothing."""
    if path.name == "CSV":
        with path.open(newline="") as file:
            deque(csv.reader(file), maxlen=0)
    else:
        deque(parse(path=path, format=_SYNTAXES[path.name]), maxlen=0)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triples", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(argv)
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write(folder, arguments.triples // _PER_ENTITY)
        for name in (*_SYNTAXES, "CSV"):
            path = folder / name
            ours = _seconds(partial(_ours, path), arguments.repeats)
            library = statistics.median(_seconds(partial(_library, path), arguments.repeats))
            figures.append(informative(f"{name}, {arguments.triples} statements", ours, "s", compare=f"{library:.2f}"))
    print_figures(figures, compared_with="the library alone")


if __name__ == "__main__":
    main()

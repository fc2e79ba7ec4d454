"""What it costs to build a knowledge base: `python -m bench.knowledge_build`. docs/benchmarks.md says how to read it.

A synthetic graph of each size as one file of N-Triples. Each repeat is a pair in fresh processes, whichever comes first alternating: our
whole build (parse, merge, digest, SQLite, trie), and pyoxigraph's bulk load of the same file. Then the same graph as a thousand sources,
of which one is changed.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure, bounded, informative, print_figures, ratio
from bench.knowledge_process import run
from bench.synthetic_graph import SyntheticGraph, make_graph, write_lines
from llmos.local.progress import say

NUM_SOURCES: Final = 1000
BAR: Final = 3.0
SMALL: Final = 500_000
"""Fewer triples have no bar: starting takes longer than they do."""

CHANGE_SHARE: Final = 0.1
CHANGE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured of one size."""

    num_triples: int
    pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]
    """(build, bulk load)."""

    full: dict[str, Any] | None = None
    """A build of a thousand sources with an empty cache."""

    changed: Sequence[dict[str, Any]] = ()
    """The same with the cache, after one source was changed."""

    @property
    def seconds(self) -> float:
        """The median build."""
        ordered = sorted(build["seconds"] for build, _ in self.pairs)
        return float(ordered[len(ordered) // 2])


def measure_pairs(sources: Path, scratch: Path, repeats: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Build and load in turn; nothing of one is left when the next begins."""
    pairs = []
    for repeat in range(repeats):
        found = {}
        for task in ("build", "bulk-load") if repeat % 2 else ("bulk-load", "build"):
            found[task] = run(task, sources, scratch / "target")
            shutil.rmtree(scratch / "target")
        build, load = found["build"], found["bulk-load"]
        pairs.append((build, load))
        stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in build["stages"].items())
        say(f"  pair {repeat + 1}: {build['seconds']:.1f} s ({stages}) against {load['seconds']:.1f} s")
    return pairs


def measure_change(graph: SyntheticGraph, scratch: Path, repeats: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Build a thousand sources, then change one and build again; the last result is compared with a build without a cache."""
    sources = scratch / "sources"
    sources.mkdir()
    paths = write_lines(graph, sources, num_files=NUM_SOURCES)
    full = _build(sources, scratch, cache=scratch / "cache")
    changed = []
    for repeat in range(repeats):
        with paths[repeat].open("a") as stream:
            stream.write(f'<http://synthetic.example/New/{repeat}> <http://www.w3.org/2000/01/rdf-schema#label> "new {repeat}"@en .\n')
        changed.append(_build(sources, scratch, cache=scratch / "cache"))
        say(f"  one of {NUM_SOURCES:,} sources changed: {changed[-1]['seconds']:.1f} s, all of them {full['seconds']:.1f} s")
    if _build(sources, scratch, cache=None)["digest"] != changed[-1]["digest"]:
        raise RuntimeError("a build with a cache gives other content than one without")
    shutil.rmtree(sources)
    shutil.rmtree(scratch / "cache")
    return full, changed


def _build(sources: Path, scratch: Path, *, cache: Path | None) -> dict[str, Any]:
    result = run("build", sources, scratch / "target", *(("--cache", cache) if cache else ()))
    shutil.rmtree(scratch / "target")
    return result


def build_figures(sizes: Sequence[Size]) -> list[Figure]:
    """Return what was measured against its bars."""
    figures = []
    for size in sizes:
        label = f"{size.num_triples:,} triples"
        build, load = size.pairs[0]
        ratios = [build["seconds"] / load["seconds"] for build, load in size.pairs]
        detail = (
            f"{size.seconds:.1f} s; memory {build['peakAnonymousBytes'] / 1e6:.0f} MB, the load's {load['peakAnonymousBytes'] / 1e6:.0f}"
        )
        if size.num_triples < SMALL:
            figures.append(informative(f"full build, {label}", ratios, "x bulk load", detail=f"{detail}; a second of it is imports"))
        else:
            figures.append(ratio(f"full build, {label}", ratios, bar=BAR, unit="x bulk load", detail=detail))
        per_triple = [build["seconds"] / size.num_triples * 1e6 for build, _ in size.pairs]
        figures.append(
            informative(f"  each triple, {label}", per_triple, "µs", detail=f"{build['bytes'] / size.num_triples:.0f} bytes on disk")
        )
        if size.full:
            full_s = size.full["seconds"]
            figures.append(
                bounded(
                    f"  one source of {NUM_SOURCES:,} changed",
                    [build["seconds"] for build in size.changed],
                    "s",
                    bar=max(CHANGE_SECONDS, CHANGE_SHARE * full_s),
                    detail=f"all of them: {full_s:.1f} s",
                )
            )
    for smaller, larger in pairwise(sizes):
        growth = (larger.seconds / smaller.seconds) / (larger.num_triples / smaller.num_triples)
        name = f"growth from {smaller.num_triples:,} to {larger.num_triples:,}"
        figures.append(bounded(name, [growth], "x linear", bar=1.1, detail="a tenth for what a second run would differ by"))
    return figures


def measure(num_triples: int, scratch: Path, *, repeats: int, with_change: bool) -> Size:
    """Measure one size in an empty folder."""
    graph = make_graph(num_triples)
    say(f"{graph.num_triples:,} triples")
    sources = scratch / "one"
    sources.mkdir()
    write_lines(graph, sources)
    pairs = measure_pairs(sources, scratch, repeats)
    shutil.rmtree(sources)
    full, changed = measure_change(graph, scratch, min(repeats, 3)) if with_change else (None, [])
    return Size(graph.num_triples, pairs, full, changed)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if every bar is cleared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e5, 1e6, 1e7], help="triples (default 1e5 1e6 1e7)")
    parser.add_argument("--repeats", type=int, default=10, help="pairs of each size up to a million; a third of it above (default 10)")
    parser.add_argument("--scratch", type=Path, help="an existing folder with 10 GB for ten million triples; default: the system's")
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or not all(1e3 <= size <= 1e9 for size in arguments.sizes):
        parser.error("--repeats must be at least 1, and --sizes from 1e3 to 1e9")
    sizes = []
    for size in sorted(map(int, arguments.sizes)):
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            repeats = arguments.repeats if size <= 1_000_000 else max(1, arguments.repeats // 3)
            sizes.append(measure(size, Path(folder), repeats=repeats, with_change=True))
    figures = build_figures(sizes)
    print_figures(figures, compared_with="")
    return 0 if all(figure.verdict in ("pass", "") for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

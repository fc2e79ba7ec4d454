"""How long it takes to find a text's entities, their facts and what rules say: `python -m bench.grounding`.

docs/benchmarks.md says how to read it. Texts of 2 KB over a synthetic graph of each size: names of its entities between words of no
meaning. Reading happens in a process of its own, opened afresh, so that its anonymous memory is what a sidecar's would be.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.figures import Figure, bounded, informative, print_figures
from bench.knowledge_process import run
from bench.synthetic_graph import SyntheticGraph, make_graph, write_lines
from llmos.local.progress import say

NUM_TEXTS: Final = 1200
WARM_UP: Final = 200
TEXT_CHARACTERS: Final = 2048
NAMES_IN_TEXT: Final = 12
"""As many as the definitions of the Human Phenotype Ontology have in as many characters."""

BARS: Final = {100_000: 5.0, 1_000_000: 5.0, 10_000_000: 10.0}
"""Largest size → p99 in milliseconds."""

MEMORY_BAR_MB: Final = 150.0


def make_texts(graph: SyntheticGraph, *, num_texts: int = NUM_TEXTS) -> list[str]:
    """Return texts with a dozen names each, between words that begin like names and are none."""
    rng = random.Random(7)
    filler = sorted({word + "q" for label in graph.labels[:3000] for word in label.split()})
    texts = []
    for _ in range(num_texts):
        chosen = rng.choices(graph.labels, k=NAMES_IN_TEXT)
        characters = sum(map(len, chosen))
        while characters < TEXT_CHARACTERS:
            chosen.append(rng.choice(filler))
            characters += len(chosen[-1]) + 1
        rng.shuffle(chosen)
        texts.append(" ".join(chosen)[:TEXT_CHARACTERS])
    return texts


def build_figures(size: int, result: dict[str, Any]) -> list[Figure]:
    """Return what was measured against its bars."""
    bar = min(bar for largest, bar in BARS.items() if size <= largest * 1.1)
    total = np.asarray(result["totalMilliseconds"])
    label = f"{size:,} triples"
    found = (
        f"{result['mentions'] / len(total):.1f} entities and {result['facts'] / len(total):.0f} facts a text, {result['verdicts']} verdicts"
    )
    detail = f"p50 {np.percentile(total, 50):.2f}; {found}"
    memory = f"{result['filesBytes'] / 1e6:.0f} MB of files, mapped"
    return [
        bounded(f"link, facts, {result['rules']} rules, p99, {label}", [float(np.percentile(total, 99))], "ms", bar=bar, detail=detail),
        informative("  processor time of the same, p99", [float(np.percentile(result["cpuMilliseconds"], 99))], "ms"),
        informative("  of it linking, p99", [float(np.percentile(result["linkMilliseconds"], 99))], "ms"),
        informative("  of it facts, p99", [float(np.percentile(result["factsMilliseconds"], 99))], "ms"),
        bounded(f"  anonymous memory, {label}", [result["anonymousBytes"] / 1e6], "MB", bar=MEMORY_BAR_MB, detail=memory),
        informative("  opening it, with all checks", [result["openSeconds"] * 1e3], "ms"),
    ]


def measure(num_triples: int, scratch: Path, *, facts: int) -> list[Figure]:
    """Build, then read, in an empty folder."""
    graph = make_graph(num_triples)
    say(f"{graph.num_triples:,} triples: building")
    sources = scratch / "sources"
    sources.mkdir()
    write_lines(graph, sources)
    run("build", sources, scratch / "snapshot")
    (scratch / "texts").write_text("\n".join(make_texts(graph)))
    say(f"  reading {NUM_TEXTS:,} texts")
    result = run("ground", scratch / "texts", scratch / "snapshot", "--facts", str(facts), "--warm-up", str(WARM_UP))
    return build_figures(graph.num_triples, result)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if every bar is cleared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e5, 1e6, 1e7], help="triples (default 1e5 1e6 1e7)")
    parser.add_argument("--facts", type=int, default=20, help="how many facts of each entity (default 20)")
    parser.add_argument("--scratch", type=Path, help="an existing folder with 5 GB for ten million triples; default: the system's")
    arguments = parser.parse_args(argv)
    if arguments.facts < 1 or not all(1e3 <= size <= 1e7 for size in arguments.sizes):
        parser.error("--facts must be at least 1, and --sizes from 1e3 to 1e7")
    figures = []
    for size in sorted(map(int, arguments.sizes)):
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            figures += measure(size, Path(folder), facts=arguments.facts)
    print_figures(figures, compared_with="")
    return 0 if all(figure.verdict in ("pass", "") for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

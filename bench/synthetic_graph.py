"""A graph of diseases, symptoms, drugs, genes and classes of any size, as N-Triples; the same for the same size, byte for byte.

Its shape is that of the measurements in docs/knowledge.md: a label and 1.5 synonyms an entity, made of 40,000 words of which a few are
frequent; seven relations, whose objects are skewed, so that some have thousands of facts. Must not: be anybody's medical knowledge.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SyntheticGraph", "make_graph", "write_lines"]

_SEED: Final = 20_261_124
_TRIPLES_PER_ENTITY: Final = 8.53
_NUM_WORDS: Final = 40_000
_KINDS: Final = {"Disease": 0.30, "Symptom": 0.20, "Drug": 0.15, "Gene": 0.25, "Class": 0.10}
_RELATIONS: Final = (
    ("hasSymptom", "Disease", "Symptom", 6),
    ("associatedGene", "Disease", "Gene", 2),
    ("treats", "Drug", "Disease", 4),
    ("contraindicatedIn", "Drug", "Disease", 2),
    ("interactsWith", "Drug", "Drug", 3),
    ("regulates", "Gene", "Gene", 2),
)
_SYLLABLES: Final = tuple(
    re.findall(r"\w+", "ba be cor da der dys en fi gly hep ix jo ka lu mel nar os pul qua ren sep tro ul ver xan yl zo")
)
_ENDINGS: Final = tuple(re.findall(r"\w+", "itis osis emia oma pathy in al ol ase um"))
_BASE: Final = "http://synthetic.example/"
_TYPE: Final = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_LABEL: Final = "<http://www.w3.org/2000/01/rdf-schema#label>"
_SYNONYM: Final = "<http://www.w3.org/2004/02/skos/core#altLabel>"
_SUBCLASS: Final = "<http://www.w3.org/2000/01/rdf-schema#subClassOf>"
_INTEGER: Final = "<http://www.w3.org/2001/XMLSchema#integer>"

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SyntheticGraph:
    """What the lines are written from."""

    kinds: Sequence[str]
    """Kind of each entity, by number."""

    labels: Sequence[str]
    synonyms: Sequence[tuple[int, str]]
    relations: Sequence[tuple[str, Integers, Integers]]
    """Property, subjects, objects."""

    @property
    def num_triples(self) -> int:
        """How many lines it gives."""
        num_onsets = self.kinds.count("Disease")
        return 2 * len(self.kinds) + len(self.synonyms) + num_onsets + sum(len(subjects) for _, subjects, _ in self.relations)


def make_graph(num_triples: int) -> SyntheticGraph:
    """Make a graph of about so many triples."""
    rng = np.random.default_rng(_SEED)
    num_entities = int(num_triples / _TRIPLES_PER_ENTITY)
    kinds = [kind for kind, share in _KINDS.items() for _ in range(int(num_entities * share))]
    start = {kind: kinds.index(kind) for kind in _KINDS}
    count = {kind: kinds.count(kind) for kind in _KINDS}
    words = _words(rng)
    owners = np.repeat(np.arange(len(kinds)), rng.poisson(1.5, len(kinds))).tolist()
    relations = []
    for name, subject, object_, mean in _RELATIONS:
        subjects = np.repeat(np.arange(count[subject]), rng.poisson(mean, count[subject]))
        relations.append(
            _distinct(f"<{_BASE}{name}>", start[subject] + subjects, start[object_] + _skewed(rng, len(subjects), count[object_]))
        )
    # A tree of classes: every parent has a smaller number than its child.
    children = np.arange(1, count["Class"])
    parents = (children * rng.random(len(children))).astype(np.int64)
    diseases = np.arange(count["Disease"])
    relations.append(
        _distinct(
            _SUBCLASS,
            np.concatenate([start["Class"] + children, start["Disease"] + diseases]),
            start["Class"] + np.concatenate([parents, rng.integers(0, count["Class"], len(diseases))]),
        )
    )
    labels = _names(rng, words, len(kinds), 4)
    return SyntheticGraph(kinds, labels, list(zip(owners, _names(rng, words, len(owners), 5), strict=True)), relations)


def _words(rng: np.random.Generator) -> NDArray[np.str_]:
    words: dict[str, None] = {}
    while len(words) < _NUM_WORDS:
        syllables = rng.integers(0, len(_SYLLABLES), (_NUM_WORDS, 4)).tolist()
        endings, lengths = rng.integers(0, len(_ENDINGS), _NUM_WORDS).tolist(), rng.integers(2, 5, _NUM_WORDS).tolist()
        for chosen, ending, length in zip(syllables, endings, lengths, strict=True):
            words["".join(_SYLLABLES[index] for index in chosen[:length]) + _ENDINGS[ending]] = None
    return np.array(list(words)[:_NUM_WORDS])


def _skewed(rng: np.random.Generator, size: int, limit: int) -> Integers:
    """Draw numbers below `limit`, small ones far more often."""
    return np.minimum((limit * rng.random(size) ** 2.2).astype(np.int64), limit - 1)


def _names(rng: np.random.Generator, words: NDArray[np.str_], size: int, most_words: int) -> list[str]:
    lengths = rng.integers(1, most_words + 1, size)
    chosen = words[_skewed(rng, int(lengths.sum()), len(words))].tolist()
    edges = np.concatenate([[0], lengths.cumsum()]).tolist()
    return [" ".join(chosen[first:last]) for first, last in pairwise(edges)]


def _distinct(predicate: str, subjects: Integers, objects: Integers) -> tuple[str, Integers, Integers]:
    pairs = np.unique(np.stack([subjects, objects]), axis=1)
    return predicate, pairs[0], pairs[1]


def _lines(graph: SyntheticGraph) -> Iterator[tuple[int, str]]:
    """Yield the number of the subject and its line."""
    ids = [f"<{_BASE}{kind}/{number:08d}>" for number, kind in enumerate(graph.kinds)]
    for number, kind in enumerate(graph.kinds):
        yield number, f'{ids[number]} {_TYPE} <{_BASE}{kind}> .\n{ids[number]} {_LABEL} "{graph.labels[number]}"@en .\n'
        if kind == "Disease":
            yield number, f'{ids[number]} <{_BASE}onset> "{number % 80}"^^{_INTEGER} .\n'
    for number, text in graph.synonyms:
        yield number, f'{ids[number]} {_SYNONYM} "{text}"@en .\n'
    for predicate, subjects, objects in graph.relations:
        for number, other in zip(subjects.tolist(), objects.tolist(), strict=True):
            yield number, f"{ids[number]} {predicate} {ids[other]} .\n"


def write_lines(graph: SyntheticGraph, folder: Path, *, num_files: int = 1) -> list[Path]:
    """Write the graph into an existing folder, all lines about an entity into the same of so many files."""
    paths = [folder / f"part-{index:04d}.nt" for index in range(num_files)]
    streams = [path.open("w", encoding="ascii", buffering=1 << 16) for path in paths]
    try:
        for number, line in _lines(graph):
            streams[number % num_files].write(line)
    finally:
        for stream in streams:
            stream.close()
    return paths

"""Blank nodes → identifiers that depend on what is said about them, not on a file's labels (RDFC-1.0).

Blank nodes that hang together are canonicalised together, and named by the hash of their canonical form: what is said elsewhere in the file
cannot rename them, and two that say exactly the same are one. The algorithm is exponential on graphs made for it (nine nodes that all
know each other take half a minute), so it runs in a process that is killed at its limits.
Must not: know a vocabulary.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from pyoxigraph import BlankNode, CanonicalizationAlgorithm, Dataset, Quad, RdfFormat, parse, serialize

from llmos.knowledge.formats.confined import run_confined

__all__ = ["MAXIMUM_BLANK_STATEMENTS", "canonical_statements", "work"]

MAXIMUM_BLANK_STATEMENTS: Final = 500_000
"""More statements about blank nodes in one file are refused: they have to be held together in memory."""

_TIMEOUT_S: Final = 60.0
_MEMORY_BYTES: Final = 2 << 30
_HASH_DIGITS: Final = 32
_REMEDY: Final = "give these nodes IRIs, or set `rdf.blankNodes: Ignore` for this file"


def canonical_statements(quads: Sequence[Quad], *, what: str) -> Iterator[Quad]:
    """Return these statements, each of which has a blank node, with canonical labels; several that mean the same are one.

    Raises: ConfigError (InvalidSource) if the statements are too entangled to be told apart in time.
    """
    if not quads:
        return iter(())
    data = serialize(quads, format=RdfFormat.N_QUADS)
    assert data is not None
    answer = run_confined(
        __name__, data, what=f"naming the blank nodes of {what}", timeout_s=_TIMEOUT_S, memory_bytes=_MEMORY_BYTES, remedy=_REMEDY
    )
    return parse(input=answer, format=RdfFormat.N_QUADS)


def work(data: bytes, _arguments: Sequence[str]) -> bytes:
    """Name the blank nodes of N-Quads; runs confined."""
    lines: set[str] = set()
    for group in _connected(list(parse(input=data, format=RdfFormat.N_QUADS))):
        lines.update(_canonical(group))
    return "".join(sorted(lines)).encode()


def _labels(quad: Quad) -> list[str]:
    return [term.value for term in (quad.subject, quad.object) if isinstance(term, BlankNode)]


def _connected(quads: Sequence[Quad]) -> Iterable[Sequence[Quad]]:
    """Group statements whose blank nodes hang together (union-find with path halving)."""
    parent: dict[str, str] = {}

    def root(label: str) -> str:
        while parent[label] != label:
            parent[label] = label = parent[parent[label]]
        return label

    for quad in quads:
        labels = _labels(quad)
        for label in labels:
            parent.setdefault(label, label)
        parent[root(labels[-1])] = root(labels[0])
    groups: dict[str, list[Quad]] = {}
    for quad in quads:
        groups.setdefault(root(_labels(quad)[0]), []).append(quad)
    return groups.values()


def _canonical(group: Sequence[Quad]) -> Iterator[str]:
    """Return a group's statements as lines, its nodes named by the hash of all of them and their place among them."""
    dataset = Dataset(group)
    dataset.canonicalize(CanonicalizationAlgorithm.RDFC_1_0)
    canonical = sorted(dataset, key=str)
    everything = hashlib.sha256("\n".join(map(str, canonical)).encode())

    @cache
    def name(label: str) -> BlankNode:
        own = everything.copy()
        own.update(f"\n_:{label}".encode())
        return BlankNode(f"n{own.hexdigest()[:_HASH_DIGITS]}")  # no label that could be read as a number

    for quad in canonical:
        subject = name(quad.subject.value) if isinstance(quad.subject, BlankNode) else quad.subject
        object = name(quad.object.value) if isinstance(quad.object, BlankNode) else quad.object
        yield f"{subject} {quad.predicate} {object} .\n"

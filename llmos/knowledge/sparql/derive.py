"""The store that SPARQL asks, derived from a snapshot: `python -m llmos.knowledge.sparql.derive`.

It is not part of the snapshot (150 bytes a triple against 35), so a service that wants it derives it when it starts, in a process of its
own: what bulk loading took is given back whole. The folder appears under its name only when it is complete. Must not: be read before.
"""

import argparse
import io
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pyoxigraph import RdfFormat, Store

from llmos.errors import LlmosError
from llmos.knowledge.snapshot import Snapshot
from llmos.knowledge.sparql.iris import IriMap
from llmos.knowledge.sparql.triples import triples

__all__ = ["derive_store", "main"]

_BUFFER_BYTES: Final = 1 << 20


class _Lines(io.RawIOBase):
    """Lines that are made while they are read: a graph's N-Triples are ten times its snapshot, and are never whole anywhere."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = len(buffer)
        pieces, size = [self._rest], len(self._rest)
        for line in self._lines:
            pieces.append(line.encode())
            size += len(pieces[-1])
            if size >= wanted:
                break
        data = b"".join(pieces)
        buffer[: min(wanted, len(data))], self._rest = data[:wanted], data[wanted:]
        return min(wanted, len(data))


def derive_store(snapshot: Snapshot, into: Path, iris: IriMap) -> int:
    """Write the store; returns the number of triples. What lies at `into` half-made is replaced."""
    unfinished = into.with_name(f".{into.name}.new")
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(unfinished, ignore_errors=True)
    store = Store(str(unfinished))
    store.bulk_load(io.BufferedReader(_Lines(triples(snapshot, iris)), _BUFFER_BYTES), RdfFormat.N_TRIPLES)
    store.optimize()
    store.flush()
    num_triples = len(store)
    del store
    shutil.rmtree(into, ignore_errors=True)
    unfinished.rename(into)
    return num_triples


def main(argv: Sequence[str] | None = None) -> int:
    """Derive a store; says the number of triples, or why not, and returns the exit code."""
    parser = argparse.ArgumentParser(description="Derives the store that SPARQL asks from a snapshot.")
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True, help="folder of the store; must not exist, or be one of ours")
    parser.add_argument("--prefixes", type=json.loads, default={}, help="JSON object: prefix to IRI")
    parser.add_argument("--partition", action="append", default=[], help="what may be seen besides what is everybody's; may stand again")
    arguments = parser.parse_args(argv)
    try:
        with Snapshot.open(arguments.snapshot, frozenset(arguments.partition)) as snapshot:
            num_triples = derive_store(snapshot, arguments.into, IriMap(arguments.prefixes))
    except LlmosError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"the store cannot be written: {error}\n")
        return LlmosError.exit_code
    sys.stdout.write(f"{num_triples}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

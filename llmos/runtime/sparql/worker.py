"""One process that answers queries, one after the other, until it is killed: `python -m llmos.runtime.sparql.worker`.

A query cannot be stopped from within, neither by a flag nor by an exception; so the time limit is the sidecar's SIGKILL, and should the
sidecar be gone, an alarm whose default action ends this process. Must not: say anything but frames on standard output.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from pyoxigraph import Store

from llmos.knowledge.sparql.answer import QueryRefused, answer
from llmos.runtime.sparql.frames import pack, read_frame
from llmos.runtime.sparql.isolation import give_up_privileges, limit_memory

__all__ = ["main"]

_NICENESS: Final = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Serve a store to the process at the other end of standard input and output."""
    parser = argparse.ArgumentParser(description="Answers SPARQL queries for the sidecar.")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A query may take long; whoever asks for an answer beside it should not wait for its turn on the same core.
    os.nice(_NICENESS)
    # Before the store is opened: the filter holds for this thread and those it starts, so the library's must come later.
    give_up_privileges()
    store = Store.read_only(str(arguments.store))
    limit_memory(arguments.memory_bytes)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    _silence()
    _write_all(output, pack({"ready": True}))
    while (request := read_frame(sys.stdin.buffer)) is not None:
        signal.setitimer(signal.ITIMER_REAL, request["alarmSeconds"])
        _reply(store, request, output)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def _silence() -> None:
    """Let nothing that a library prints get between the frames, or into a log: its words may quote a query."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.dup2(nothing, sys.stderr.fileno())


def _reply(store: Store, request: dict[str, Any], output: BinaryIO) -> None:
    try:
        found = answer(
            store, request["query"], request["accepted"], maximum_rows=request["maximumRows"], maximum_bytes=request["maximumBytes"]
        )
    except QueryRefused as refused:
        _write_all(output, pack({"refusal": refused.refusal.value, "message": refused.message}))
    except (OSError, ValueError, RuntimeError) as error:
        # Only the kind: the library's words may quote the query.
        _write_all(output, pack({"failure": type(error).__name__}))
    else:
        _write_all(output, pack({"mediaType": found.media_type, "size": len(found.body)}))
        _write_all(output, found.body)


def _write_all(output: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[output.write(view) :]


if __name__ == "__main__":
    sys.exit(main())

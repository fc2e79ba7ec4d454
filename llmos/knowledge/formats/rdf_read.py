"""A file of RDF → its statements, in the file's order; what cannot be read is located.

N-Triples has a statement a line, so a bad line costs only itself, and every statement has its line. In the other syntaxes everything after
an error may mean something else: they stop there. Nothing is ever fetched: a remote JSON-LD context is an error.
Must not: know what a property means.
"""

import re
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import IO, Final

from pyoxigraph import Quad, RdfFormat, parse

from llmos.errors import ConfigError
from llmos.knowledge.formats.guards import refuse_hostile_json, refuse_hostile_xml

__all__ = ["Report", "read_n_triples", "read_statements", "refuse_hostile"]

Report = Callable[[int, str], None]
"""Told the line, and what is wrong there."""

_BLOCK_BYTES: Final = 1 << 17
_MAXIMUM_LINE_BYTES: Final = 16 << 20
_GUARDS: Final = {RdfFormat.JSON_LD: refuse_hostile_json, RdfFormat.RDF_XML: refuse_hostile_xml}


def refuse_hostile(path: Path, syntax: RdfFormat) -> None:
    """ConfigError (InvalidSource) if a file would take its parser more than its size is worth; look before `read_statements`."""
    if guard := _GUARDS.get(syntax):
        guard(path)


def read_statements(path: Path, syntax: RdfFormat, *, base: str) -> Iterator[tuple[int, Quad]]:
    """Return the statements of a Turtle, JSON-LD or RDF/XML file, all with line 0: their parsers do not tell lines.

    Raises: ConfigError (InvalidSource) at the first error of syntax, with its line.
    """
    with path.open("rb") as file:
        try:
            yield from zip(repeat(0), parse(input=file, format=syntax, base_iri=base or None, without_named_graphs=True), strict=False)
        except ValueError as error:  # no file can cause it
            raise ConfigError(f"`rdf.base` {base!r} of {path.name} is no absolute IRI: {error}", reason="InvalidSpec") from error
        except SyntaxError as error:
            where = f"{path.name}:{error.lineno}" if error.lineno else path.name
            raise ConfigError(f"{where}: {_message(error)}", reason="InvalidSource") from error
        except MemoryError as error:
            raise ConfigError(
                f"{path.name}, about byte {file.tell()}: one literal or name has more than 16 MiB, which is not read; shorten it",
                reason="InvalidSource",
            ) from error


def read_n_triples(path: Path, report: Report, *, holding: re.Pattern[bytes] | None = None) -> Iterator[tuple[int, Quad]]:
    """Return line and statement of an N-Triples file; bad lines are reported and left out.

    `holding` passes over blocks of lines in which it finds nothing, unread.
    """
    with path.open("rb") as file:
        for first_line, block in _blocks(file, report):
            if holding is None or holding.search(block):
                yield from _read_block(first_line, block, report)


def _blocks(file: IO[bytes], report: Report) -> Iterator[tuple[int, bytes]]:
    """Cut a file into whole lines, some hundred kilobytes at a time; a line that would not fit into memory is passed over."""
    line, pieces, size = 1, [b""], 0
    while data := file.read(_BLOCK_BYTES):
        if cut := data.rfind(b"\n") + 1:
            block = b"".join((*pieces, data[:cut]))
            yield line, block
            line += block.count(b"\n")
            pieces, size = [data[cut:]], len(data) - cut
        else:
            pieces.append(data)
            size += len(data)
            if size > _MAXIMUM_LINE_BYTES:
                held = b"".join(pieces)
                if whole := held[: held.rfind(b"\n") + 1]:  # lines that came with the end of another long one
                    yield line, whole
                    line += whole.count(b"\n")
                report(line, f"a line of more than {_MAXIMUM_LINE_BYTES} bytes")
                pieces, size = [_pass_over(file)], 0
                line += 1
    if rest := b"".join(pieces):
        yield line, rest


def _pass_over(file: IO[bytes]) -> bytes:
    """Read on to the end of the line; return what was read of the next."""
    while data := file.read(_BLOCK_BYTES):
        if end := data.find(b"\n") + 1:
            return data[end:]
    return b""


def _read_block(first_line: int, block: bytes, report: Report) -> Iterator[tuple[int, Quad]]:
    numbers: range | list[int] = range(first_line, first_line + block.count(b"\n") + (not block.endswith(b"\n")))
    try:
        quads = list(parse(input=block, format=RdfFormat.N_TRIPLES))
        if len(quads) != len(numbers):
            lines = block.split(b"\n")
            numbers = [number for number, line in zip(numbers, lines, strict=False) if line.strip()[:1] not in (b"", b"#")]
        if len(quads) == len(numbers):
            yield from zip(numbers, quads, strict=True)
            return
    except (SyntaxError, MemoryError):
        pass
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        yield from _read_line(number, line, report)


def _read_line(number: int, line: bytes, report: Report) -> Iterator[tuple[int, Quad]]:
    try:
        quads = list(parse(input=line, format=RdfFormat.N_TRIPLES))
    except SyntaxError as error:
        report(number, _message(error))
    except MemoryError:
        report(number, "a literal of more than 16 MiB")
    else:
        yield from ((number, quad) for quad in quads)


def _message(error: SyntaxError) -> str:
    """Leave out the position that the parser puts before its message: we have a better one."""
    text = error.msg or str(error)
    before, colon, after = text.partition(": ")
    return after if colon and before.startswith("Parser error") else text

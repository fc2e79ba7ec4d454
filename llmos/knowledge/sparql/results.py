"""Solutions as the W3C's result formats, row by row, so that a bound is met before memory is.

pyoxigraph writes these formats, too, but only whole: it can count neither rows nor bytes. A test reads what is written here with its
parser. Must not: cut a result short; what is too large raises.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import pyoxigraph as ox

from llmos.knowledge.sparql.media_types import CSV, JSON, TSV, XML

__all__ = ["TooLarge", "bounded", "write_solutions", "write_triples"]

Row = Sequence[Any]
"""Terms in the order of the variables; None where one is unbound."""

_XSD_STRING: Final = "http://www.w3.org/2001/XMLSchema#string"


class TooLarge(Exception):
    """A result that meets a bound."""


class _Writer:
    """Bytes, bounded."""

    def __init__(self, maximum_bytes: int) -> None:
        self._maximum_bytes = maximum_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, text: str) -> None:
        piece = text.encode()
        self._size += len(piece)
        if self._size > self._maximum_bytes:
            raise TooLarge(f"the result is larger than {self._maximum_bytes} bytes; ask for fewer rows with LIMIT, or for fewer variables")
        self._pieces.append(piece)

    def bytes(self) -> bytes:
        return b"".join(self._pieces)


def write_solutions(solutions: Any, media_type: str, *, maximum_rows: int, maximum_bytes: int) -> bytes:
    """Write the solutions of a SELECT; raises TooLarge."""
    variables = [variable.value for variable in solutions.variables]
    writer = _Writer(maximum_bytes)
    rows = bounded(solutions, maximum_rows)
    _WRITERS[media_type](variables, ([row[name] for name in variables] for row in rows), writer)
    return writer.bytes()


def write_triples(found: Iterable[Any], media_type: str, *, maximum_rows: int, maximum_bytes: int) -> bytes:
    """Write the triples of a CONSTRUCT or DESCRIBE; raises TooLarge."""
    data = ox.serialize(bounded(found, maximum_rows), format=ox.RdfFormat.from_media_type(media_type)) or b""
    writer = _Writer(maximum_bytes)
    writer.write(data.decode())
    return writer.bytes()


def bounded(found: Iterable[Any], maximum_rows: int) -> Iterator[Any]:
    """Yield everything, and raise TooLarge when there is more than that."""
    for number, item in enumerate(found):
        if number == maximum_rows:
            raise TooLarge(f"the result has more than {maximum_rows} rows; ask for fewer with LIMIT, or raise sparql.maximumRows")
        yield item


def _write_json(variables: Sequence[str], rows: Iterable[Row], writer: _Writer) -> None:
    writer.write(f'{{"head":{{"vars":{json.dumps(variables)}}},"results":{{"bindings":[')
    for number, row in enumerate(rows):
        bindings = {name: _json_term(term) for name, term in zip(variables, row, strict=True) if term is not None}
        writer.write(("," if number else "") + json.dumps(bindings, ensure_ascii=False, separators=(",", ":")))
    writer.write("]}}")


def _json_term(term: Any) -> dict[str, Any]:
    if isinstance(term, ox.NamedNode):
        return {"type": "uri", "value": term.value}
    if isinstance(term, ox.BlankNode):
        return {"type": "bnode", "value": term.value}
    if isinstance(term, ox.Triple):
        parts = {"subject": term.subject, "predicate": term.predicate, "object": term.object}
        return {"type": "triple", "value": {name: _json_term(part) for name, part in parts.items()}}
    return {"type": "literal", "value": term.value, **_qualifiers(term, language="xml:lang")}


def _qualifiers(literal: Any, *, language: str) -> dict[str, str]:
    if literal.language:
        return {language: literal.language}
    return {} if literal.datatype.value == _XSD_STRING else {"datatype": literal.datatype.value}


def _write_xml(variables: Sequence[str], rows: Iterable[Row], writer: _Writer) -> None:
    writer.write('<?xml version="1.0"?>\n<sparql xmlns="http://www.w3.org/2005/sparql-results#"><head>')
    writer.write("".join(f"<variable name={quoteattr(name)}/>" for name in variables) + "</head><results>")
    for row in rows:
        bound = ((name, term) for name, term in zip(variables, row, strict=True) if term is not None)
        bindings = "".join(f"<binding name={quoteattr(name)}>{_xml_term(term)}</binding>" for name, term in bound)
        writer.write(f"<result>{bindings}</result>\n")
    writer.write("</results></sparql>\n")


def _xml_term(term: Any) -> str:
    if isinstance(term, ox.NamedNode):
        return f"<uri>{escape(term.value)}</uri>"
    if isinstance(term, ox.BlankNode):
        return f"<bnode>{escape(term.value)}</bnode>"
    if isinstance(term, ox.Triple):
        parts = (("subject", term.subject), ("predicate", term.predicate), ("object", term.object))
        return f"<triple>{''.join(f'<{name}>{_xml_term(part)}</{name}>' for name, part in parts)}</triple>"
    said = "".join(f" {name}={quoteattr(value)}" for name, value in _qualifiers(term, language="xml:lang").items())
    return f"<literal{said}>{_xml_text(term.value)}</literal>"


def _xml_text(text: str) -> str:
    """Escape text; a carriage return as a reference, or a parser would make a line feed of it."""
    return escape(text, {"\r": "&#xD;"})


def _write_csv(variables: Sequence[str], rows: Iterable[Row], writer: _Writer) -> None:
    line = io.StringIO()
    table = csv.writer(line, lineterminator="\r\n")
    table.writerow(variables)
    for terms in rows:
        table.writerow(["" if term is None else _csv_term(term) for term in terms])
        writer.write(line.getvalue())
        line.seek(0)
        line.truncate()
    writer.write(line.getvalue())


def _csv_term(term: Any) -> str:
    """A bare value: the format does not tell an IRI from a text."""
    return str(term) if isinstance(term, ox.BlankNode | ox.Triple) else term.value


def _write_tsv(variables: Sequence[str], rows: Iterable[Row], writer: _Writer) -> None:
    writer.write("\t".join(f"?{name}" for name in variables) + "\n")
    for row in rows:
        # A term as N-Triples has it holds no tab and no line feed: both are escaped.
        writer.write("\t".join("" if term is None else str(term) for term in row) + "\n")


_WRITERS: Final[Mapping[str, Callable[[Sequence[str], Iterable[Row], _Writer], None]]] = {
    JSON: _write_json,
    XML: _write_xml,
    CSV: _write_csv,
    TSV: _write_tsv,
}

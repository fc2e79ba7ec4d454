"""What is looked at before RDF/XML and JSON-LD reach their parsers: depth, entities, and texts without end.

The parsers are sound, but what they need can grow with the square of the depth (20,000 nested objects of JSON-LD end the process), and
entities in entities double the text at every step. A cheap look beforehand turns these into an error that says where.
Must not: judge anything else; whether the file is well-formed RDF, its parser says.
"""

import mmap
import re
from pathlib import Path
from typing import Any, Final, NoReturn
from xml.parsers import expat

import numpy as np

from llmos.errors import ConfigError

__all__ = ["MAXIMUM_DEPTH", "MAXIMUM_LITERAL_BYTES", "refuse_hostile_json", "refuse_hostile_xml"]

MAXIMUM_DEPTH: Final = 100
"""Elements or objects inside each other; ontologies need about ten."""

MAXIMUM_LITERAL_BYTES: Final = 16 << 20
"""The longest text between two tags; the parsers of the other syntaxes have this limit built in."""

_MAXIMUM_EXPANSION: Final = 16
_FREE_EXPANSION_BYTES: Final = 16 << 20

_SLICE: Final = 1 << 20

_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^"\[\]{}]++|"', re.DOTALL)
"""All that is no bracket. Possessive: an unterminated string is tried once, not once for each quote."""


def _refuse(path: Path, line: int, message: str) -> NoReturn:
    raise ConfigError(f"{path.name}:{line}: {message}", reason="InvalidSource")


def refuse_hostile_json(path: Path) -> None:
    """ConfigError (InvalidSource) if a JSON file is nested too deeply."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        brackets = np.frombuffer(_STRINGS.sub(b"", data), dtype=np.uint8)
    depth = 0
    for start in range(0, brackets.size, _SLICE):
        # { and [ have bit 1 set (0x7b, 0x5b), } and ] do not (0x7d, 0x5d).
        steps = np.where(brackets[start : start + _SLICE] & 2, 1, -1)
        if depth + int(np.cumsum(steps).max()) > MAXIMUM_DEPTH:
            raise ConfigError(f"{path.name} is nested more than {MAXIMUM_DEPTH} deep; flatten it", reason="InvalidSource")
        depth += int(steps.sum())


class _XmlGuard:
    """Handlers of expat that only count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entities: dict[bytes, int] = {}
        self.depth = 0
        self.tag_at = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._entity

    def refuse(self, message: str) -> NoReturn:
        _refuse(self.path, self.parser.CurrentLineNumber, message)

    def _start(self, _name: str, _attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAXIMUM_DEPTH:
            self.refuse(f"elements are nested more than {MAXIMUM_DEPTH} deep")
        self._text()

    def _end(self, _name: str) -> None:
        self.depth -= 1
        self._text()

    def _text(self) -> None:
        at = self.parser.CurrentByteIndex
        if at - self.tag_at > MAXIMUM_LITERAL_BYTES:
            self.refuse(f"a text of {at - self.tag_at} bytes ends here; at most {MAXIMUM_LITERAL_BYTES} are read")
        self.tag_at = at

    def _entity(self, name: str, is_parameter: int, value: str | None, *_external: Any) -> None:
        if is_parameter or value is None:
            self.refuse(f"the entity {name!r} is external or a parameter entity; only short texts may be declared")
        if "&" in value:
            self.refuse(f"the entity {name!r} has an entity in it, which can grow without end; write its text out")
        self.entities[name.encode()] = len(value.encode())


def refuse_hostile_xml(path: Path) -> None:
    """ConfigError (InvalidSource) if an XML file is not well-formed, nested too deeply, or its entities grow too much."""
    guard = _XmlGuard(path)
    with path.open("rb") as file:
        try:
            guard.parser.ParseFile(file)
        except expat.ExpatError as error:
            _refuse(path, error.lineno, f"not well-formed XML: {expat.ErrorString(error.code)} (column {error.offset + 1})")
    if guard.entities:
        _refuse_expansion(path, guard.entities)


def _refuse_expansion(path: Path, entities: dict[bytes, int]) -> None:
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        total = sum(entities.get(match[1], 0) for match in re.finditer(rb"&([^;&<\s]+);", data))
    if total > _FREE_EXPANSION_BYTES + size * _MAXIMUM_EXPANSION:
        raise ConfigError(f"the entities of {path.name} would make {total} bytes of its {size}; write them out", reason="InvalidSource")

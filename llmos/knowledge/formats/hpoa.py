"""HPO annotation files (`phenotype.hpoa`, tab separated) → diseases, their names, and what they show.

The aspect of a line decides its predicate; the qualifier NOT turns a phenotype into `lacks_phenotype`, because "not seen in this disease"
is knowledge too, and must never read like the opposite.
Must not: know the ontology; whether a term exists is found out when all files are merged.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmos.knowledge.sink import Scope, Sink

__all__ = ["parse_hpoa"]

_COLUMNS: Final = ("database_id", "disease_name", "qualifier", "hpo_id", "reference", "evidence", "frequency", "aspect")
_ALL_COLUMNS: Final = (*_COLUMNS[:6], "onset", "frequency", "sex", "modifier", "aspect", "biocuration")
_PREDICATES: Final = {
    "P": "has_phenotype",
    "I": "has_inheritance",
    "C": "has_clinical_course",
    "M": "has_clinical_modifier",
    "H": "has_medical_history",
}
_FREQUENCIES: Final = {
    "HP:0040280": "Obligate",
    "HP:0040281": "Very frequent",
    "HP:0040282": "Frequent",
    "HP:0040283": "Occasional",
    "HP:0040284": "Very rare",
    "HP:0040285": "Excluded",
}
_NUMERIC: Final = re.compile(r"\d+/\d+\Z|\d+(?:\.\d+)?%\Z")
_IDENTIFIER: Final = re.compile(r"[^\s:]+:[^\s:]+\Z")
_EXCLUDED: Final = "Excluded"


class _Parser:
    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.columns: dict[str, int] = {}
        self.names: dict[str, set[str]] = {}
        """Disease → names; all that is kept until the end of the file, where the preferred name is known."""

    def feed(self, number: int, line: str) -> None:
        if line.startswith("#"):
            self._comment(line)
            return
        cells = line.rstrip("\r\n").split("\t")
        if not self.columns:
            self._header(number, cells)
        elif any(cells):
            self._row(number, cells)

    def _comment(self, line: str) -> None:
        key, _, value = line[1:].partition(":")
        if key.strip() == "version" and value.strip():
            self.sink.version(value.strip())
        elif line.startswith("#DatabaseID\t"):
            # Files before 2023 write the header as a comment with other names; their columns stand in the same order.
            self.columns = {name: index for index, name in enumerate(_ALL_COLUMNS)}

    def _header(self, number: int, cells: Sequence[str]) -> None:
        self.columns = {name: index for index, name in enumerate(cells)}
        missing = [name for name in _COLUMNS if name not in self.columns]
        if missing:
            self.sink.problem(number, f"the header lacks the columns {', '.join(missing)}")

    def _row(self, number: int, cells: Sequence[str]) -> None:
        if any(name not in self.columns for name in _COLUMNS):
            return
        if len(cells) != len(self.columns):
            self.sink.problem(number, f"{len(cells)} columns where the header has {len(self.columns)}")
            return
        disease, name, qualifier, term, reference, code, frequency, aspect = (cells[self.columns[column]].strip() for column in _COLUMNS)
        if not _IDENTIFIER.match(disease) or not _IDENTIFIER.match(term):
            self.sink.problem(number, f"database_id {disease!r} and hpo_id {term!r} must be identifiers such as OMIM:154700 and HP:0001250")
        elif qualifier not in ("", "NOT"):
            self.sink.problem(number, f"qualifier {qualifier!r} must be empty or NOT")
        elif aspect not in _PREDICATES:
            self.sink.problem(number, f"aspect {aspect!r} must be one of {', '.join(_PREDICATES)}")
        else:
            if frequency and frequency not in _FREQUENCIES and not _NUMERIC.match(frequency):
                self.sink.problem(number, f"frequency {frequency!r} must be n/m, a percentage or a frequency term; it is left out")
                frequency = ""
            frequency = _FREQUENCIES.get(frequency, frequency)
            if disease not in self.names:
                self.names[disease] = set()
                self.sink.entity(disease, "Disease")
            if name:
                self.names[disease].add(name)
            predicate = _predicate(aspect, is_negated=qualifier == "NOT" or frequency == _EXCLUDED)
            self.sink.fact(disease, predicate, term, reference=reference, code=code, frequency=frequency, line=number)

    def finish(self) -> None:
        for disease, names in self.names.items():
            for index, name in enumerate(sorted(names)):
                self.sink.name(disease, name, scope=Scope.Exact if index else Scope.Preferred, language="en")


def _predicate(aspect: str, *, is_negated: bool) -> str:
    return "lacks_" + _PREDICATES[aspect].removeprefix("has_") if is_negated else _PREDICATES[aspect]


def parse_hpoa(location: Path, *, package_version: str, sink: Sink) -> None:
    """Read an HPOA file; the comment `#version:` is its version. Bad bytes as in `parse_obo`."""
    del package_version  # the sink's owner has it already
    parser = _Parser(sink)
    with location.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            parser.feed(number, line)
    parser.finish()

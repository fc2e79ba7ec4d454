"""HPO annotation files (`phenotype.hpoa`, tab separated) → content: diseases, their names, and what they show.

The aspect of a line decides its predicate; the qualifier NOT turns a phenotype into `lacks_phenotype`, because "not seen in this disease"
is knowledge too, and must never read like the opposite.
Must not: know the ontology; whether a term exists is found out when all files are merged.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from llmos.knowledge.building.content import Content, Entity, Evidence, FileOrigin, Name, Statement
from llmos.knowledge.problems import Problem, refuse_if_broken
from llmos.knowledge.sink import Scope

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


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    disease: str
    name: str
    is_negated: bool
    term: str
    reference: str
    code: str
    frequency: str
    aspect: str


class _Parser:
    def __init__(self, source: str, path: str, package_version: str) -> None:
        self.source = source
        self.path = path
        self.version = package_version
        self.problems: list[Problem] = []
        self.columns: dict[str, int] = {}
        self.rows: list[_Row] = []

    def problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.source, self.path, line, message))

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
            self.version = value.strip()
        elif line.startswith("#DatabaseID\t"):
            # Files before 2023 write the header as a comment with other names; their columns stand in the same order.
            self.columns = {name: index for index, name in enumerate(_ALL_COLUMNS)}

    def _header(self, number: int, cells: Sequence[str]) -> None:
        self.columns = {name: index for index, name in enumerate(cells)}
        missing = [name for name in _COLUMNS if name not in self.columns]
        if missing:
            self.problem(number, f"the header lacks the columns {', '.join(missing)}")

    def _row(self, number: int, cells: Sequence[str]) -> None:
        if any(name not in self.columns for name in _COLUMNS):
            return
        if len(cells) != len(self.columns):
            self.problem(number, f"{len(cells)} columns where the header has {len(self.columns)}")
            return
        disease, name, qualifier, term, reference, code, frequency, aspect = (cells[self.columns[column]].strip() for column in _COLUMNS)
        if not _IDENTIFIER.match(disease) or not _IDENTIFIER.match(term):
            self.problem(number, f"database_id {disease!r} and hpo_id {term!r} must be identifiers such as OMIM:154700 and HP:0001250")
        elif qualifier not in ("", "NOT"):
            self.problem(number, f"qualifier {qualifier!r} must be empty or NOT")
        elif aspect not in _PREDICATES:
            self.problem(number, f"aspect {aspect!r} must be one of {', '.join(_PREDICATES)}")
        else:
            if frequency and frequency not in _FREQUENCIES and not _NUMERIC.match(frequency):
                self.problem(number, f"frequency {frequency!r} must be n/m, a percentage or a frequency term; it is left out")
                frequency = ""
            frequency = _FREQUENCIES.get(frequency, frequency)
            self.rows.append(_Row(number, disease, name, qualifier == "NOT", term, reference, code, frequency, aspect))

    def finish(self) -> Content:
        refuse_if_broken(self.problems, num_records=len(self.rows), path=self.path, format_name="HPOA")
        origin = FileOrigin(self.source, self.version, self.path)
        names = sorted({(row.disease, row.name) for row in self.rows if row.name})
        preferred: dict[str, str] = {}
        for disease, name in names:
            preferred.setdefault(disease, name)
        scope = {True: Scope.Preferred, False: Scope.Exact}
        evidence: dict[tuple[str, str, str], Evidence] = {}
        content = Content(problems=self.problems)
        content.entities = [Entity(disease, "Disease") for disease in sorted({row.disease for row in self.rows})]
        content.names = [Name(disease, name, scope[preferred[disease] == name], "", "en", origin) for disease, name in names]
        for row in self.rows:
            why = (row.reference, row.code, row.frequency)
            shared = evidence.setdefault(why, Evidence(origin, *why))
            content.statements.append(Statement(row.disease, _predicate(row), row.term, shared, row.line))
        return content


def _predicate(row: _Row) -> str:
    if row.is_negated or row.frequency == _EXCLUDED:
        return "lacks_phenotype" if row.aspect == "P" else "lacks_" + _PREDICATES[row.aspect].removeprefix("has_")
    return _PREDICATES[row.aspect]


def parse_hpoa(lines: Iterable[str], *, source: str, path: str, package_version: str) -> Content:
    """Read an HPOA file line by line; arguments and errors as in `parse_obo`."""
    parser = _Parser(source, path, package_version)
    for number, line in enumerate(lines, start=1):
        parser.feed(number, line)
    return parser.finish()

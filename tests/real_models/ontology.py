"""Terms of the Human Phenotype Ontology with their lay names and definitions: text that experts wrote, for recipes to learn from.

Read from the package where it lies. Must not: keep or change any of it; its licence wants it unaltered.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Term", "read_terms"]

_SYNONYM = re.compile(r'^synonym: "((?:[^"\\]|\\.)*)" EXACT layperson', re.MULTILINE)
_DEFINITION = re.compile(r'^def: "((?:[^"\\]|\\.)*)"', re.MULTILINE)
_FIELD = re.compile(r"^(id|name|is_a): (.*?)(?: !.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Term:
    """One abnormality."""

    id: str
    name: str
    parents: Sequence[str]
    lay_names: Sequence[str]
    """What somebody would say who is no doctor: exact synonyms only."""

    definition: str
    """Empty where there is none."""


def read_terms(obo: Path) -> list[Term]:
    """Return the terms that are in use, in the order of their ids."""
    terms = []
    for stanza in obo.read_text(encoding="utf-8").split("\n\n[Term]\n")[1:]:
        stanza = stanza.partition("\n\n[")[0]
        if "\nis_obsolete: true" in stanza:
            continue
        fields: dict[str, list[str]] = {}
        for key, value in _FIELD.findall(stanza):
            fields.setdefault(key, []).append(value)
        found = _DEFINITION.search(stanza)
        terms.append(
            Term(
                fields["id"][0],
                _unescape(fields["name"][0]),
                fields.get("is_a", []),
                [_unescape(text) for text in _SYNONYM.findall(stanza)],
                _unescape(found[1]) if found else "",
            )
        )
    return sorted(terms, key=lambda term: term.id)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: " " if found[1] == "n" else found[1], text)

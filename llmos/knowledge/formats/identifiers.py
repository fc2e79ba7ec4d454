"""IRIs → short identifiers such as `HP:0001250`, by the prefixes that a file's options declare.

The same IRI always gets the same identifier, whichever prefixes its file happens to use: the file's own are not looked at.
Must not: know an ontology.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as checked_dataclass

from llmos.errors import ConfigError

__all__ = ["OPTIONS", "WELL_KNOWN", "Prefix", "shortener"]

OPTIONS: Final = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=True)
"""How options of formats are checked: camelCase as in the resource, and nothing that is not known."""

_REMEMBERED: Final = 1 << 17
_SCHEMES: Final = frozenset({"http", "https", "urn", "file", "_"})


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=OPTIONS)
class Prefix:
    """A short form for all IRIs that begin alike: `HP` for `http://purl.obolibrary.org/obo/HP_`."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,31}$")]
    iri: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*:[^\s<>\"{}|^`\\]+$", max_length=512)]


@dataclass(frozen=True, slots=True)
class _Known:
    prefix: str
    iri: str


WELL_KNOWN: Final = (
    _Known("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
    _Known("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
    _Known("owl", "http://www.w3.org/2002/07/owl#"),
    _Known("skos", "http://www.w3.org/2004/02/skos/core#"),
    _Known("dcterms", "http://purl.org/dc/terms/"),
    _Known("dc", "http://purl.org/dc/elements/1.1/"),
    _Known("schema", "http://schema.org/"),
    _Known("schema", "https://schema.org/"),
    _Known("oboInOwl", "http://www.geneontology.org/formats/oboInOwl#"),
)
"""Prefixes of vocabularies that everybody uses; a declared prefix of the same name or IRI goes first."""


def shortener(declared: Sequence[Prefix]) -> Callable[[str], str]:
    """Return the function IRI → identifier; of several prefixes that fit, the longest IRI decides.

    Raises: ConfigError (InvalidSpec) if a prefix is declared twice, or would read like a whole IRI.
    """
    by_iri: dict[str, str] = {}
    for each in declared:
        if each.prefix.lower() in _SCHEMES:
            raise ConfigError(f"the prefix {each.prefix!r} would make identifiers that read like IRIs; take another", reason="InvalidSpec")
        if each.iri in by_iri or each.prefix in by_iri.values():
            raise ConfigError(f"the prefix {each.prefix!r} or its IRI {each.iri!r} is declared twice; remove one", reason="InvalidSpec")
        by_iri[each.iri] = each.prefix
    names = set(by_iri.values())
    for known in WELL_KNOWN:
        if known.prefix not in names:
            by_iri.setdefault(known.iri, known.prefix)
    pattern = re.compile("|".join(re.escape(iri) for iri in sorted(by_iri, key=lambda iri: (-len(iri), iri))))

    @lru_cache(maxsize=_REMEMBERED)
    def shorten(iri: str) -> str:
        match = pattern.match(iri)
        # Without a rest there would be no identifier left but `HP:`.
        return f"{by_iri[match[0]]}:{iri[match.end() :]}" if match and match.end() < len(iri) else iri

    return shorten

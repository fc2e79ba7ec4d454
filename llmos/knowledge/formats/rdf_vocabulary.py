"""What the usual properties of RDF mean to us: which literals are names, what retires an identifier, which classes say nothing.

Must not: read a file.
"""

from typing import Final

from llmos.knowledge.sink import Scope

__all__ = ["ALIASES", "DEPRECATED", "EMPTY_TYPES", "NAMES", "RENAMED", "REPLACED_BY", "TYPE", "XSD_STRING"]

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDFS: Final = "http://www.w3.org/2000/01/rdf-schema#"
_OWL: Final = "http://www.w3.org/2002/07/owl#"
_SKOS: Final = "http://www.w3.org/2004/02/skos/core#"
_OBO: Final = "http://purl.obolibrary.org/obo/"
_OBO_IN_OWL: Final = "http://www.geneontology.org/formats/oboInOwl#"

TYPE: Final = _RDF + "type"
DEPRECATED: Final = _OWL + "deprecated"
REPLACED_BY: Final = frozenset({_OBO + "IAO_0100001", "http://purl.org/dc/terms/isReplacedBy"})
XSD_STRING: Final = "http://www.w3.org/2001/XMLSchema#string"

NAMES: Final[dict[str, tuple[Scope, str]]] = {
    _RDFS + "label": (Scope.Preferred, ""),
    _SKOS + "prefLabel": (Scope.Preferred, ""),
    _SKOS + "altLabel": (Scope.Exact, "altLabel"),
    _SKOS + "hiddenLabel": (Scope.Exact, "hiddenLabel"),
    _OBO_IN_OWL + "hasExactSynonym": (Scope.Exact, ""),
    _OBO_IN_OWL + "hasNarrowSynonym": (Scope.Narrow, ""),
    _OBO_IN_OWL + "hasBroadSynonym": (Scope.Broad, ""),
    _OBO_IN_OWL + "hasRelatedSynonym": (Scope.Related, ""),
    _OBO + "IAO_0000118": (Scope.Exact, ""),
    **{f"{scheme}://schema.org/name": (Scope.Preferred, "") for scheme in ("http", "https")},
    **{f"{scheme}://schema.org/alternateName": (Scope.Exact, "") for scheme in ("http", "https")},
}
"""Property → scope and tag of the names it gives."""

ALIASES: Final = {"SameAs": _OWL + "sameAs", "ExactMatch": _SKOS + "exactMatch"}
"""What `aliases` of a file's options may name; without it these are facts like any other, for many files use them loosely."""

RENAMED: Final = {_RDFS + "subClassOf": "is_a"}
"""Properties that other formats have under another name, so that an ontology is the same graph in OBO and in OWL."""

EMPTY_TYPES: Final = frozenset({_OWL + "NamedIndividual", _OWL + "Thing", _RDFS + "Resource"})
"""Classes that say nothing about what a thing is; they are used only where there is no other."""

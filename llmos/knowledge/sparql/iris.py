"""Identifiers → IRIs, such that two identifiers never become one, unless a declared prefix says that they are the same.

In this order: an identifier that is an absolute IRI stays; a CURIE whose prefix was declared is expanded; everything else becomes
`urn:llmos:entity:` (`predicate:`, `kind:`) and the identifier, with what an IRI cannot hold percent-encoded. SPARQL allows a colon in a
local name, so with `PREFIX e: <urn:llmos:entity:>` one writes `e:HP:0001250`. Must not: guess prefixes.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from pyoxigraph import NamedNode

__all__ = ["ENTITY_NAMESPACE", "KIND_NAMESPACE", "PREDICATE_NAMESPACE", "IriMap", "is_absolute"]

ENTITY_NAMESPACE: Final = "urn:llmos:entity:"
PREDICATE_NAMESPACE: Final = "urn:llmos:predicate:"
KIND_NAMESPACE: Final = "urn:llmos:kind:"

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:\S+")
_SAFE: Final = ":@!$&()*+,;=-._~/"


class IriMap:
    """Turns identifiers into IRIs."""

    def __init__(self, prefixes: Mapping[str, str] | None = None) -> None:
        """Take declared prefixes: `{"HP": "http://purl.obolibrary.org/obo/HP_"}`."""
        self._prefixes = dict(prefixes or {})

    def entity(self, id: str) -> str:
        """Return an entity's IRI."""
        return self._iri(id, ENTITY_NAMESPACE)

    def predicate(self, name: str) -> str:
        """Return a predicate's IRI."""
        return self._iri(name, PREDICATE_NAMESPACE)

    def kind(self, name: str) -> str:
        """Return the IRI of a kind of entity."""
        return self._iri(name, KIND_NAMESPACE)

    def _iri(self, id: str, namespace: str) -> str:
        # What is in our own namespaces already would collide with what we put there.
        if is_absolute(id) and not id.startswith("urn:llmos:"):
            return id
        prefix, colon, local = id.partition(":")
        if colon and prefix in self._prefixes and _is_valid(expanded := self._prefixes[prefix] + quote(local, safe=_SAFE)):
            return expanded
        return namespace + quote(id, safe=_SAFE)


def is_absolute(text: str) -> bool:
    """Say whether a text is an IRI by itself."""
    return bool(_ABSOLUTE.fullmatch(text)) and _is_valid(text)


def _is_valid(iri: str) -> bool:
    try:
        NamedNode(iri)
    except ValueError:
        return False
    return True

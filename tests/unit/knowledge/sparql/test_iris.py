"""Identifiers as IRIs."""

import pyoxigraph as ox
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmos.knowledge.sparql.iris import IriMap

OBO = IriMap({"HP": "http://purl.obolibrary.org/obo/HP_"})


@pytest.mark.parametrize(
    ("id", "iri"),
    [
        ("HP:0001250", "http://purl.obolibrary.org/obo/HP_0001250"),
        ("OMIM:1", "urn:llmos:entity:OMIM:1"),
        ("https://example.org/a#b", "https://example.org/a#b"),
        ("urn:isbn:1", "urn:isbn:1"),
        ("http://has a space/", "urn:llmos:entity:http://has%20a%20space/"),
        ("100%", "urn:llmos:entity:100%25"),
        ("发烧", "urn:llmos:entity:%E5%8F%91%E7%83%A7"),
    ],
)
def test_an_identifier_becomes_the_iri_that_the_documentation_promises(id: str, iri: str):
    assert OBO.entity(id) == iri


def test_predicates_and_kinds_have_namespaces_of_their_own():
    assert (OBO.predicate("is_a"), OBO.kind("Phenotype")) == ("urn:llmos:predicate:is_a", "urn:llmos:kind:Phenotype")


@given(st.text(min_size=1), st.text(min_size=1))
@example("urn:llmos:entity:a", "a")
@example("a b", "a%20b")
def test_every_identifier_gets_a_valid_iri_of_its_own(one: str, other: str):
    iris = IriMap()
    assert ox.NamedNode(iris.entity(one))
    assert (iris.entity(one) == iris.entity(other)) == (one == other)

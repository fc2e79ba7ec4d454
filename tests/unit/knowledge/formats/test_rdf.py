"""RDF files, in all syntaxes, become the same entities, names, facts and attributes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import BlankNode, NamedNode, Quad, RdfFormat, parse, serialize

from llmos.errors import ConfigError
from llmos.knowledge.formats.blank_nodes import work
from llmos.knowledge.formats.identifiers import Prefix, shortener
from llmos.knowledge.formats.rdf import RDF_FORMATS, RdfOptions, parse_rdf
from llmos.knowledge.sink import FoundAttribute, FoundFact, FoundName, ListSink, Scope

HP = Prefix(prefix="HP", iri="http://purl.obolibrary.org/obo/HP_")
EX = Prefix(prefix="EX", iri="http://example.org/")

TURTLE = """
@prefix ex: <http://example.org/> .
@prefix obo: <http://purl.obolibrary.org/obo/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix oio: <http://www.geneontology.org/formats/oboInOwl#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
obo:HP_0001250 a owl:Class ; rdfs:label "Seizure"@en , "癫痫发作"@zh ; oio:hasRelatedSynonym "Fits" ; rdfs:subClassOf obo:HP_0012638 ;
  ex:weight 7 ; ex:note "seen  often" ; skos:exactMatch <http://other.org/1> .
obo:HP_0012638 a owl:Class ; skos:prefLabel "Abnormal physiology" ; skos:altLabel "Odd physiology" ; skos:hiddenLabel "Abnormel" .
obo:HP_0000001 a owl:Class ; rdfs:label "Old" ; owl:deprecated true ; obo:IAO_0100001 obo:HP_0001250 .
ex:untyped <https://schema.org/name> "No class" .
"""


def read(path: Path, text: str | bytes, name: str = "Turtle", **options: object) -> ListSink:
    path = path / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    sink = ListSink()
    parse_rdf(path, package_version="1", sink=sink, syntax=RDF_FORMATS[name], options=RdfOptions(prefixes=(HP, EX), **options))  # type: ignore[arg-type]
    return sink


def contents(sink: ListSink) -> tuple[object, ...]:
    """What was said, whatever the order and the lines."""
    facts = sorted((fact.subject, fact.predicate, fact.object) for fact in sink.facts)
    attributes = sorted((each.subject, each.predicate, each.value, each.datatype, each.language) for each in sink.attributes)
    return sorted(set(sink.entities)), sorted(sink.names), facts, attributes, sorted(sink.aliases), sink.problems


def test_labels_classes_properties_and_literals_become_what_they_mean(tmp_path: Path) -> None:
    sink = read(tmp_path, TURTLE)
    assert set(sink.entities) == {("HP:0001250", "owl:Class"), ("HP:0012638", "owl:Class"), ("EX:untyped", "Thing")}
    assert sorted(sink.names) == sorted(
        [
            FoundName("HP:0001250", "Seizure", Scope.Preferred, "", "en"),
            FoundName("HP:0001250", "癫痫发作", Scope.Preferred, "", "zh"),
            FoundName("HP:0001250", "Fits", Scope.Related, "", "en"),
            FoundName("HP:0012638", "Abnormal physiology", Scope.Preferred, "", "en"),
            FoundName("HP:0012638", "Odd physiology", Scope.Exact, "altLabel", "en"),
            FoundName("HP:0012638", "Abnormel", Scope.Exact, "hiddenLabel", "en"),
            FoundName("EX:untyped", "No class", Scope.Preferred, "", "en"),
        ]
    )
    assert [(fact.subject, fact.predicate, fact.object) for fact in sink.facts] == [
        ("HP:0001250", "is_a", "HP:0012638"),
        ("HP:0001250", "skos:exactMatch", "http://other.org/1"),
    ]
    assert sink.attributes == [
        FoundAttribute("HP:0001250", "EX:weight", "7", "http://www.w3.org/2001/XMLSchema#integer", "", 0),
        FoundAttribute("HP:0001250", "EX:note", "seen  often", "", "", 0),
    ]
    assert sink.problems == []


def test_a_retired_identifier_is_an_alias_and_says_nothing_else_wherever_it_is_retired(tmp_path: Path) -> None:
    sink = read(tmp_path, TURTLE)
    assert sink.aliases == [("HP:0000001", "HP:0001250")]
    assert not [name for name in sink.names if name.text == "Old"]


def test_same_as_and_exact_match_are_aliases_only_where_the_options_say_so(tmp_path: Path) -> None:
    sink = read(tmp_path, TURTLE, aliases=("ExactMatch",))
    assert ("http://other.org/1", "HP:0001250") in sink.aliases
    assert [fact.predicate for fact in sink.facts] == ["is_a"]


def test_untagged_names_take_the_declared_language(tmp_path: Path) -> None:
    sink = read(tmp_path, TURTLE, language="de")
    assert {name.language for name in sink.names} == {"en", "zh", "de"}


@pytest.mark.parametrize("name", sorted(RDF_FORMATS))
def test_every_syntax_says_the_same(tmp_path: Path, name: str) -> None:
    quads = list(parse(input=TURTLE, format=RdfFormat.TURTLE))
    text = serialize(quads, format=RDF_FORMATS[name])
    assert text is not None
    assert contents(read(tmp_path, text, name)) == contents(read(tmp_path, TURTLE))


def test_bad_lines_of_n_triples_are_located_and_cost_only_themselves(tmp_path: Path) -> None:
    lines = [f'<http://example.org/{i}> <http://example.org/p> "{i}" .' for i in range(6_000)]
    lines[6] = "# a comment"
    lines[7] = '<http://example.org/7> <http://example.org/p> "unterminated .'
    lines[8] = ""
    lines[5_000] = "<http://example.org/5000> <http://example.org/p> <bad iri> ."
    sink = read(tmp_path, "\n".join(lines), "NTriples")
    assert [line for line, _ in sink.problems] == [8, 5_001]
    assert "Invalid IRI" in sink.problems[1][1]
    assert [(each.value, each.line) for each in sink.attributes] == [(str(i), i + 1) for i in range(6_000) if i not in (6, 7, 8, 5_000)]


def test_bytes_that_are_no_utf_8_are_a_problem_of_their_line(tmp_path: Path) -> None:
    line = b'<http://example.org/a> <http://example.org/p> "%b" .\n'
    sink = read(tmp_path, line % b"x" + line % b"\xff\xfe" + line % b"y", "NTriples")
    assert [each.value for each in sink.attributes] == ["x", "y"]
    assert [number for number, _ in sink.problems] == [2]


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("Turtle", "@prefix : <http://e/> .\n:a :b :c .\n:a :b ??? .\n", "file:3"),
        ("RDFXML", "<?xml version='1.0'?>\n<a>\n</b>", "file:3"),
        ("JSONLD", '{"@id": "http://a",\n "http://b": oops}', "file:2"),
    ],
)
def test_a_syntax_error_of_the_other_syntaxes_stops_at_its_line(tmp_path: Path, name: str, text: str, where: str) -> None:
    with pytest.raises(ConfigError, match=where) as caught:
        read(tmp_path, text, name)
    assert caught.value.reason == "InvalidSource"


def test_a_remote_context_is_refused_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="remote contexts"):
        read(tmp_path, '{"@context": "http://127.0.0.1:1/context", "@id": "http://a", "b": "c"}', "JSONLD")


def test_blank_nodes_keep_their_identity_whatever_the_file_calls_them(tmp_path: Path) -> None:
    one = "@prefix : <http://example.org/> . :a :p [ :q 1 ; :r [ :q 2 ] ] . :b :p [ :q 3 ] ."
    other = "@prefix : <http://example.org/> . _:z :q 3 . _:x :r _:y ; :q 1 . _:y :q 2 . :b :p _:z . :a :p _:x ."
    sink = read(tmp_path, one)
    assert contents(sink) == contents(read(tmp_path, other))
    assert len({fact.object for fact in sink.facts}) == 3


def test_what_is_said_elsewhere_does_not_rename_a_blank_node(tmp_path: Path) -> None:
    one = read(tmp_path, "@prefix : <http://example.org/> . :a :p [ :q 1 ] .")
    more = read(tmp_path, "@prefix : <http://example.org/> . :0 :p [ :q 0 ] , [ :z 5 ] . :a :p [ :q 1 ] .")
    assert {fact.object for fact in one.facts} <= {fact.object for fact in more.facts}


def test_statements_about_statements_are_problems_wherever_they_stand(tmp_path: Path) -> None:
    text = TURTLE.partition("obo:HP")[0]
    for predicate in ("ex:p", "owl:deprecated", "rdfs:label", "a", "rdfs:subClassOf"):
        sink = read(tmp_path, f"{text} ex:a {predicate} <<( ex:b ex:p ex:c )>> .", aliases=("SameAs",))
        assert (sink.facts, sink.names, sink.attributes, len(sink.problems)) == ([], [], [], 1), predicate


def test_relative_iris_are_relative_to_the_declared_base(tmp_path: Path) -> None:
    assert read(tmp_path, "<a> <p> <b> .", base="http://example.org/").facts[0].subject == "EX:a"
    with pytest.raises(ConfigError, match="file:1"):
        read(tmp_path, "<a> <p> <b> .")
    with pytest.raises(ConfigError, match="no absolute IRI"):
        read(tmp_path, "<a> <p> <b> .", base="http://[")


def test_blank_nodes_can_be_left_out(tmp_path: Path) -> None:
    sink = read(tmp_path, "@prefix : <http://example.org/> . :a :p [ :q 1 ] ; :s :b .", blank_nodes="Ignore")
    assert sink.facts == [FoundFact("EX:a", "EX:s", "EX:b", "", "", "", 1000, "", "", 0)]


EDGE = st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(0, 7))


@settings(max_examples=40, deadline=None)
@given(st.lists(EDGE, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_canonical_statements_are_the_same_for_every_labelling(edges: list[tuple[int, int, int]], rng: random.Random) -> None:
    def document(names: list[str]) -> bytes:
        def node(number: int) -> BlankNode | NamedNode:
            return BlankNode(names[number]) if number < 5 else NamedNode(f"http://example.org/{number}")

        quads = [Quad(BlankNode(names[s]), NamedNode(f"http://example.org/p{p}"), node(o)) for s, p, o in edges]
        rng.shuffle(quads)
        text = serialize(quads, format=RdfFormat.N_QUADS)
        assert text is not None
        return text

    names = [f"n{i}" for i in range(5)]
    shuffled = rng.sample([f"m{i}" for i in range(9)], 5)
    assert work(document(names), ()) == work(document(shuffled), ())


def test_the_longest_prefix_that_fits_decides_and_nothing_else_is_shortened() -> None:
    shorten = shortener([Prefix(prefix="OBO", iri="http://purl.obolibrary.org/obo/"), HP])
    assert shorten("http://purl.obolibrary.org/obo/HP_0001250") == "HP:0001250"
    assert shorten("http://purl.obolibrary.org/obo/MONDO_1") == "OBO:MONDO_1"
    assert shorten("http://www.w3.org/2004/02/skos/core#broader") == "skos:broader"
    assert shorten("http://purl.obolibrary.org/obo/") == "http://purl.obolibrary.org/obo/"
    assert shorten("urn:x") == "urn:x"


CLASHES = {
    "a scheme": [Prefix(prefix="http", iri="http://a/")],
    "an IRI twice": [HP, Prefix(prefix="H", iri=HP.iri)],
    "a name twice": [HP, Prefix(prefix="HP", iri="http://b/")],
}


@pytest.mark.parametrize("prefixes", CLASHES.values(), ids=CLASHES)
def test_prefixes_that_could_be_mistaken_are_refused(prefixes: list[Prefix]) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        shortener(prefixes)

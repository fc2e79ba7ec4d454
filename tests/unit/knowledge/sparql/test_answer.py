"""A store derived from a snapshot, and the answers it gives: what is in it, in every format, bounded, and nothing else."""

import csv
import io
import json
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.knowledge import Snapshot
from llmos.knowledge.sparql.answer import QueryRefused, Refusal, answer, refuse_unsafe
from llmos.knowledge.sparql.derive import derive_store, main
from llmos.knowledge.sparql.iris import IriMap
from llmos.knowledge.sparql.media_types import CSV, JSON, TSV, XML

PREFIXES = """PREFIX e: <urn:llmos:entity:> PREFIX p: <urn:llmos:predicate:> PREFIX k: <urn:llmos:kind:>
PREFIX d: <http://purl.org/dc/terms/> PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> """


@pytest.fixture(scope="module")
def store(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> ox.Store:
    path = tmp_path_factory.mktemp("store") / "store"
    num_triples = derive_store(snapshot, path, IriMap())
    opened = ox.Store.read_only(str(path))
    assert len(opened) == num_triples
    return opened


def ask(store: ox.Store, query: str, *accepted: str, rows: int = 1000, size: int = 1 << 20) -> str:
    found = answer(store, PREFIXES + query, accepted or (JSON,), maximum_rows=rows, maximum_bytes=size)
    assert found.media_type in (accepted or (JSON,))
    return found.body.decode()


def values(store: ox.Store, query: str) -> list[list[str]]:
    document = json.loads(ask(store, query))
    return [[row[name]["value"] for name in document["head"]["vars"]] for row in document["results"]["bindings"]]


def test_the_store_says_what_the_snapshot_says(store: ox.Store, snapshot: Snapshot):
    for relation in ("is_a", "has_phenotype"):
        found = values(
            store,
            f"SELECT ?s ?o {{ ?a p:{relation} ?b . ?a d:identifier ?s . ?b d:identifier ?o }}",
        )
        assert sorted(map(tuple, found)) == sorted(snapshot.edges(relation)) != []
    labels = values(store, "SELECT ?id ?label { ?x d:identifier ?id ; rdfs:label ?label }")
    assert sorted(map(tuple, labels)) == sorted(snapshot.entities())
    assert values(store, "SELECT ?name { e:HP:0000256 skos:altLabel ?name }") == [["Large head"]]
    assert json.loads(ask(store, "ASK { e:HP:0001250 a k:Disease }"))["boolean"] is False


TERMS = """SELECT ?a ?b ?c ?d { VALUES (?a ?b ?c ?d) {
  (<http://x/y?a=1&b=2> "plain" "tagged"@en-GB 3.5)
  (UNDEF "line\\nfeed, comma" "quo\\"te\\tand\\rreturn" "<&>") (e:HP:1 "发烧"@zh "" UNDEF) } }"""


@pytest.mark.parametrize("media_type", [JSON, XML, TSV])
def test_solutions_are_written_as_the_librarys_own_parser_reads_them(store: ox.Store, media_type: str):
    expected = [[row[name] for name in "abcd"] for row in store.query(PREFIXES + TERMS)]
    parsed = ox.parse_query_results(ask(store, TERMS, media_type).encode(), format=ox.QueryResultsFormat.from_media_type(media_type))
    assert [variable.value for variable in parsed.variables] == list("abcd")
    assert [[row[name] for name in "abcd"] for row in parsed] == expected


def test_csv_is_what_the_library_would_have_written(store: ox.Store):
    written = ask(store, TERMS, CSV)
    library = store.query(PREFIXES + TERMS).serialize(format=ox.QueryResultsFormat.CSV).decode()
    assert list(csv.reader(io.StringIO(written, newline=""))) == list(csv.reader(io.StringIO(library, newline="")))


@given(st.lists(st.tuples(st.text(), st.sampled_from(["", "en", "zh-Hans"])), max_size=4))
def test_whatever_text_is_in_a_store_comes_back(texts: list[tuple[str, str]]):
    memory = ox.Store()
    subject = ox.NamedNode("urn:x:s")
    literals = [ox.Literal(text, language=language) if language else ox.Literal(text) for text, language in texts if "\x00" not in text]
    for number, literal in enumerate(literals):
        memory.add(ox.Quad(subject, ox.NamedNode(f"urn:x:p{number}"), literal))
    for media_type in (JSON, TSV):
        body = answer(memory, "SELECT ?o { ?s ?p ?o } ORDER BY ?p", [media_type], maximum_rows=10, maximum_bytes=1 << 20).body
        parsed = ox.parse_query_results(body, format=ox.QueryResultsFormat.from_media_type(media_type))
        assert [row["o"] for row in parsed] == literals


def test_ask_and_construct_have_their_own_formats(store: ox.Store):
    assert json.loads(ask(store, "ASK { ?s p:is_a ?o }"))["boolean"] is True
    assert "<boolean>true</boolean>" in ask(store, "ASK { ?s p:is_a ?o }", CSV, XML)
    triples = ask(store, "CONSTRUCT { ?o <urn:x:has> ?s } WHERE { ?s p:is_a ?o }", JSON, "application/n-triples")
    assert len(triples.splitlines()) == triples.count("<urn:x:has>") == 5
    assert "HP:0001250" in ask(store, "DESCRIBE e:HP:0001250", "text/turtle")
    with pytest.raises(QueryRefused) as refused:
        ask(store, "CONSTRUCT WHERE { ?s ?p ?o }", CSV)
    assert refused.value.refusal is Refusal.NotAcceptable


@pytest.mark.parametrize("media_type", [JSON, XML, CSV, TSV])
def test_a_result_that_meets_a_bound_is_refused_and_never_cut(store: ox.Store, media_type: str):
    everything = ask(store, "SELECT * { ?s p:is_a ?o }", media_type, rows=5)
    assert everything.count("HP:0000118") == 5
    with pytest.raises(QueryRefused, match="more than 4 rows; ask for fewer with LIMIT") as refused:
        ask(store, "SELECT * { ?s p:is_a ?o }", media_type, rows=4)
    assert refused.value.refusal is Refusal.TooLarge
    assert ask(store, "SELECT * { ?s p:is_a ?o } LIMIT 4", media_type, rows=4)
    size = len(everything.encode())
    assert ask(store, "SELECT * { ?s p:is_a ?o }", media_type, size=size) == everything
    with pytest.raises(QueryRefused, match=f"larger than {size - 1} bytes"):
        ask(store, "SELECT * { ?s p:is_a ?o }", media_type, size=size - 1)
    with pytest.raises(QueryRefused, match="more than 3 rows"):
        ask(store, "CONSTRUCT WHERE { ?s p:is_a ?o }", "text/turtle", rows=3)


def test_a_malformed_query_is_located_and_not_repeated(store: ox.Store):
    with pytest.raises(QueryRefused) as refused:
        answer(store, "SELECT * {\n ?secret }", [JSON], maximum_rows=1, maximum_bytes=100)
    assert (refused.value.refusal, refused.value.message) == (Refusal.Malformed, "the query is not SPARQL 1.1 at line 2, column 10")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { service\tsilent<http://127.0.0.1:9/>{ ?s ?p ?o } }",
        "SELECT * { SERVICE?x{ ?s ?p ?o } BIND(<http://127.0.0.1:9/> AS ?x) }",
        "PREFIX ex: <http://x/> SELECT * { SERVICE # why {\n ex:a #}\n { ?s ?p ?o } }",
        "PREFIX ex: <http://x/> SELECT * { ?s ex:a\\' ?o . SERVICE SILENT ex:b\\# { ?s ?p ?o } ?x ex:c\\' ?y }",
        "SELECT * { FILTER(?a<'>') SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } FILTER(?b = ' ') }",
        "SELECT * { ?s ?p 5SERVICE SILENT $x # {\n { ?s ?p ?o } }",
    ],
)
def test_no_spelling_of_a_service_clause_passes(query: str):
    with pytest.raises(QueryRefused, match="SERVICE is not offered"):
        refuse_unsafe(query)


@pytest.mark.parametrize("verb", ["INSERT DATA", "delete where", "LOAD <http://x/> #", "CLEAR ALL #", "WITH <urn:g> INSERT", "DROP ALL #"])
def test_updates_are_refused(verb: str):
    with pytest.raises(QueryRefused, match="updates are not offered"):
        refuse_unsafe(f"# hello\nBASE <http://x/> PREFIX a: <http://a/>\n{verb} {{ <urn:a> <urn:b> <urn:c> }}")


@pytest.mark.parametrize("query", ["SELECT ?service { ?service p:load ?insert }", 'SELECT * { ?s ?p "our service is good" } # SERVICE'])
def test_the_words_alone_are_no_reason_to_refuse(store: ox.Store, query: str):
    ask(store, query)


def test_deriving_is_a_program_that_leaves_a_whole_store_or_none(snapshot_path: Path, tmp_path: Path, capsys):
    into = tmp_path / "store"
    (tmp_path / ".store.new").mkdir()
    (tmp_path / ".store.new" / "half").write_text("left by one that was killed")
    arguments = ["--snapshot", str(snapshot_path), "--into", str(into), "--prefixes", '{"HP": "http://purl.obolibrary.org/obo/HP_"}']
    assert main(arguments) == 0
    store = ox.Store.read_only(str(into))
    assert len(store) == int(capsys.readouterr().out)
    assert list(store.quads_for_pattern(ox.NamedNode("http://purl.obolibrary.org/obo/HP_0001250"), None, None))
    assert main(["--snapshot", str(tmp_path), "--into", str(tmp_path / "other")]) == 65
    assert "cannot be used" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()

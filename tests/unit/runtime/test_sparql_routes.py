"""SPARQL through the app, with real workers: the protocol, the formats, every refusal, and switching."""

import asyncio
from urllib.parse import urlencode

import pyoxigraph as ox
import pytest

from llmos.knowledge.sparql.media_types import JSON
from llmos.runtime.app import Service, create_app
from llmos.runtime.sparql.accept import accepted_types
from llmos.runtime.sparql.pool import PoolSettings
from tests.unit.knowledge.conftest import OBO
from tests.unit.runtime.conftest import Pod, eventually, http_client

PATH = "/v1/knowledge/hpo/sparql"
SPARQL = {"timeoutSeconds": 5, "maximumRows": 20, "workers": 1}
QUERY = "PREFIX e: <urn:llmos:entity:> PREFIX p: <urn:llmos:predicate:> SELECT ?d { ?d p:has_phenotype e:HP:0001250 }"
HEAVY = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l . ?m ?n2 ?o . FILTER(?a != ?d) }"
LARGE = "SELECT * { ?s ?p ?o }"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RAW = {"Content-Type": "application/sparql-query"}


@pytest.fixture
async def asking(pod: Pod) -> Service:
    """A pod that offers SPARQL, and is ready."""
    pod.configure(pod.push_model(), pod.push_knowledge(), sparql=SPARQL)
    assert pod.fetch() == 0
    made = pod.service()
    assert await made.knowledge.step(), made.knowledge.state
    await made.readiness.check(made.knowledge.current)
    yield made
    await made.aclose()


async def test_a_query_is_answered_by_every_way_of_the_protocol_and_in_every_format(asking: Service):
    described = create_app(asking).openapi()["paths"]["/v1/knowledge/{name}/sparql"]["post"]
    example = described["requestBody"]["content"]["application/sparql-query"]["example"]
    async with http_client(asking) as client:
        got = await client.get(PATH, params={"query": QUERY}, headers={"Accept": "application/json"})
        form = await client.post(PATH, content=urlencode({"query": QUERY}), headers=FORM)
        raw = await client.post(PATH, content=QUERY, headers=RAW | {"Accept": "application/sparql-results+xml;q=0.5, text/csv;q=0.9"})
        turtle = await client.post(PATH, content="CONSTRUCT WHERE { ?s ?p ?o } LIMIT 3", headers=RAW)
        metrics = (await client.get("/metrics")).text
        assert (await client.post(PATH, content=example, headers=RAW)).json() == described["responses"]["200"]["content"][JSON]["example"]
    assert [response.status_code for response in (got, form, raw, turtle)] == [200] * 4
    expected = [{"d": {"type": "uri", "value": "urn:llmos:entity:OMIM:2"}}]
    assert got.json()["results"]["bindings"] == form.json()["results"]["bindings"] == expected
    assert got.headers["content-type"] == "application/sparql-results+json"
    assert int(got.headers["content-length"]) == len(got.content)
    assert (raw.text, raw.headers["content-type"]) == ("d\r\nurn:llmos:entity:OMIM:2\r\n", "text/csv; charset=utf-8")
    assert len(list(ox.parse(turtle.content, format=ox.RdfFormat.TURTLE))) == 3
    assert 'llmos_sparql_queries_total{outcome="Answered"} 4.0' in metrics
    assert 'llmos_knowledge_requests_total{endpoint="sparql",status="200"} 4.0' in metrics


REFUSED = [
    (LARGE, {}, 413, "result-too-large", "the result has more than 20 rows; ask for fewer with LIMIT, or raise sparql.maximumRows"),
    ("SELECT ?secret", {}, 400, "malformed-query", "the query is not SPARQL 1.1 at line 1, column 15"),
    ("", {}, 400, "malformed-query", "query must be given, once"),
    ("INSERT DATA { <urn:secret> <urn:p> 1 }", {}, 403, "not-offered", "updates are not offered"),
    ("SELECT * { SERVICE <http://secret/> { ?s ?p ?o } }", {}, 403, "not-offered", "SERVICE is not offered"),
    (QUERY, {"Accept": "text/html"}, 406, "not-acceptable", "results have the form application/sparql-results+json"),
    (QUERY, {"Accept": "text/turtle"}, 406, "not-acceptable", "a SELECT is answered as application/sparql-results+json"),
    (QUERY, {"Content-Type": "text/plain"}, 415, "unsupported-media-type", "a query is POSTed as application/sparql-query"),
    (QUERY, {"Content-Type": "application/sparql-update"}, 403, "not-offered", "updates are not offered"),
    ("#" * 16_385, {}, 413, "too-large", "the query has 16385 characters; at most 16384 are taken"),
    (b"\xff", {}, 400, "malformed-query", "the body is not UTF-8"),
    (urlencode({"update": "CLEAR ALL"}), FORM, 403, "not-offered", "updates are not offered"),
    (urlencode({"query": QUERY, "default-graph-uri": "http://secret/"}), FORM, 403, "not-offered", "the store has one graph"),
    (urlencode([("query", QUERY), ("query", QUERY)]), FORM, 400, "malformed-query", "query must be given, once"),
    (urlencode({"query": QUERY, "secret": "1"}), FORM, 400, "malformed-query", "1 parameters are unknown; there is only query"),
]


async def test_what_is_not_answered_is_an_error_with_a_sentence(asking: Service):
    async with http_client(asking) as client:
        for query, headers, status, kind, words in REFUSED:
            response = await client.post(PATH, content=query, headers=RAW | headers)
            assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), query
            assert response.json()["type"] == f"urn:llmos:problem:{kind}"
            assert response.json()["detail"].startswith(words)
            assert "secret" not in response.text
        asking.sparql.pool(asking.knowledge.current[0])._settings = PoolSettings(1, 0.2, 20)
        late = await client.post(PATH, content=HEAVY, headers=RAW)
        assert (late.status_code, late.json()["type"]) == (504, "urn:llmos:problem:timeout")
        assert late.json()["detail"] == "the query had no answer within 0.2 seconds; ask for less, or raise sparql.timeoutSeconds"
        assert (await client.get("/readyz")).status_code == 200


async def test_where_sparql_is_not_asked_for_there_is_none_and_no_process(service: Service):
    async with http_client(service) as client:
        response = await client.get(PATH, params={"query": QUERY})
    assert (response.status_code, response.json()["detail"][:31]) == (404, "this service offers no SPARQL; ")
    assert service.sparql is None


async def test_a_new_snapshot_brings_its_store_the_old_workers_end_and_one_without_a_store_does_not_take_over(pod: Pod, asking: Service):
    first = asking.knowledge.current[0]
    old = asking.sparql.pool(first)
    asking.sparql._retire_after_s = 0.0
    second = pod.push_knowledge(OBO.replace("name: Macrocephaly", "name: Big skull"))
    pod.activate(second)
    assert await asking.knowledge.step()
    async with http_client(asking) as client:
        query = 'ASK { ?x <http://www.w3.org/2000/01/rdf-schema#label> "Big skull" }'
        assert (await client.get(PATH, params={"query": query})).json()["boolean"] is True
    await eventually(lambda: asking.sparql.pool(first) is None and not old._processes)
    stores = sorted(folder.name for folder in (pod.paths.knowledge / "sparql").iterdir())
    assert len(stores) == 2, "the previous one is kept, to go back to"
    third = pod.push_knowledge(OBO.replace("name: Macrocephaly", "name: Large skull"))
    pod.activate(third)
    pod.paths.sparql_stores(third.digest).write_text("in the way")
    assert not await asking.knowledge.step()
    assert asking.knowledge.state.error.startswith("the SPARQL store of hpo cannot be derived (exit code 75): the store cannot be written")
    assert asking.knowledge.current[0].digest == second.digest


async def test_a_client_that_goes_away_frees_its_worker(asking: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("llmos.runtime.sparql.routes._DISCONNECT_CHECK_S", 0.02)
    pool = asking.sparql.pool(asking.knowledge.current[0])
    body = {"type": "http.request", "body": b"", "more_body": False}
    messages = iter([body, {"type": "http.disconnect"}, {"type": "http.disconnect"}])
    sent: list[dict] = []

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "raw_path": PATH.encode(),
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
    }
    query = urlencode({"query": HEAVY}).encode()
    await asyncio.wait_for(create_app(asking)(scope | {"query_string": query, "root_path": ""}, receive, send), 2)
    assert sent[0]["status"] == 503
    await eventually(lambda: pool.num_killed == 1)


def test_the_accept_header_is_read_as_http_says():
    assert accepted_types("")[:2] == accepted_types("*/*")[:2] == ["application/sparql-results+json", "application/sparql-results+xml"]
    assert accepted_types("text/csv;q=0.2, application/xml") == ["application/sparql-results+xml", "text/csv"]
    assert accepted_types("text/*, text/csv;q=0") == ["text/tab-separated-values", "text/turtle"]
    assert accepted_types("text/html") == accepted_types("text/csv;q=nonsense") == []

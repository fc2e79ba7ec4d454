"""The endpoints that read a knowledge base, through the app: answers as documented, bounds, and every way to be refused."""

import asyncio
import threading

import pytest

from llmos.runtime import knowledge_routes
from llmos.runtime.app import Service, create_app
from llmos.runtime.knowledge_documents import EntityResponse, LinkResponse, NeighbourhoodResponse, PathResponse, SearchResponse
from llmos.runtime.reads import MAXIMUM_READS, Reads, TooManyReads
from tests.unit.runtime.conftest import QUESTION, Pod, eventually, http_client

HPO = "/v1/knowledge/hpo"


async def test_an_entity_is_shown_with_names_and_facts_and_where_they_come_from(service: Service):
    async with http_client(service) as client:
        response = await client.get(f"{HPO}/entities/HP:0000256")
        cut = (await client.get(f"{HPO}/entities/HP%3A0000256", params={"limit": 1})).json()
    assert response.status_code == 200
    answer = response.json()
    EntityResponse.model_validate(answer)
    assert answer["knowledge"] == {"name": "hpo", "digest": service.knowledge.current[0].digest}
    assert (answer["id"], answer["name"]) == ("HP:0000256", "Macrocephaly")
    source = {"name": "hpo", "version": "2025-01-16", "file": "data/hp.obo"}
    assert {"text": "Large head", "scope": "Exact", "tag": "layperson", "language": "en", "source": source} in answer["names"]
    assert {(fact["subject"]["id"], fact["predicate"], fact["object"]["id"]) for fact in answer["facts"]} == {
        ("HP:0000256", "is_a", "HP:0000118"),
        ("OMIM:1", "has_phenotype", "HP:0000256"),
    }
    assert (answer["namesTruncated"], answer["factsTruncated"]) == (False, False)
    assert (cut["facts"], cut["factsTruncated"]) == (answer["facts"][:1], True)


async def test_names_are_found_in_a_text_as_an_answer_would_hold_them(service: Service):
    async with http_client(service) as client:
        linked = (await client.post(f"{HPO}/link", json={"text": QUESTION})).json()
        answered = (await client.post("/v1/predict", json={"text": QUESTION})).json()
    LinkResponse.model_validate(linked)
    assert linked["entities"] == answered["entities"] != []


async def test_a_neighbourhood_and_a_path_are_walked(service: Service):
    async with http_client(service) as client:
        around = (await client.get(f"{HPO}/neighbourhood", params={"id": "OMIM:1", "depth": 2})).json()
        path = (await client.get(f"{HPO}/path", params={"from": "OMIM:1", "to": "HP:0000001"})).json()
        none = (await client.get(f"{HPO}/path", params={"from": "OMIM:1", "to": "HP:0000001", "maximumLength": 2})).json()
        classes = (await client.get(f"{HPO}/neighbourhood", params={"id": "HP:0001252", "predicate": ["is_a"]})).json()
    NeighbourhoodResponse.model_validate(around)
    PathResponse.model_validate(path)
    assert {item["id"]: item["distance"] for item in around["nodes"]}["HP:0000118"] == 2
    assert [item["id"] for item in path["nodes"]][::3] == ["OMIM:1", "HP:0000001"]
    assert [edge["predicate"] for edge in path["edges"]] == ["has_phenotype", "is_a", "is_a"]
    assert (none["found"], none["complete"], none["nodes"], none["edges"]) == (False, True, [], [])
    assert [item["id"] for item in classes["nodes"]] == ["HP:0001252", "HP:0000118"]


async def test_entities_are_found_by_the_beginning_of_a_name(service: Service):
    async with http_client(service) as client:
        found = (await client.get(f"{HPO}/search", params={"text": "LARGE He"})).json()
        muscle = (await client.get(f"{HPO}/search", params={"text": "muscle", "limit": 1})).json()
        none = (await client.get(f"{HPO}/search", params={"text": "zebra"})).json()
    SearchResponse.model_validate(found)
    macrocephaly = {"id": "HP:0000256", "kind": "Term", "name": "Macrocephaly", "matched": "large head"}
    assert found["entities"] == [macrocephaly]
    assert [item["matched"] for item in muscle["entities"]] == ["muscle weakness"]
    assert none["entities"] == []


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/knowledge/icd/entities/HP:0001250", 404, "this service has no such knowledge base; it has hpo"),
        (f"{HPO}/entities/HP:secret", 404, "the knowledge base hpo has no such entity"),
        (f"{HPO}/entities/HP:0001250?limit=1001", 422, "query.limit: Input should be less than or equal to 1000"),
        (f"{HPO}/entities/{'x' * 1025}", 422, "path.id:"),
        (f"{HPO}/neighbourhood?id=HP:secret", 404, "the knowledge base hpo has no such entity"),
        (f"{HPO}/neighbourhood", 422, "query.id: it is missing"),
        (f"{HPO}/neighbourhood?id=HP:0001250&depth=4", 422, "query.depth: Input should be less than or equal to 3"),
        (f"{HPO}/neighbourhood?id=HP:0001250&limit=501", 422, "query.limit: Input should be less than or equal to 500"),
        (f"{HPO}/neighbourhood?id=HP:0001250&predicate=secret", 422, "query.predicate: no fact of this knowledge base has one of them"),
        (f"{HPO}/search", 422, "query.text: it is missing"),
        (f"{HPO}/search?text=secret&limit=101", 422, "query.limit: Input should be less than or equal to 100"),
        (f"{HPO}/path?from=OMIM:1", 422, "query.to: it is missing"),
        (f"{HPO}/path?from=OMIM:1&to=HP:secret", 404, "the knowledge base hpo has no such entity"),
        (f"{HPO}/path?from=OMIM:1&to=OMIM:2&maximumLength=9", 422, "query.maximumLength: Input should be less than or equal to 8"),
    ],
)
async def test_a_wrong_question_is_refused_with_a_sentence_and_never_repeated(service: Service, path: str, status: int, words: str):
    async with http_client(service) as client:
        response = await client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["detail"].startswith(words)
    assert "secret" not in response.text


async def test_a_text_longer_than_the_service_takes_is_not_linked(service: Service):
    async with http_client(service) as client:
        response = await client.post(f"{HPO}/link", json={"text": "a" * 201})
    assert (response.status_code, response.json()["detail"][:59]) == (413, "text has 201 characters; this service takes 200. Send less,")


async def test_before_the_first_snapshot_every_read_is_not_ready(pod: Pod):
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    async with http_client(pod.service()) as client:
        response = await client.get(f"{HPO}/entities/HP:0001250")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")


async def test_a_walk_that_takes_too_long_is_a_timeout(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "reads", Reads(clock=iter(range(0, 1000, 10)).__next__))
    async with http_client(service) as client:
        response = await client.get(f"{HPO}/path", params={"from": "OMIM:1", "to": "HP:0000001"})
    assert (response.status_code, response.json()["type"]) == (504, "urn:llmos:problem:timeout")
    assert response.json()["detail"] == "no answer within 2 seconds; ask for less, or raise limits.timeoutSeconds"


async def test_reads_that_hang_are_answered_in_time_and_counted_until_they_end(service: Service, monkeypatch: pytest.MonkeyPatch):
    let_go = threading.Event()
    monkeypatch.setattr(knowledge_routes, "describe_entity", lambda *_args, **_named: let_go.wait(10) and None)
    monkeypatch.setattr(service, "reads", reads := Reads())
    waiting = [asyncio.create_task(reads.run(lambda _is_late: let_go.wait(10), timeout_s=0.01)) for _ in range(MAXIMUM_READS)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {TimeoutError}
    async with http_client(service) as client:
        refused = await client.get(f"{HPO}/entities/HP:0001250")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        with pytest.raises(TooManyReads):
            await reads.run(lambda _is_late: None, timeout_s=1)
        let_go.set()
        await eventually(lambda: reads._num_running == 0)
        assert (await client.get(f"{HPO}/entities/HP:0001250")).status_code == 404


async def test_the_endpoints_are_described_with_examples_and_their_problems(service: Service):
    document = create_app(service).openapi()
    for path, method in (("entities/{id}", "get"), ("neighbourhood", "get"), ("path", "get"), ("search", "get"), ("link", "post")):
        operation = document["paths"][f"/v1/knowledge/{{name}}/{path}"][method]
        assert {"404", "422", "429", "503"} <= set(operation["responses"])
        for parameter in operation["parameters"]:
            assert parameter["description"], parameter["name"]
            assert parameter["schema"].get("examples") or parameter["schema"].get("items"), parameter["name"]

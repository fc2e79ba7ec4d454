"""POST /v1/predict, through the app: the contract's answer, and every way to be refused."""

import asyncio
import json
import math
import threading
from contextlib import nullcontext

import httpx
import pytest
import uvicorn

from llmos.knowledge import Snapshot
from llmos.runtime import app as app_module
from llmos.runtime import pipeline
from llmos.runtime.app import Service, create_app
from llmos.runtime.documents import PredictResponse
from llmos.runtime.problems import hidden_exception_texts
from tests.unit.runtime.conftest import QUESTION, Pod, eventually, http_client, preprocessing


async def test_the_demo_question_is_answered_with_label_entities_and_facts(pod: Pod, service: Service):
    async with http_client(service) as client:
        response = await client.post("/v1/predict", json={"text": QUESTION})
    assert response.status_code == 200
    answer = response.json()
    PredictResponse.model_validate(answer)
    assert answer["id"] == response.headers["x-request-id"]
    assert answer["label"] == {"id": "HP:1", "name": "Nervous system", "score": 0.785597}
    assert [label["id"] for label in answer["labels"]] == ["HP:1", "HP:2", "HP:3"]
    assert sum(label["score"] for label in answer["labels"]) == pytest.approx(1, abs=1e-5)
    assert [(entity["name"], QUESTION[entity["start"] : entity["end"]]) for entity in answer["entities"]] == [
        ("Seizure", "seizures"),
        ("Macrocephaly", "large head"),
        ("Hypotonia", "low muscle tone"),
    ]
    assert {
        "subject": {"id": "OMIM:1", "name": "Low-tone syndrome"},
        "predicate": "has_phenotype",
        "object": {"id": "HP:0000256", "name": "Macrocephaly"},
        "knowledge": "hpo",
        "source": {"name": "hpo", "version": "2025-01-16", "file": "data/phenotype.hpoa"},
        "evidence": {"reference": "PMID:1", "code": "PCS", "frequency": "Frequent"},
    } in answer["facts"]
    keys = [(fact["subject"]["id"], fact["predicate"], fact["object"]["id"]) for fact in answer["facts"]]
    assert len(keys) == len(set(keys)), "each fact once"
    model = {"name": "organ-system", "digest": service.config.model.digest, "precision": "Float32"}
    assert answer["model"] == model | {"truncated": True}, "the question has 18 tokens, and this model takes 16"
    assert answer["factsTruncated"] is False
    assert answer["knowledge"] == [{"name": "hpo", "digest": service.knowledge.current[0].digest}]
    assert "embedding" not in answer


async def test_what_is_denied_is_shown_as_such_and_grounds_nothing(service: Service):
    async with http_client(service) as client:
        answer = (await client.post("/v1/predict", json={"text": "No seizures, but a large head."})).json()
        alone = (await client.post("/v1/predict", json={"text": "a large head"})).json()
    PredictResponse.model_validate(answer)
    assert [(entity["name"], entity["status"]) for entity in answer["entities"]] == [("Seizure", "Negated"), ("Macrocephaly", "Present")]
    assert answer["facts"] == alone["facts"] != []


async def test_the_model_sees_truncated_unpadded_tokens_whatever_the_tokenizer_file_says(pod: Pod, service: Service):
    async with http_client(service) as client:
        await client.post("/v1/predict", json={"text": "the child"})
        await client.post("/v1/predict", json={"text": "the " * 40})
    short, long = pod.server.seen[-2:]
    assert {name: array.tolist() for name, array in short.items()} == {"input_ids": [[1, 2]], "attention_mask": [[1, 1]]}
    assert long["input_ids"].shape == (1, 16)


async def test_an_answer_says_whether_the_model_read_the_whole_text(service: Service):
    async with http_client(service) as client:
        for num_words, truncated in ((16, False), (17, True)):
            answer = (await client.post("/v1/predict", json={"text": "the " * num_words})).json()
            assert answer["model"]["truncated"] is truncated


async def test_the_facts_of_a_whole_answer_are_bounded_and_it_says_that_some_are_missing(service: Service, monkeypatch: pytest.MonkeyPatch):
    async with http_client(service) as client:
        everything = (await client.post("/v1/predict", json={"text": QUESTION})).json()
        for bound in (1, 3, len(everything["facts"]) - 1, len(everything["facts"])):
            monkeypatch.setattr(pipeline, "MAXIMUM_FACTS_IN_ANSWER", bound)
            answer = (await client.post("/v1/predict", json={"text": QUESTION})).json()
            PredictResponse.model_validate(answer)
            assert answer["facts"] == everything["facts"][:bound]
            assert answer["factsTruncated"] is (bound < len(everything["facts"]))
            assert answer["entities"] == everything["entities"]


async def test_a_long_text_is_linked_beside_the_event_loop_and_answered_alike(service: Service, monkeypatch: pytest.MonkeyPatch):
    threads: list[bool] = []
    link = Snapshot.link

    def watched(snapshot: Snapshot, text: str):
        threads.append(threading.current_thread() is threading.main_thread())
        return link(snapshot, text)

    monkeypatch.setattr(Snapshot, "link", watched)
    async with http_client(service) as client:
        short = (await client.post("/v1/predict", json={"text": QUESTION})).json()
        monkeypatch.setattr(pipeline, "_LONG_TEXT_CHARACTERS", 10)
        long = (await client.post("/v1/predict", json={"text": QUESTION})).json()
    assert threads == [True, False]
    assert (short["entities"], short["facts"]) == (long["entities"], long["facts"])


async def test_a_feature_extraction_model_answers_with_an_embedding_and_no_label(pod: Pod):
    pod.configure(pod.push_model(task="FeatureExtraction", labels=None))
    assert pod.fetch() == 0
    service = pod.service()
    assert await service.knowledge.step()
    async with http_client(service) as client:
        answer = (await client.post("/v1/predict", json={"text": "seizures"})).json()
    PredictResponse.model_validate(answer)
    assert (answer["label"], answer["labels"], answer["embedding"]) == (None, [], [2.0, 0.5, -1.0])
    assert (answer["entities"], answer["facts"], answer["knowledge"]) == ([], [], [])


@pytest.mark.parametrize(
    ("content", "status", "kind", "words"),
    [
        (b"{", 400, "malformed-json", "the body is not JSON"),
        (b"", 422, "invalid-request", "the body: it is missing"),
        (b"{}", 422, "invalid-request", "text: it is missing"),
        (b'{"text": 1}', 422, "invalid-request", "text: it must be a string"),
        (b'{"text": ""}', 422, "invalid-request", "text: it must not be empty"),
        (b'{"text": " \\n "}', 422, "invalid-request", "text: it must hold more than white space"),
        (b'{"text": "a", "txt": "secret"}', 422, "invalid-request", "txt: this field is unknown; remove it"),
        (json.dumps({"text": "secret" * 50}).encode(), 413, "too-large", "text has 300 characters; this service takes 200"),
        (json.dumps({"text": "a" * 9000}).encode(), 413, "too-large", "the body is larger than 6496 bytes"),
    ],
    ids=["not JSON", "no body", "no text", "a number", "empty", "blank", "unknown field", "too many characters", "too many bytes"],
)
async def test_bad_input_is_refused_with_a_sentence_and_never_repeated(service: Service, content, status, kind, words):
    async with http_client(service) as client:
        response = await client.post("/v1/predict", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem = response.json()
    assert problem["type"] == f"urn:llmos:problem:{kind}"
    assert problem["status"] == status
    assert problem["detail"].startswith(words)
    assert problem["instance"] == f"urn:uuid:{response.headers['x-request-id']}"
    assert "secret" not in response.text


async def test_a_body_that_does_not_say_its_size_is_bounded_too(service: Service):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1000
            yield b"x" * 1000

    async with http_client(service) as client:
        response = await client.post("/v1/predict", content=endless(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert sent < 20_000


async def test_a_slow_model_is_a_timeout(pod: Pod, service: Service):
    pod.server.delay_s = 60
    async with http_client(service) as client:
        response = await client.post("/v1/predict", json={"text": "a"})
    assert (response.status_code, response.json()["type"]) == (504, "urn:llmos:problem:timeout")


async def test_a_model_server_that_is_away_is_not_ready(pod: Pod, service: Service):
    pod.server.live = False
    async with http_client(service) as client:
        response = await client.post("/v1/predict", json={"text": "a"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


async def test_scores_are_those_at_the_temperature_of_the_export(pod: Pod):
    pod.configure(pod.push_model(preprocessing_json=preprocessing(temperature=2.5)))
    assert pod.fetch() == 0
    service = pod.service()
    await service.knowledge.step()
    pod.server.row = [1.0, 6.0, -2.0]
    async with http_client(service) as client:
        answer = (await client.post("/v1/predict", json={"text": QUESTION})).json()
    shares = [math.exp(logit / 2.5) for logit in pod.server.row]
    assert [label["id"] for label in answer["labels"]] == ["HP:2", "HP:1", "HP:3"], "the order is that of the logits"
    assert [label["score"] for label in answer["labels"]] == pytest.approx(
        [share / sum(shares) for share in sorted(shares)[::-1]], abs=1e-6
    )


async def test_an_output_of_the_wrong_size_is_an_internal_error(pod: Pod, service: Service):
    pod.server.row = [1.0, 2.0]
    async with http_client(service) as client:
        response = await client.post("/v1/predict", json={"text": "a"})
    assert response.status_code == 500
    assert "2 scores for 3 labels" in response.json()["detail"]


async def test_too_many_requests_at_once_are_refused_and_the_others_answered(pod: Pod, service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app_module, "MAXIMUM_CONCURRENT_REQUESTS", 3)
    pod.server.delay_s = 0.05
    async with http_client(service) as client:
        responses = await asyncio.gather(*(client.post("/v1/predict", json={"text": "a"}) for _ in range(5)))
        assert sorted(response.status_code for response in responses) == [200, 200, 200, 429, 429]
        assert (await client.post("/v1/predict", json={"text": "a"})).status_code == 200


@pytest.mark.parametrize("path", ["/v2", "/v2/models/model/infer", "/v2/repository/models/model/unload", "/v2/health/ready"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_raw_calls_to_the_model_server_are_refused(pod: Pod, service: Service, path, method):
    before = pod.server.num_requests
    async with http_client(service) as client:
        response = await client.request(method, path)
    assert response.status_code == 403
    assert pod.server.num_requests == before


async def test_no_content_reaches_the_logs(service: Service, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG")
    async with http_client(service) as client:
        await client.post("/v1/predict", json={"text": "hush seizures"})
        await client.post("/v1/predict", content=b'{"text": "hush')
    assert "hush" not in caplog.text


async def test_no_content_reaches_the_logs_when_something_fails_unexpectedly(service: Service, caplog: pytest.LogCaptureFixture):
    """With the real HTTP server: it logs whatever an app raises, and an exception's words may quote what was sent."""

    async def fail(text: str, *_args, **_options):
        try:
            raise KeyError(text)
        except KeyError as error:
            raise RuntimeError(f"cannot read {text!r}") from error

    service.pipeline.answer = fail
    with hidden_exception_texts():
        server = uvicorn.Server(uvicorn.Config(create_app(service), port=0, log_config=None))
        server.capture_signals = nullcontext
        task = asyncio.create_task(server.serve())
        await eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.post(f"http://127.0.0.1:{port}/v1/predict", json={"text": "hush seizures"})
        server.should_exit = True
        await task
    assert response.status_code == 500
    assert "hush" not in caplog.text
    assert "RuntimeError" in caplog.text, "its kind and its place are still said"
    assert "in fail" in caplog.text


async def test_every_answer_is_counted_by_its_status(pod: Pod, service: Service):
    async def crash(*_args, **_options):
        raise RuntimeError

    async with http_client(service) as client:
        await client.post("/v1/predict", json={"text": "a"})
        for content in (b"{", b"{}", b'{"text": 1}', json.dumps({"text": "a" * 300}).encode(), json.dumps({"text": "a" * 9000}).encode()):
            await client.post("/v1/predict", content=content, headers={"Content-Type": "application/json"})
        await client.get("/v1/predict")
        await client.get("/readyz")
        pod.server.live = False
        await client.post("/v1/predict", json={"text": "a"})
        service.pipeline.answer = crash
        await client.post("/v1/predict", json={"text": "a"})
        counted = (await client.get("/metrics")).text
    lines = [line.split() for line in counted.splitlines() if line.startswith("llmos_predict_requests_total")]
    assert {name.split('"')[1]: float(value) for name, value in lines} == {"200": 1, "400": 1, "422": 2, "413": 2, "503": 1, "500": 1}


async def test_openapi_describes_requests_answers_and_problems_with_examples(service: Service):
    async with http_client(service) as client:
        document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/predict"]["post"]
    assert set(operation["responses"]) == {"200", "400", "413", "422", "429", "500", "503", "504"}
    assert set(operation["responses"]["422"]["content"]) == {"application/problem+json"}
    assert document["components"]["schemas"]["PredictRequest"]["properties"]["text"]["examples"][0].startswith("The child")
    references = {part["$ref"] for part in walk(document) if "$ref" in part}
    assert {reference.rsplit("/", 1)[-1] for reference in references} <= set(document["components"]["schemas"])


def walk(part):
    if isinstance(part, dict):
        yield part
        part = part.values()
    if isinstance(part, list | type({}.values())):
        for item in part:
            yield from walk(item)


async def test_unknown_routes_are_problems_too(service: Service):
    async with http_client(service) as client:
        response: httpx.Response = await client.get("/v1/nothing")
        wrong_method = await client.get("/v1/predict")
    assert (response.status_code, response.json()["status"]) == (404, 404)
    assert (wrong_method.status_code, wrong_method.headers["content-type"]) == (405, "application/problem+json")

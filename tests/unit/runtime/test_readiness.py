"""Probes: ready only after a golden answer for what is active; alive whatever Triton does."""

from llmos.runtime.app import Service
from llmos.runtime.documents import StatusResponse
from tests.unit.runtime.conftest import Pod, http_client


async def ask(service: Service, path: str) -> int:
    async with http_client(service) as client:
        return (await client.get(path)).status_code


async def test_a_pod_is_not_ready_before_its_golden_request_and_says_why(pod: Pod):
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    service = pod.service()
    pod.server.live = False
    assert not await service.knowledge.step()
    async with http_client(service) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, (await client.get("/livez")).status_code) == (503, 200)
        assert "the model server does not answer" in ready.json()["detail"]
        assert (await client.post("/v1/predict", json={"text": "a"})).status_code == 503
        pod.server.live = True
        assert await service.knowledge.step()
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.post("/v1/predict", json={"text": "a"})).status_code == 200
    assert pod.reporter.reports == [
        {
            "pod": pod.reporter.reports[0]["pod"],
            "model": service.config.model.digest,
            "knowledge": [{"name": "hpo", "digest": service.knowledge.current[0].digest}],
        }
    ]


async def test_when_triton_dies_the_pod_stops_being_ready_and_stays_alive_and_comes_back(pod: Pod, service: Service):
    assert await ask(service, "/readyz") == 200
    pod.server.live = False
    await service.readiness.check(service.knowledge.current)
    assert [await ask(service, path) for path in ("/readyz", "/livez", "/internal/triton/live")] == [503, 200, 503]
    pod.server.live = True
    asked = pod.server.num_requests
    await service.readiness.check(service.knowledge.current)
    assert [await ask(service, path) for path in ("/readyz", "/livez", "/internal/triton/live")] == [200, 200, 200]
    assert pod.server.num_requests == asked + 1, "a new golden request must pass first"


async def test_a_ready_pod_is_checked_without_asking_the_model_again(pod: Pod, service: Service):
    asked = pod.server.num_requests
    for _ in range(5):
        await service.readiness.check(service.knowledge.current)
    assert pod.server.num_requests == asked


async def test_a_model_that_answers_nonsense_is_not_ready(pod: Pod):
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    pod.server.row = [float("nan")] * 3
    service = pod.service()
    assert not await service.knowledge.step()
    assert await ask(service, "/readyz") == 503


async def test_a_draining_pod_is_not_ready_and_still_answers(service: Service):
    service.readiness.is_draining = True
    async with http_client(service) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["detail"]) == (503, "the pod is shutting down")
        assert (await client.post("/v1/predict", json={"text": "a"})).status_code == 200


async def test_status_and_metrics_name_the_active_digests(pod: Pod, service: Service):
    async with http_client(service) as client:
        await client.post("/v1/predict", json={"text": "seizures"})
        status = (await client.get("/v1/status")).json()
        metrics = (await client.get("/metrics")).text
    StatusResponse.model_validate(status)
    digest = service.knowledge.current[0].digest
    assert status["ready"] is True
    assert status["knowledge"] == status["wanted"] == [{"name": "hpo", "digest": digest}]
    assert (status["task"], status["switchError"]) == ("TextClassification", "")
    for line in (
        'llmos_predict_requests_total{status="200"} 1.0',
        f'llmos_snapshot_active{{digest="{digest}",knowledge="hpo"}} 1.0',
        'llmos_linked_entities_total{knowledge="hpo"} 1.0',
        "llmos_ready 1.0",
        "nv_inference_count 1",
    ):
        assert line in metrics


async def test_while_draining_every_answer_ends_its_connection(service: Service):
    """A pooled client then opens the next one elsewhere; a connection that is only cut loses the request just sent on it."""
    async with http_client(service) as client:
        assert "connection" not in (await client.post("/v1/predict", json={"text": "a"})).headers
        service.readiness.is_draining = True
        for answer in (await client.post("/v1/predict", json={"text": "a"}), await client.get("/readyz"), await client.get("/nothing")):
            assert answer.headers["connection"] == "close"

"""Switching snapshots while serving: whole sets, verified first, the old one until then."""

import asyncio
import json
import sqlite3

import httpx
import pytest
import uvicorn

from llmos.runtime.app import Service, create_app
from tests.unit.knowledge.conftest import OBO
from tests.unit.runtime.conftest import Pod, eventually, http_client

OTHER = OBO.replace('synonym: "Large head" EXACT layperson []', 'synonym: "Big head" EXACT layperson []')


async def entities(service: Service, text: str = "large head, big head") -> list[str]:
    async with http_client(service) as client:
        return [entity["text"] for entity in (await client.post("/v1/predict", json={"text": text})).json()["entities"]]


async def test_a_new_snapshot_is_fetched_verified_and_answers(pod: Pod, service: Service):
    assert await entities(service) == ["large head"]
    second = pod.push_knowledge(OTHER)
    pod.activate(second)
    assert await service.knowledge.step()
    assert await entities(service) == ["big head"]
    assert [item.digest for item in service.knowledge.current] == [second.digest]
    assert pod.reporter.reports[-1]["knowledge"] == [{"name": "hpo", "digest": second.digest}]


async def test_following_the_file_switches_by_itself(pod: Pod, service: Service):
    second = pod.push_knowledge(OTHER)
    task = asyncio.create_task(service.knowledge.follow(interval_s=0.01))
    pod.activate(second)
    await eventually(lambda: service.knowledge.current[0].digest == second.digest)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_going_back_needs_no_registry(pod: Pod, service: Service):
    first = service.knowledge.current[0].digest
    active = pod.paths.active.read_text()
    pod.activate(pod.push_knowledge(OTHER))
    assert await service.knowledge.step()
    asked = len(pod.memory.requests)
    pod.paths.active.write_text(active)
    assert await service.knowledge.step()
    assert service.knowledge.current[0].digest == first
    assert len(pod.memory.requests) == asked


@pytest.mark.parametrize("trouble", ["registry", "digest", "damage", "golden", "yaml"])
async def test_when_a_switch_fails_the_old_snapshot_keeps_serving_and_the_reason_is_shown(pod: Pod, service: Service, trouble):
    second = pod.push_knowledge(OTHER)
    pod.activate(second)
    words = {"registry": "registry", "digest": "not in", "damage": "", "golden": "does not answer", "yaml": "cannot be read as YAML"}[
        trouble
    ]
    if trouble == "registry":
        pod.memory.failures = [503] * 100
    elif trouble == "digest":
        pod.paths.active.write_text(pod.paths.active.read_text().replace(second.digest, "sha256:" + "0" * 64))
    elif trouble == "damage":
        for key, content in list(pod.memory.blobs.items()):
            if content.startswith(b"SQLite format 3"):
                pod.memory.blobs[key] = content[:-1] + bytes([content[-1] ^ 1])
    elif trouble == "golden":
        pod.server.live = False
    else:
        pod.paths.active.write_text("knowledge: [")
    reports = len(pod.reporter.reports)
    assert not await service.knowledge.step()
    pod.server.live = True
    assert await entities(service) == ["large head"]
    assert len(pod.reporter.reports) == reports, "only what answers is reported"
    async with http_client(service) as client:
        status = (await client.get("/v1/status")).json()
        assert "llmos_snapshot_switch_failing 1.0" in (await client.get("/metrics")).text
    assert status["ready"] is True
    assert words in status["switchError"]
    assert status["switchError"]


async def test_a_failed_switch_succeeds_when_the_trouble_is_over(pod: Pod, service: Service):
    second = pod.push_knowledge(OTHER)
    pod.activate(second)
    pod.memory.failures = [503] * 100
    assert not await service.knowledge.step()
    pod.memory.failures = []
    assert await service.knowledge.step()
    assert service.knowledge.state.error == ""
    assert await entities(service) == ["big head"]


async def test_requests_under_way_finish_with_the_snapshot_they_started_with(pod: Pod, service: Service):
    pod.server.delay_s = 0.2
    first = service.knowledge.current[0].digest
    async with http_client(service) as client:
        request = asyncio.create_task(client.post("/v1/predict", json={"text": "large head"}))
        await asyncio.sleep(0.05)
        pod.server.delay_s = 0.0
        pod.activate(pod.push_knowledge(OTHER))
        assert await service.knowledge.step()
        answer = (await request).json()
    assert answer["knowledge"] == [{"name": "hpo", "digest": first}]
    assert [entity["text"] for entity in answer["entities"]] == ["large head"]


async def test_what_was_replaced_twice_is_closed_and_its_space_freed(pod: Pod, service: Service):
    service.knowledge._retire_after_s = 0.0
    folders = []
    for obo in (OTHER, OBO.replace("Large head", "Huge head")):
        folders.append(pod.paths.snapshot(service.knowledge.current[0].digest))
        pod.activate(pod.push_knowledge(obo))
        assert await service.knowledge.step()
    await eventually(lambda: not folders[0].exists())
    assert folders[1].exists(), "the previous one is kept"


async def test_a_snapshot_that_is_wanted_again_while_it_retires_keeps_its_files(pod: Pod, service: Service):
    service.knowledge._retire_after_s = 0.05
    first, wanted = service.knowledge.current[0].digest, pod.paths.active.read_text()
    for obo in (OTHER, OBO.replace("Large head", "Huge head")):
        pod.activate(pod.push_knowledge(obo))
        assert await service.knowledge.step()
    pod.server.live = False
    pod.paths.active.write_text(wanted)
    assert not await service.knowledge.step()
    await eventually(lambda: not service.knowledge._retiring)
    assert pod.paths.snapshot(first).exists()
    pod.server.live = True
    assert await service.knowledge.step()
    assert service.knowledge.current[0].digest == first


async def test_a_staged_snapshot_whose_files_are_gone_is_opened_anew(pod: Pod, service: Service, monkeypatch: pytest.MonkeyPatch):
    verify, troubles = service.knowledge._verify, [sqlite3.OperationalError("unable to open database file")]

    async def fail_once(knowledge) -> None:
        if troubles:
            raise troubles.pop()
        await verify(knowledge)

    monkeypatch.setattr(service.knowledge, "_verify", fail_once)
    pod.activate(pod.push_knowledge(OTHER))
    assert not await service.knowledge.step()
    assert "cannot be read: unable to open" in service.knowledge.state.error
    assert service.knowledge._staged == {}
    assert await service.knowledge.step()
    assert await entities(service) == ["big head"]


async def test_serving_without_knowledge_is_possible(pod: Pod, service: Service):
    pod.activate()
    assert await service.knowledge.step()
    assert await entities(service) == []
    assert service.readiness.is_ready


async def test_a_name_that_stands_twice_is_refused(pod: Pod, service: Service):
    document = json.loads(pod.paths.active.read_text())
    document["knowledge"] *= 2
    pod.paths.active.write_text(json.dumps(document))
    assert not await service.knowledge.step()
    assert "each knowledge base may stand once" in service.knowledge.state.error


async def test_no_request_is_lost_or_mixed_while_snapshots_switch_back_and_forth_under_load(pod: Pod, service: Service):
    first, second = service.knowledge.current[0].digest, pod.push_knowledge(OTHER)
    pods_files = {first: pod.paths.active.read_text()}
    pod.activate(second)
    pods_files[second.digest] = pod.paths.active.read_text()
    expected = {first: ["large head"], second.digest: ["big head"]}
    http = uvicorn.Server(uvicorn.Config(create_app(service), port=0, log_config=None, access_log=False))
    serving = asyncio.create_task(http.serve())
    await eventually(lambda: http.started)
    port = http.servers[0].sockets[0].getsockname()[1]
    seen: dict[str, int] = {}
    stop = False

    async def ask(client: httpx.AsyncClient) -> None:
        while not stop:
            response = await client.post("/v1/predict", json={"text": "large head, big head"})
            assert response.status_code == 200, response.text
            answer = response.json()
            (knowledge,) = answer["knowledge"]
            assert [entity["text"] for entity in answer["entities"]] == expected[knowledge["digest"]], "one set for the whole of an answer"
            looked = await client.get("/v1/knowledge/hpo/search", params={"text": expected[knowledge["digest"]][0]})
            assert looked.status_code == 200
            seen[knowledge["digest"]] = seen.get(knowledge["digest"], 0) + 1

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        clients = [asyncio.create_task(ask(client)) for _ in range(4)]
        for digest in [second.digest, first] * 5:
            pod.paths.active.write_text(pods_files[digest])
            assert await service.knowledge.step(), service.knowledge.state
            assert service.knowledge.current[0].digest == digest
            await asyncio.sleep(0.05)
        stop = True
        await asyncio.gather(*clients)
    http.should_exit = True
    await serving
    assert set(seen) == {first, second.digest}


async def test_other_partitions_are_another_view_of_the_same_files_with_a_store_of_its_own(pod: Pod):
    version = pod.push_knowledge(private="ward")
    sparql = {"timeoutSeconds": 5, "maximumRows": 20, "workers": 1}
    pod.configure(pod.push_model(), version, sparql=sparql)
    assert pod.fetch() == 0
    service = pod.service()
    question = {"query": "ASK { <urn:llmos:entity:OMIM:1> ?p ?o }"}
    headers = {"Accept": "application/sparql-results+json"}
    try:
        async with http_client(service) as client:
            for partitions, status in (((), 404), (("ward",), 200), ((), 404)):
                pod.activate(version, partitions=partitions)
                assert await service.knowledge.step(), service.knowledge.state
                entity = await client.get("/v1/knowledge/hpo/entities/OMIM:1")
                stored = await client.get("/v1/knowledge/hpo/sparql", params=question, headers=headers)
                linked = (await client.post("/v1/knowledge/hpo/link", json={"text": "low-tone syndrome"})).json()
                assert entity.status_code == status
                assert stored.json()["boolean"] is (status == 200)
                assert [item["id"] for item in linked["entities"]] == (["OMIM:1"] if partitions else [])
                (shown,) = (await client.get("/v1/status")).json()["knowledge"]
                assert shown.get("partitions", []) == list(partitions)
                assert pod.reporter.reports[-1]["knowledge"] == [shown]
    finally:
        await service.aclose()

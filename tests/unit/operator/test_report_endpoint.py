"""The report endpoint over HTTP: who may report, for whom, how much, how often."""

import asyncio
import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from world import MINILM, World, digest

from llmos_operator.cluster import ClusterUnavailable, TokenIdentity
from llmos_operator.metrics import Metrics
from llmos_operator.names import ObjectKey
from llmos_operator.report import Authenticator, ReportServer
from llmos_operator.report.server import keep_certificates_fresh, load_certificates

KEY = ObjectKey("Model", "demo", "minilm")


class Door:
    """The endpoint in front of a world with one Model, its Job and its pod."""

    def __init__(self, world: World, client: TestClient[Any, Any]) -> None:
        self.world, self.client = world, client

    async def post(self, body: Any = None, *, token: str = "good", **raw: Any) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        arguments = raw or {"json": body or self.progress()}
        response = await self.client.post("/v1/reports", headers=headers, **arguments)
        return response.status

    def progress(self, **changes: Any) -> dict[str, Any]:
        uid = self.world.cluster.objects[KEY]["metadata"]["uid"]
        named = {"kind": "Model", "namespace": "demo", "name": "minilm", "uid": uid}
        return {"object": named, "phase": "Export", "percent": 40, "message": "half", **changes}


@pytest.fixture
async def door(world: World) -> Any:
    world.add("Model", "minilm", MINILM)
    await world.settle(KEY)
    pod = world.add_pod(world.job(), "pod", phase="Running")
    world.cluster.tokens["good"] = TokenIdentity("demo", "default", "pod", world.cluster.objects[pod]["metadata"]["uid"])
    world.enqueued = []  # type: ignore[attr-defined]
    authenticator = Authenticator(world.cluster, world.cache, world.clock)
    metrics = Metrics()
    server = ReportServer(authenticator, world.reports, world.clock, metrics, enqueue=world.enqueued.append)  # type: ignore[attr-defined]
    async with TestClient(TestServer(server.application())) as client:
        yield Door(world, client)


async def test_progress_of_a_current_pod_is_taken_and_its_object_enqueued(door: Door) -> None:
    assert await door.post() == 202
    assert door.world.enqueued == [KEY]  # type: ignore[attr-defined]
    await door.world.settle(KEY)
    expected = {"phase": "Export", "percent": 40, "message": "half", "time": "2026-01-01T12:00:00Z"}
    assert door.world.status(KEY)["progress"] == expected


PLAN = {"parameters": 22713216, "memoryBytes": 829000000, "scratchBytes": 364000000, "seconds": 19}


async def test_a_plan_stays_in_status_when_the_work_is_over(door: Door) -> None:
    assert await door.post(door.progress(plan={**PLAN, "missing": ["the pod may use too little"]})) == 202
    await door.world.settle(KEY)
    assert door.world.status(KEY)["plan"] == {**PLAN, "missing": ["the pod may use too little"]}
    door.world.clock.advance(5)
    assert await door.post(door.progress(plan=PLAN)) == 202
    await door.world.settle(KEY)
    door.world.finish_job()
    await door.world.settle(KEY)
    assert "progress" not in door.world.status(KEY)
    assert door.world.status(KEY)["plan"] == PLAN


@pytest.mark.parametrize("change", [{"memoryBytes": -1}, {"missing": ["x"] * 9}, {"more": 1}, {"seconds": None}])
async def test_a_plan_that_is_not_one_is_400(door: Door, change: dict[str, Any]) -> None:
    assert await door.post(door.progress(plan={**PLAN, **change})) == 400


async def test_without_a_token_or_with_a_bad_one_it_is_401(door: Door) -> None:
    assert await door.post(token="") == 401
    assert await door.post(token="bad") == 401


async def test_a_pod_of_nobody_is_403(door: Door) -> None:
    door.world.cluster.tokens["stranger"] = TokenIdentity("demo", "default", "other", "uid")
    assert await door.post(token="stranger") == 403


async def test_a_pod_that_was_replaced_under_its_name_is_403(door: Door) -> None:
    door.world.cluster.tokens["good"] = TokenIdentity("demo", "default", "pod", "uid of an earlier pod")
    assert await door.post() == 403


async def test_a_pod_of_a_job_that_is_gone_is_403(door: Door) -> None:
    door.world.cluster.remove(ObjectKey.of(door.world.job()))
    assert await door.post() == 403


async def test_a_pod_that_only_wears_the_label_is_403(door: Door) -> None:
    body = door.world.cluster.objects[ObjectKey("Pod", "demo", "pod")]
    forged = {**body["metadata"], "name": "forged", "uid": "forged", "ownerReferences": []}
    door.world.cluster.put({**body, "metadata": forged})
    door.world.cluster.tokens["forged"] = TokenIdentity("demo", "default", "forged", "forged")
    assert await door.post(token="forged") == 403


async def test_reporting_for_another_object_is_403(door: Door) -> None:
    named = {**door.progress()["object"], "name": "other"}
    assert await door.post(door.progress(object=named)) == 403


async def test_a_large_body_is_413(door: Door) -> None:
    assert await door.post(data=b"x" * 20_000) == 413

    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 1024

    assert await door.post(data=pieces()) == 413


async def test_a_second_report_within_five_seconds_is_429(door: Door) -> None:
    assert await door.post() == 202
    assert await door.post() == 429
    door.world.clock.advance(5)
    assert await door.post() == 202


@pytest.mark.parametrize(
    "change",
    [{"percent": 101}, {"phase": "not CamelCase"}, {"message": "x" * 2000}, {"unknown": 1}, {"phase": None}, {"active": {"model": ""}}],
)
async def test_a_report_of_another_shape_is_400(door: Door, change: dict[str, Any]) -> None:
    assert await door.post(door.progress(**change)) == 400


async def test_a_token_is_reviewed_once_for_many_reports(door: Door) -> None:
    door.world.forget_requests()
    for _ in range(5):
        assert await door.post() == 202
        door.world.clock.advance(6)
    assert len(door.world.cluster.requests) == 1


async def test_a_token_that_says_when_it_ends_is_believed_until_then(door: Door) -> None:
    identity = door.world.cluster.tokens["good"]
    ends = int(door.world.clock.now().timestamp()) + 600
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    token = f"header.{claims}.signature"
    door.world.cluster.tokens[token] = identity
    door.world.forget_requests()
    for _ in range(19):
        assert await door.post(token=token) == 202
        door.world.clock.advance(30)
    assert len(door.world.cluster.requests) == 1
    del door.world.cluster.tokens[token]
    door.world.clock.advance(30)
    assert await door.post(token=token) == 401


async def test_a_renewed_authority_is_handed_on(tmp_path: Path) -> None:
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=llmos"]
    files = ["-keyout", str(tmp_path / "tls.key"), "-out", str(tmp_path / "tls.crt")]
    subprocess.run(["openssl", "req", "-x509", *options, *files], check=True, capture_output=True)  # noqa: ASYNC221 - once
    (tmp_path / "ca.crt").write_text("old")
    told: list[str] = []
    keeping = asyncio.create_task(keep_certificates_fresh(load_certificates(tmp_path), tmp_path, on_authority=told.append, every_s=0.01))
    await asyncio.sleep(0.05)
    assert told == []
    (tmp_path / "ca.crt").write_text("new")
    for _ in range(200):
        if told:
            break
        await asyncio.sleep(0.01)
    keeping.cancel()
    assert told == ["new"]


async def test_an_api_server_that_does_not_answer_is_503_and_not_remembered(door: Door) -> None:
    error = ClusterUnavailable("no", reason="ApiUnavailable", key=KEY)
    door.world.cluster.failures.append(("create", "TokenReview", error))
    assert await door.post() == 503
    assert await door.post() == 202


async def test_a_sidecar_that_repeats_itself_wakes_nobody(door: Door) -> None:
    report = {"object": door.progress()["object"], "pod": "pod", "active": {"knowledge": [{"name": "hpo", "digest": digest("a")}]}}
    for _ in range(3):
        assert await door.post(report) == 202
        door.world.clock.advance(30)
    assert len(door.world.enqueued) == 1  # type: ignore[attr-defined]

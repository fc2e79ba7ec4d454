"""kopf as we run it, against a mock API server: what it asks for, when the first key is enqueued, and that it writes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kmock import KubernetesEmulator, ResourceInfo
from kopf._cogs.aiokits.aiotoggles import ToggleSet

from llmos_operator.clock import SystemClock
from llmos_operator.cluster import Cache
from llmos_operator.handlers import Intake
from llmos_operator.kopf_toggles import wake_only_on_change
from llmos_operator.metrics import Metrics
from llmos_operator.names import API_VERSION, CHILD_KINDS, CUSTOM_KINDS, MANAGED_BY, RESOURCES, Json, ObjectKey
from llmos_operator.report.store import ReportStore
from llmos_operator.settings import Settings
from llmos_operator.watching import run_watches

WATCHED = (*CUSTOM_KINDS, *CHILD_KINDS, "Pod")
SETTINGS = Settings.model_validate(
    {
        "installationId": "llmos-system/llmos",
        "artifacts": {"repository": "registry.example/llmos"},
        "images": {"trainer": "t", "sidecar": "s", "triton": "n"},
    }
)
MODEL = ObjectKey("Model", "demo", "minilm")


def model(name: str = "minilm") -> Json:
    metadata = {"name": name, "namespace": "demo", "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1}
    return {"apiVersion": API_VERSION, "kind": "Model", "metadata": metadata, "spec": {"task": "FeatureExtraction", "source": {}}}


def job(name: str = "minilm-0") -> Json:
    owner = {"apiVersion": API_VERSION, "kind": "Model", "name": "minilm", "uid": "uid-minilm", "controller": True}
    metadata = {"name": name, "namespace": "demo", "uid": f"uid-{name}", "resourceVersion": "1", "labels": dict(MANAGED_BY)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**metadata, "ownerReferences": [owner]}, "spec": {"template": {}}}


class Watched:
    """The operator's intake behind kopf, and what it has enqueued."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.enqueued: list[ObjectKey] = []
        self.known_at_first: int | None = None
        self.intake = Intake(
            self.cache, ReportStore(), Metrics(), SystemClock(), installation_id=SETTINGS.installation_id, enqueue=self._enqueue
        )

    def _enqueue(self, key: ObjectKey) -> None:
        if self.known_at_first is None:
            self.known_at_first = len(self.cache)
        self.enqueued.append(key)


@pytest.fixture
def server(kmock: KubernetesEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesEmulator:
    """A mock API server that serves our kinds, named by KUBECONFIG."""
    for kind in WATCHED:
        resource = RESOURCES[kind]
        info = ResourceInfo(kind=kind, namespaced=True, verbs={"list", "watch", "patch"})
        kmock.resources[f"{resource.api_version}/{resource.plural}"] = info
    # kopf waits until it knows this resource, even where it is told to watch everywhere and to look at no namespace.
    kmock.resources["v1/namespaces"] = ResourceInfo(kind="Namespace", namespaced=False, verbs={"list", "watch"})
    cluster = {"name": "mock", "cluster": {"server": str(kmock.url)}}
    context = {"name": "mock", "context": {"cluster": "mock", "user": "mock"}}
    config = {"current-context": "mock", "clusters": [cluster], "contexts": [context], "users": [{"name": "mock", "user": {"token": "t"}}]}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return kmock


def put(server: KubernetesEmulator, body: Json) -> None:
    resource = RESOURCES[body["kind"]]
    server.objects[f"{resource.api_version}/{resource.plural}", body["metadata"]["namespace"], body["metadata"]["name"]] = body


@asynccontextmanager
async def watching(watched: Watched) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_watches(SETTINGS, watched.intake, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def until(true: Callable[[], Any], what: str) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it did not come to this: {what}")


async def test_the_memory_is_complete_before_the_first_key_is_enqueued(server: KubernetesEmulator) -> None:
    for index in range(30):
        put(server, model(f"m-{index}"))
        put(server, job(f"j-{index}"))
    watched = Watched()
    async with watching(watched):
        await until(lambda: len(watched.enqueued) >= 60, "all are enqueued")
    assert watched.known_at_first == 60


async def test_others_objects_are_not_asked_for_and_nothing_is_ever_written(server: KubernetesEmulator) -> None:
    put(server, model())
    put(server, job())
    watched = Watched()
    async with watching(watched):
        await until(lambda: watched.enqueued, "a key is enqueued")
    asked = {request.url.path: request.params.get("labelSelector", "") for request in server if request.method == "GET"}
    selectors = {kind: asked[_path(kind)] for kind in WATCHED}
    label = "app.kubernetes.io/managed-by=llmos-operator"
    assert selectors == {kind: "" if kind in CUSTOM_KINDS else label for kind in WATCHED}
    assert {request.method.value for request in server if request.method} == {"GET"}


def _path(kind: str) -> str:
    resource = RESOURCES[kind]
    return f"/apis/{resource.api_version}/{resource.plural}" if resource.group else f"/api/{resource.version}/{resource.plural}"


async def test_a_child_that_goes_leaves_the_memory_and_wakes_its_owner(server: KubernetesEmulator) -> None:
    put(server, model())
    put(server, job())
    watched = Watched()
    async with watching(watched):
        await until(lambda: len(watched.cache) == 2 and watched.enqueued, "both are known")
        del watched.enqueued[:]
        async with (
            aiohttp.ClientSession(str(server.url)) as session,
            session.delete("/apis/batch/v1/namespaces/demo/jobs/minilm-0") as gone,
        ):
            assert gone.status == 200
        await until(lambda: watched.enqueued, "the owner is enqueued")
    assert set(watched.enqueued) == {MODEL}
    assert len(watched.cache) == 1


async def test_only_a_change_of_the_sets_own_state_wakes_who_waits_for_it() -> None:
    wake_only_on_change()
    toggles = ToggleSet(all)
    looks = 0
    is_on = toggles.is_on

    def counted() -> bool:
        nonlocal looks
        looks += 1
        return is_on()

    first = await toggles.make_toggle()
    toggles.is_on = counted  # type: ignore[method-assign]
    waiters = [asyncio.create_task(toggles.wait_for(True)) for _ in range(100)]
    await asyncio.sleep(0)
    looks = 0
    for _ in range(50):
        await toggles.drop_toggle(await toggles.make_toggle())
        await asyncio.sleep(0)
    assert looks == 4 * 50, "nobody but the set itself has looked"
    await toggles.drop_toggle(first)
    await asyncio.wait_for(asyncio.gather(*waiters), 1)

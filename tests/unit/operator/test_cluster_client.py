"""The real cluster client against a server on loopback: what goes over the wire, and what each answer means."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from llmos_operator.cluster import ClusterError, ClusterRefused, ClusterUnavailable, ObjectExists, TokenIdentity
from llmos_operator.cluster.aio import AioClusterClient
from llmos_operator.names import API_VERSION, ObjectKey

KEY = ObjectKey("Model", "demo", "minilm")
CHILD = ObjectKey("ConfigMap", "demo", "s-knowledge")
MODEL = {"apiVersion": API_VERSION, "kind": "Model", "metadata": {"namespace": "demo", "name": "minilm"}, "spec": {}}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "demo", "name": "s-knowledge"}, "data": {}}
MODEL_PATH = "/apis/llmos.dev/v1alpha1/namespaces/demo/models/minilm"


class ApiServer:
    """Answers what a test has put down, in order, the last for ever; remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []
        self.delay_s = 0.0
        self.server = TestServer(self._application())

    def answer(self, status: int, body: Any) -> None:
        self.answers.append((status, body))

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.path_qs}" for request in self.requests]

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.requests.append(request)
        self.bodies.append(json.loads(text) if text else None)
        await asyncio.sleep(self.delay_s)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, text=body) if isinstance(body, str) else web.json_response(body, status=status)


class Counted:
    """Remembers what the client says of its requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []

    def requested(self, verb: str, kind: str, status: int) -> None:
        self.requests.append((verb, kind, status))


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    api = ApiServer()
    await api.server.start_server()
    yield api
    await api.server.close()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@asynccontextmanager
async def connected(api: ApiServer, counted: Counted, *, timeout_s: float) -> AsyncIterator[AioClusterClient]:
    host = str(api.server.make_url("")).rstrip("/")
    configuration = Configuration(host=host, api_key={"BearerToken": "Bearer secret"})
    client = AioClusterClient(ApiClient(configuration), counted, timeout_s=timeout_s)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def client(api: ApiServer, counted: Counted) -> AsyncIterator[AioClusterClient]:
    # Long: a busy machine must not look like a silent server.
    async with connected(api, counted, timeout_s=30) as client:
        yield client


def refusal(code: int, reason: str, message: str) -> dict[str, Any]:
    """What the API server answers when it does not do it."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}


QUOTA_RACE = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'
QUOTA = 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5'
POD_SECURITY = 'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
WEBHOOK = 'Internal error occurred: failed calling webhook "policy.example": connection refused'


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        (409, refusal(409, "AlreadyExists", 'configmaps "s" already exists'), ObjectExists, "NameConflict"),
        (409, refusal(409, "Conflict", QUOTA_RACE), ClusterUnavailable, "ApiUnavailable"),
        (409, "conflict", ClusterUnavailable, "ApiUnavailable"),
        (422, refusal(422, "Invalid", "spec.task: Unsupported value"), ClusterRefused, "InvalidSpec"),
        (400, refusal(400, "BadRequest", "strict decoding error"), ClusterRefused, "InvalidSpec"),
        (413, "too large", ClusterRefused, "InvalidSpec"),
        (403, refusal(403, "Forbidden", QUOTA), ClusterRefused, "QuotaExceeded"),
        (403, refusal(403, "Forbidden", POD_SECURITY), ClusterRefused, "PodSecurityViolation"),
        (403, refusal(403, "Forbidden", "the operator cannot create configmaps"), ClusterRefused, "Forbidden"),
        (401, refusal(401, "Unauthorized", "Unauthorized"), ClusterRefused, "Forbidden"),
        (404, refusal(404, "NotFound", 'namespaces "demo" not found'), ClusterRefused, "InvalidSpec"),
        (429, refusal(429, "TooManyRequests", "slow down"), ClusterUnavailable, "ApiUnavailable"),
        (500, refusal(500, "InternalError", WEBHOOK), ClusterUnavailable, "ApiUnavailable"),
        (503, "<html>a proxy says no</html>", ClusterUnavailable, "ApiUnavailable"),
    ],
    ids=[
        "a name that is taken is taken",
        "a quota counted by two at once is tried again",
        "a conflict nobody explains is tried again",
        "a document that is not valid is refused",
        "a document that cannot be read is refused",
        "a document that is too large is refused",
        "a quota that is used up is said",
        "a pod the namespace does not allow is said",
        "a right that is missing is said",
        "credentials that are not believed are said",
        "a namespace that is gone is no retry",
        "too many requests are tried again",
        "a webhook that is down is tried again",
        "a proxy that is in between is tried again",
    ],
)
async def test_an_answer_to_a_create_becomes_an_error_that_says_what_to_do(
    api: ApiServer, client: AioClusterClient, status: int, body: Any, error: type[ClusterError], reason: str
) -> None:
    api.answer(status, body)
    with pytest.raises(ClusterError) as caught:
        await client.create(CONFIG_MAP)
    assert (type(caught.value), caught.value.reason, caught.value.status) == (error, reason, status)
    assert str(caught.value).startswith("ConfigMap demo/s-knowledge: ")
    said = body["message"] if isinstance(body, dict) else body
    assert error is ObjectExists or said in str(caught.value)


ABSENCES: list[tuple[str, Callable[[AioClusterClient], Awaitable[Any]]]] = [
    ("get", lambda client: client.get(KEY)),
    ("patch", lambda client: client.patch(KEY, {})),
    ("patch_status", lambda client: client.patch_status(KEY, {"status": {}})),
    ("delete", lambda client: client.delete(KEY, uid="1")),
    ("count", lambda client: client.count(KEY)),
]


@pytest.mark.parametrize("call", [call for _, call in ABSENCES], ids=[name for name, _ in ABSENCES])
async def test_what_is_not_there_is_none_and_no_error(api: ApiServer, client: AioClusterClient, call: Any) -> None:
    api.answer(404, refusal(404, "NotFound", "not found"))
    assert await call(client) is None


async def test_an_api_server_that_is_silent_is_given_up_and_may_be_asked_again(api: ApiServer, counted: Counted) -> None:
    api.answer(200, MODEL)
    api.delay_s = 0.5
    async with connected(api, counted, timeout_s=0.2) as client:
        with pytest.raises(ClusterUnavailable, match="Model demo/minilm: the API server did not answer"):
            await client.get(KEY)


async def test_an_api_server_that_is_gone_is_unavailable(api: ApiServer, client: AioClusterClient) -> None:
    await api.server.close()
    with pytest.raises(ClusterUnavailable, match="Model demo/minilm: the API server did not answer"):
        await client.get(KEY)


async def test_every_request_carries_the_credentials_and_is_counted(api: ApiServer, client: AioClusterClient, counted: Counted) -> None:
    api.answer(200, MODEL)
    assert await client.get(KEY) == MODEL
    assert api.lines == [f"GET {MODEL_PATH}"]
    assert (api.requests[0].headers["Authorization"], api.requests[0].headers["User-Agent"]) == ("Bearer secret", "llmos-operator")
    assert counted.requests == [("GET", "Model", 200)]


async def test_a_create_goes_to_the_collection_under_our_name(api: ApiServer, client: AioClusterClient) -> None:
    api.answer(201, CONFIG_MAP)
    assert await client.create(CONFIG_MAP) == CONFIG_MAP
    assert api.lines == ["POST /api/v1/namespaces/demo/configmaps?fieldManager=llmos-operator"]
    assert api.bodies == [CONFIG_MAP]


async def test_an_apply_is_server_side_forced_and_under_our_name(api: ApiServer, client: AioClusterClient) -> None:
    api.answer(200, {**CONFIG_MAP, "metadata": {**CONFIG_MAP["metadata"], "managedFields": []}})  # type: ignore[dict-item]
    await client.apply(CONFIG_MAP)
    path = "/api/v1/namespaces/demo/configmaps/s-knowledge"
    assert api.lines == [f"GET {path}", f"PATCH {path}?fieldManager=llmos-operator&force=true"]
    assert api.requests[1].headers["Content-Type"] == "application/apply-patch+yaml"
    assert api.bodies[1] == CONFIG_MAP


async def test_the_first_apply_takes_over_what_create_recorded(api: ApiServer, client: AioClusterClient) -> None:
    entry = {"manager": "llmos-operator", "operation": "Update"}
    metadata = {"namespace": "demo", "name": "s-knowledge", "resourceVersion": "7", "managedFields": [entry]}
    api.answer(200, {**CONFIG_MAP, "metadata": metadata})
    await client.apply(CONFIG_MAP)
    assert [request.headers["Content-Type"] for request in api.requests[1:]] == [
        "application/json-patch+json",
        "application/apply-patch+yaml",
    ]
    assert api.bodies[1][0] == {"op": "replace", "path": "/metadata/managedFields/0/operation", "value": "Apply"}


async def test_a_status_is_merged_into_its_subresource(api: ApiServer, client: AioClusterClient) -> None:
    api.answer(200, MODEL)
    await client.patch_status(KEY, {"status": {"observedGeneration": 1}})
    assert api.lines == [f"PATCH {MODEL_PATH}/status?fieldManager=llmos-operator"]
    assert api.requests[0].headers["Content-Type"] == "application/merge-patch+json"


async def test_a_delete_means_this_very_object_and_one_that_took_its_place_is_fine(api: ApiServer, client: AioClusterClient) -> None:
    api.answer(409, refusal(409, "Conflict", "the UID in the precondition does not match"))
    await client.delete(KEY, uid="1")
    assert (api.bodies[0]["preconditions"], api.bodies[0]["propagationPolicy"]) == ({"uid": "1"}, "Background")


async def test_a_listing_goes_on_until_the_last_page(api: ApiServer, client: AioClusterClient) -> None:
    def page(name: str, token: str) -> dict[str, Any]:
        return {"metadata": {"continue": token}, "items": [{"metadata": {"namespace": "demo", "name": name, "uid": f"uid-{name}"}}]}

    api.answer(200, page("a", "next/1"))
    api.answer(200, page("b", "next/2"))
    api.answer(200, {"metadata": {}, "items": None})
    found = await client.list_identities("ConfigMap", "", labels={"app.kubernetes.io/managed-by": "llmos-operator"})
    assert found == {ObjectKey("ConfigMap", "demo", "a"): "uid-a", ObjectKey("ConfigMap", "demo", "b"): "uid-b"}
    assert [request.query.get("continue") for request in api.requests] == [None, "next/1", "next/2"]
    assert {request.path for request in api.requests} == {"/api/v1/configmaps"}
    assert {request.query["labelSelector"] for request in api.requests} == {"app.kubernetes.io/managed-by=llmos-operator"}
    assert all("as=PartialObjectMetadataList" in request.headers["Accept"] for request in api.requests)


async def test_whole_objects_are_listed_page_by_page_and_say_their_kind(api: ApiServer, client: AioClusterClient) -> None:
    item = {"metadata": {"namespace": "demo", "name": "minilm"}, "status": {"version": {"digest": "sha256:x"}}}
    api.answer(200, {"metadata": {"continue": "next/1"}, "items": [item]})
    api.answer(200, {"metadata": {}, "items": None})
    assert await client.list_objects("Model", "demo", labels={}) == [{**item, "kind": "Model"}]
    assert [request.query.get("continue") for request in api.requests] == [None, "next/1"]
    assert {request.path for request in api.requests} == {"/apis/llmos.dev/v1alpha1/namespaces/demo/models"}


async def test_events_are_asked_for_by_the_object_they_are_about(api: ApiServer, client: AioClusterClient) -> None:
    api.answer(200, {"items": [{"reason": "FailedMount"}]})
    assert await client.list_events("demo", "uid-1", limit=20) == [{"reason": "FailedMount"}]
    assert api.requests[0].query == {"fieldSelector": "involvedObject.uid=uid-1", "limit": "20"}


@pytest.mark.parametrize(("items", "number"), [([], 0), (None, 0), ([MODEL], 1)])
async def test_counting_reads_one_object_at_most(api: ApiServer, client: AioClusterClient, items: Any, number: int) -> None:
    api.answer(200, {"items": items})
    assert await client.count(ObjectKey("Model", "", "")) == number
    assert api.lines == ["GET /apis/llmos.dev/v1alpha1/models?limit=1"]


POD = {"authentication.kubernetes.io/pod-name": ["p"], "authentication.kubernetes.io/pod-uid": ["1"]}
USER = {"username": "system:serviceaccount:demo:default", "extra": POD}


@pytest.mark.parametrize(
    ("status", "identity"),
    [
        ({"authenticated": True, "audiences": ["llmos-report"], "user": USER}, TokenIdentity("demo", "default", "p", "1")),
        ({"authenticated": False, "error": "expired"}, None),
        ({"authenticated": True, "audiences": ["another"], "user": USER}, None),
        ({"authenticated": True, "user": USER}, None),
        ({"authenticated": True, "audiences": ["llmos-report"], "user": {**USER, "extra": {}}}, None),
        ({"authenticated": True, "audiences": ["llmos-report"], "user": {"username": "anna", "extra": POD}}, None),
        ({}, None),
    ],
    ids=[
        "a pod's token names its pod",
        "an expired token is nobody's",
        "a token for somebody else is nobody's",
        "a server that ignores audiences is not believed",
        "a token that is bound to no pod is nobody's",
        "a person is no pod",
        "an empty answer is nobody's",
    ],
)
async def test_a_reviewed_token_is_a_pods_or_nobodys(
    api: ApiServer, client: AioClusterClient, status: dict[str, Any], identity: TokenIdentity | None
) -> None:
    api.answer(201, {"status": status})
    assert await client.review_token("t", audience="llmos-report") == identity
    assert api.lines == ["POST /apis/authentication.k8s.io/v1/tokenreviews"]
    assert api.bodies[0]["spec"] == {"token": "t", "audiences": ["llmos-report"]}

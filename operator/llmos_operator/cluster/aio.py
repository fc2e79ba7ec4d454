"""The real cluster client: `kubernetes.aio`'s transport and authentication behind the port, plain dicts in and out.

The only module that imports a Kubernetes client. Must not: import its typed models (pydantic-strict, and 40 MiB); paths are built from
`names.RESOURCES` instead. Every failure leaves through one decorator that adds kind, namespace and name.
"""

import asyncio
import functools
import json
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from llmos.errors import ConfigError
from llmos_operator.cluster.managers import ownership_patch
from llmos_operator.cluster.port import ClusterError, ClusterRefused, ClusterUnavailable, ObjectExists, TokenIdentity, refusal_reason
from llmos_operator.names import MANAGER, RESOURCES, Json, ObjectKey

__all__ = ["AioClusterClient", "connect"]

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S = 30.0
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE = 500
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_RETRIED = (408, 409, 425, 429)


class RequestObserver(Protocol):
    """Who counts requests (metrics)."""

    def requested(self, verb: str, kind: str, status: int) -> None:
        """One request was answered."""


async def connect(observer: RequestObserver | None = None) -> "AioClusterClient":
    """Return a client for the cluster this process runs in, or for the one of KUBECONFIG.

    Raises: ConfigError if neither is there.
    """
    configuration = Configuration()
    try:
        if "KUBECONFIG" not in os.environ and os.path.exists(_SERVICE_ACCOUNT):  # noqa: ASYNC240 - once, at start
            load_incluster_config(client_configuration=configuration)
        else:
            await load_kube_config(client_configuration=configuration)
    except ConfigException as error:
        raise ConfigError(f"no cluster to talk to: set KUBECONFIG or run in a pod ({error})", reason="InvalidConfig") from error
    return AioClusterClient(ApiClient(configuration), observer)


class _ApiFailure(Exception):
    """An answer that is not a success, before it knows its object."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _key_of(subject: ObjectKey | Json | str) -> ObjectKey:
    if isinstance(subject, ObjectKey):
        return subject
    if isinstance(subject, str):
        return ObjectKey("Namespace", subject, "")
    return ObjectKey.of(subject)


S = TypeVar("S", ObjectKey, Json, str)
_Method = Callable[Concatenate["AioClusterClient", S, P], Coroutine[Any, Any, T]]


def _wrapped(method: _Method[S, P, T]) -> _Method[S, P, T]:
    """Turn whatever a call raises into a ClusterError about its object."""

    @functools.wraps(method)
    async def call(self: "AioClusterClient", subject: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(self, subject, *args, **kwargs)
        except _ApiFailure as error:
            raise _mapped(error, _key_of(subject)) from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            what = str(error) or type(error).__name__
            raise ClusterUnavailable(f"the API server did not answer: {what}", reason="ApiUnavailable", key=_key_of(subject)) from error

    return call


def _mapped(error: _ApiFailure, key: ObjectKey) -> ClusterError:
    if error.status in _RETRIED or error.status >= 500:
        return ClusterUnavailable(str(error), reason="ApiUnavailable", key=key, status=error.status)
    return ClusterRefused(str(error), reason=refusal_reason(error.status, str(error)), key=key, status=error.status)


class AioClusterClient:
    """The port over HTTP."""

    def __init__(self, api: ApiClient, observer: RequestObserver | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._api = api
        self._observer = observer
        self._timeout_s = timeout_s

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    @_wrapped
    async def get(self, key: ObjectKey) -> Json | None:
        """Return the object, or None."""
        return _or_none(await self._request("GET", key))

    @_wrapped
    async def create(self, body: Json) -> Json:
        """Create it; ObjectExists if there is one of this name."""
        key = ObjectKey.of(body)
        status, answer = await self._request("POST", ObjectKey(key.kind, key.namespace, ""), body, query={"fieldManager": MANAGER})
        # A quota that many creations change at once conflicts, too; that is no object of this name.
        if status == 409 and answer.get("reason") == "AlreadyExists":
            raise ObjectExists("there is an object of this name already", reason="NameConflict", key=key, status=status)
        return _or_fail(status, answer)

    @_wrapped
    async def apply(self, body: Json) -> Json:
        """Apply the whole body; the first time also take over what `create` recorded, or dropped fields would stay."""
        key = ObjectKey.of(body)
        live = _or_none(await self._request("GET", key))
        if live and (patch := ownership_patch(live)):
            _or_fail(*await self._request("PATCH", key, patch, content_type=_JSON_PATCH, query={"fieldManager": MANAGER}))
        query = {"fieldManager": MANAGER, "force": "true"}
        return _or_fail(*await self._request("PATCH", key, body, content_type=_APPLY, query=query))

    @_wrapped
    async def patch(self, key: ObjectKey, body: Json) -> Json | None:
        """Merge-patch the object; None if it is gone."""
        return _or_none(await self._request("PATCH", key, body, content_type=_MERGE, query={"fieldManager": MANAGER}))

    @_wrapped
    async def patch_status(self, key: ObjectKey, body: Json) -> Json | None:
        """Merge-patch the status; None if the object is gone."""
        query = {"fieldManager": MANAGER}
        return _or_none(await self._request("PATCH", key, body, content_type=_MERGE, query=query, subresource="status"))

    @_wrapped
    async def delete(self, key: ObjectKey, *, uid: str) -> None:
        """Delete this very object, in the background; gone (404) or replaced (409) is fine."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background", "preconditions": {"uid": uid}}
        status, answer = await self._request("DELETE", key, body)
        if status not in (404, 409):
            _or_fail(status, answer)

    @_wrapped
    async def list_identities(self, kind: str, namespace: str, *, labels: Mapping[str, str]) -> dict[ObjectKey, str]:
        """Return name → uid of all objects of a kind, metadata only, page by page."""
        found: dict[ObjectKey, str] = {}
        query = {"limit": str(_PAGE), "labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
        while True:
            path = f"{_path(ObjectKey(kind, namespace, ''))}?{urlencode(query)}"
            answer = _or_fail(*await self._send("GET", path, kind=kind, accept=_METADATA))
            for item in answer["items"] or ():  # null where there is none
                metadata = item["metadata"]
                found[ObjectKey(kind, metadata["namespace"], metadata["name"])] = metadata["uid"]
            token = answer.get("metadata", {}).get("continue")
            if not token:
                return found
            query["continue"] = token

    @_wrapped
    async def list_objects(self, kind: str, namespace: str, *, labels: Mapping[str, str]) -> list[Json]:
        """Return all objects of a kind (in a namespace, or in all if it is empty), whole, page by page; each says its kind."""
        found: list[Json] = []
        query = {"limit": str(_PAGE), "labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
        while True:
            answer = _or_fail(*await self._request("GET", ObjectKey(kind, namespace, ""), query=query))
            # In a list the API server leaves the kind of the items out.
            found += [{**item, "kind": kind} for item in answer["items"] or ()]
            token = answer.get("metadata", {}).get("continue")
            if not token:
                return found
            query["continue"] = token

    @_wrapped
    async def list_events(self, namespace: str, uid: str, *, limit: int) -> list[Json]:
        """Return some Events about the object with this uid."""
        query = {"fieldSelector": f"involvedObject.uid={uid}", "limit": str(limit)}
        answer = _or_fail(*await self._request("GET", ObjectKey("Event", namespace, ""), query=query))
        items: list[Json] = answer["items"] or []
        return items

    @_wrapped
    async def count(self, key: ObjectKey) -> int | None:
        """Return how many objects of this kind there are (at least), or None if the kind is not installed; the name is not used."""
        status, answer = await self._request("GET", ObjectKey(key.kind, key.namespace, ""), query={"limit": "1"})
        return None if status == 404 else len(_or_fail(status, answer)["items"] or ())

    async def review_token(self, token: str, *, audience: str) -> TokenIdentity | None:
        """Return whose token this is, or None if it is not valid for this audience or not a pod's."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": [audience]}}
        return await self._review(ObjectKey("TokenReview", "", ""), body, audience)

    @_wrapped
    async def _review(self, key: ObjectKey, body: Json, audience: str) -> TokenIdentity | None:
        answer = _or_fail(*await self._send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body, kind=key.kind))
        status = answer.get("status", {})
        user = status.get("user", {})
        parts = user.get("username", "").split(":")
        extra: Mapping[str, list[str]] = user.get("extra", {})
        if not status.get("authenticated") or audience not in status.get("audiences", []) or len(parts) != 4:
            return None
        name, uid = (extra.get(field, [""])[0] for field in (_POD_NAME, _POD_UID))
        return TokenIdentity(parts[2], parts[3], name, uid) if name and uid else None

    async def _request(
        self,
        verb: str,
        key: ObjectKey,
        body: Any = None,
        *,
        content_type: str = _JSON,
        query: Mapping[str, str] | None = None,
        subresource: str = "",
    ) -> tuple[int, Json]:
        path = _path(key) + (f"/{subresource}" if subresource else "")
        if query:
            path = f"{path}?{urlencode(query)}"
        return await self._send(verb, path, body, content_type=content_type, kind=key.kind)

    async def _send(
        self, verb: str, path: str, body: Any = None, *, content_type: str = _JSON, kind: str, accept: str = _JSON
    ) -> tuple[int, Json]:
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": MANAGER}
        # In a pod the token is re-read from its file when it nears its end; that is the configuration's refresh hook.
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, verb, body)
        url = self._api.configuration.host + path
        response = await self._api.rest_client.request(verb, url, headers=headers, body=body, _request_timeout=self._timeout_s)
        data = await response.read()
        if self._observer:
            self._observer.requested(verb, kind, response.status)
        return response.status, _decoded(data)


def _path(key: ObjectKey) -> str:
    resource = RESOURCES[key.kind]
    root = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
    namespace = f"/namespaces/{quote(key.namespace)}" if key.namespace else ""
    return f"{root}{namespace}/{resource.plural}" + (f"/{quote(key.name)}" if key.name else "")


def _decoded(data: bytes) -> Json:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"message": data[:400].decode(errors="replace")}


def _or_fail(status: int, answer: Json) -> Json:
    if status >= 400:
        raise _ApiFailure(status, str(answer.get("message", f"status {status}")))
    return answer


def _or_none(result: tuple[int, Json]) -> Json | None:
    return None if result[0] == 404 else _or_fail(*result)

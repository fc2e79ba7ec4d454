"""A plain concurrent client of the API server: what creates things when there is no operator. A fair floor is nothing clever."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Final

import aiohttp

from bench.control_plane import ControlPlane

__all__ = ["RESOURCES", "Api", "Json"]

Json = dict[str, Any]

_CONCURRENCY: Final = 32

RESOURCES: Final = {
    "ConfigMap": ("api/v1", "configmaps"),
    "Namespace": ("api/v1", "namespaces"),
    "Node": ("api/v1", "nodes"),
    "Pod": ("api/v1", "pods"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "Model": ("apis/llmos.dev/v1alpha1", "models"),
    "KnowledgeBase": ("apis/llmos.dev/v1alpha1", "knowledgebases"),
    "TrainingJob": ("apis/llmos.dev/v1alpha1", "trainingjobs"),
    "InferenceService": ("apis/llmos.dev/v1alpha1", "inferenceservices"),
}


class Api:
    """The API server as the administrator sees it; an async context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        self._url = plane.url
        self._context = ssl.create_default_context(cafile=str(plane.pki / "ca.crt"))
        self._context.load_cert_chain(plane.pki / "admin.crt", plane.pki / "admin.key")

    async def __aenter__(self) -> "Api":
        connector = aiohttp.TCPConnector(limit=_CONCURRENCY, ssl=self._context)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def create(self, body: Json, *, subresource: str = "") -> Json:
        """Create one object; anything but success is an error with the server's words."""
        metadata = body.get("metadata", {})
        path = _path(body["kind"], metadata.get("namespace", ""))
        return await self._send("POST", f"{path}/{subresource}" if subresource else path, body)

    async def create_token(self, namespace: str, service_account: str) -> str:
        """Return a token of a service account, good for a day."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}}
        answer = await self._send("POST", f"{_path('ServiceAccount', namespace)}/{service_account}/token", body)
        return str(answer["status"]["token"])

    async def create_all(self, bodies: Iterable[Json]) -> None:
        """Create many objects, some at a time, in their order."""
        waiting = iter(bodies)

        async def work() -> None:
            for body in waiting:
                await self.create(body)

        await asyncio.gather(*(work() for _ in range(_CONCURRENCY)))

    async def list(self, kind: str, namespace: str = "") -> Sequence[Json]:
        """Return all objects of a kind, from the server's cache."""
        answer = await self._send("GET", f"{_path(kind, namespace)}?resourceVersion=0")
        return list(answer["items"])

    async def count(self, kind: str, namespace: str) -> int:
        """Return how many objects of a kind there are, without reading them."""
        answer = await self._send("GET", f"{_path(kind, namespace)}?limit=1")
        return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount", 0))

    async def _send(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self._session.request(method, f"{self._url}/{path}", json=body) as response:
            if response.status >= 300:
                raise RuntimeError(f"{method} {path} answered {response.status}: {(await response.text())[:500]}")
            answer: Json = await response.json()
            return answer


def _path(kind: str, namespace: str) -> str:
    root, plural = RESOURCES[kind]
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"

"""A plain REST client for the cluster under test.

Plain REST, because what is tested is the server's own words: a typed client would refuse, rename or drop things before they are sent, and
kubectl would take minutes where this takes seconds.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx

Document = dict[str, Any]


class Refused(Exception):
    """The API server answered with an error; the message is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class RestClient:
    """JSON in, JSON out, with the credentials of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        from kubernetes import config
        from kubernetes.client import Configuration

        settings = Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        token = settings.get_api_key_with_prefix("authorization")
        headers = {"Authorization": token} if token else {}
        self._http = httpx.Client(base_url=settings.host, verify=context, headers=headers, timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Document:
        return self._answer(self._http.get(path))

    def create(self, path: str, body: Document, **query: str) -> Document:
        return self._answer(self._http.post(path, json=body, params=query))

    def replace(self, path: str, body: Document) -> Document:
        return self._answer(self._http.put(path, json=body))

    def merge(self, path: str, body: Document, **query: str) -> Document:
        return self._answer(self._http.patch(path, json=body, params=query, headers={"Content-Type": "application/merge-patch+json"}))

    def delete(self, path: str) -> None:
        self._answer(self._http.delete(path))

    @staticmethod
    def _answer(response: httpx.Response) -> Document:
        if response.is_success:
            answer: Document = response.json()
            return answer
        try:
            message = response.json()["message"]
        except (ValueError, KeyError):
            message = response.text
        raise Refused(response.status_code, message)

"""The port to whatever runs the model, and Triton behind it, over gRPC on loopback with one connection kept open.

Must not: know text, labels or HTTP. Tests put a fake in the port's place.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

import httpx
import numpy as np
from tritonclient.grpc import MAX_GRPC_MESSAGE_SIZE, InferenceServerException
from tritonclient.grpc import aio as grpc_aio

from llmos.errors import TransientError
from llmos.runtime.assets import TRITON_MODEL

__all__ = ["ModelServer", "ModelTimeout", "ModelUnavailable", "TritonServer"]

_TYPES: Final = {"int64": "INT64"}
_PROBE_S: Final = 2.0
_CHANNEL: Final = [
    # gRPC would wait up to two minutes between attempts, and a Triton that is back after a long start would not be noticed before.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # The client's own options, which any of ours replace.
    ("grpc.max_send_message_length", MAX_GRPC_MESSAGE_SIZE),
    ("grpc.max_receive_message_length", MAX_GRPC_MESSAGE_SIZE),
]

_log = logging.getLogger(__name__)


class ModelUnavailable(TransientError):
    """The server does not answer, or does not have the model (yet)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="ContainerCrashed")


class ModelTimeout(TransientError):
    """The server did not answer in time."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="DeadlineExceeded")


class ModelServer(Protocol):
    """Runs one model."""

    async def is_live(self) -> bool:
        """Say whether the server process answers."""
        ...

    async def is_ready(self) -> bool:
        """Say whether the model can be asked."""
        ...

    async def infer(
        self, inputs: Mapping[str, np.ndarray[Any, Any]], output: str, *, timeout_s: float, request_id: str
    ) -> np.ndarray[Any, Any]:
        """Run the model once.

        Raises: ModelUnavailable, ModelTimeout; TransientError with the server's words for anything else.
        """
        ...

    async def metrics(self) -> str:
        """Return the server's own metrics as Prometheus text, or nothing if it does not answer."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


class TritonServer:
    """Triton on loopback. Must be made inside the event loop that uses it."""

    def __init__(self, grpc_address: str = "127.0.0.1:8001", metrics_url: str = "http://127.0.0.1:8002/metrics") -> None:
        self._client: Any = grpc_aio.InferenceServerClient(grpc_address, channel_args=_CHANNEL)
        self._metrics_url = metrics_url
        # trust_env: a proxy for the outside world would not find loopback.
        self._http = httpx.AsyncClient(timeout=_PROBE_S, trust_env=False)

    async def is_live(self) -> bool:
        """Say whether the server process answers."""
        return await self._probe(self._client.is_server_live(client_timeout=_PROBE_S))

    async def is_ready(self) -> bool:
        """Say whether the model can be asked."""
        return await self._probe(self._client.is_model_ready(TRITON_MODEL, client_timeout=_PROBE_S))

    async def _probe(self, question: Any) -> bool:
        try:
            return bool(await question)
        except InferenceServerException:
            return False

    async def infer(
        self, inputs: Mapping[str, np.ndarray[Any, Any]], output: str, *, timeout_s: float, request_id: str
    ) -> np.ndarray[Any, Any]:
        """Run the model once; see `ModelServer`."""
        tensors = []
        for name, array in inputs.items():
            tensor = grpc_aio.InferInput(name, list(array.shape), _TYPES[str(array.dtype)])
            tensor.set_data_from_numpy(array)
            tensors.append(tensor)
        try:
            answer = await self._client.infer(
                TRITON_MODEL, tensors, outputs=[grpc_aio.InferRequestedOutput(output)], client_timeout=timeout_s, request_id=request_id
            )
        except InferenceServerException as error:
            raise _translate(error) from error
        result = answer.as_numpy(output)
        if result is None:
            raise TransientError(f"the model gave no output {output}", reason="ContainerCrashed")
        return np.asarray(result)

    async def metrics(self) -> str:
        """Return Triton's metrics, or nothing."""
        try:
            response = await self._http.get(self._metrics_url)
            return response.text if response.status_code == 200 else ""
        except httpx.HTTPError:
            return ""

    async def aclose(self) -> None:
        """Close both connections."""
        await asyncio.gather(self._client.close(), self._http.aclose())


def _translate(error: InferenceServerException) -> TransientError:
    status = str(error.status() or "")
    if status.endswith("DEADLINE_EXCEEDED"):
        return ModelTimeout("the model did not answer in time")
    if status.endswith(("UNAVAILABLE", "NOT_FOUND", "CANCELLED")):
        return ModelUnavailable("the model server does not answer; it is starting or restarting")
    # Its words name tensors and shapes, never text; still they stay in the log.
    _log.warning("the model server refused a request: %s %s", status, error.message())
    return TransientError("the model server could not answer this request", reason="ContainerCrashed")

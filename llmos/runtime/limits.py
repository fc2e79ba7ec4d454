"""What every request passes before anything reads it: an id, and a bound on the body.

Plain ASGI, because a framework's middleware would buffer the body before it could be refused. Must not: look into the body.
"""

import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llmos.runtime.problems import ProblemError

__all__ = ["RequestLimits", "maximum_body_bytes"]

# A character outside the basic plane, escaped in JSON, takes twelve bytes.
_BYTES_PER_CHARACTER: Final = 12
_OVERHEAD_BYTES: Final = 4096


def maximum_body_bytes(maximum_text_characters: int) -> int:
    """Return the size no valid request can exceed."""
    return maximum_text_characters * _BYTES_PER_CHARACTER + _OVERHEAD_BYTES


class RequestLimits:
    """Gives each request an id, returned as `X-Request-Id`, and stops reading a body that is too large."""

    def __init__(self, app: ASGIApp, *, maximum_bytes: int) -> None:
        self._app = app
        self._maximum_bytes = maximum_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's event stream."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        scope["llmos.request_id"] = request_id
        length = Headers(scope=scope).get("content-length", "")
        num_bytes = int(length) if length.isascii() and length.isdigit() else 0

        async def receive_bounded() -> Message:
            nonlocal num_bytes
            # A body that announces its size is refused before its first byte is taken; another one when it grows too large.
            if num_bytes > self._maximum_bytes:
                raise self._too_large()
            message = await receive()
            if message["type"] == "http.request" and not length:
                num_bytes += len(message.get("body", b""))
                if num_bytes > self._maximum_bytes:
                    raise self._too_large()
            return message

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        await self._app(scope, receive_bounded, send_with_id)

    def _too_large(self) -> ProblemError:
        # The rest of the body is not read, so the connection cannot be used again.
        return ProblemError(413, f"the body is larger than {self._maximum_bytes} bytes; send less", headers={"Connection": "close"})

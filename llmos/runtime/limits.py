"""What every request passes before anything reads it and every answer passes last: an id, a bound on the body, a count of the answers.

Plain ASGI, because a framework's middleware would buffer the body before it could be refused. Must not: look into the body.
"""

import uuid
from collections.abc import Callable
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

    def __init__(
        self, app: ASGIApp, *, maximum_bytes: int, is_draining: Callable[[], bool], on_answer: Callable[[str, str, int], None]
    ) -> None:
        """Wrap an app.

        Args:
            maximum_bytes: bound on a body.
            is_draining: whether connections should not be used again.
            on_answer: told method, path and status of every answer, refused requests included.
        """
        self._app = app
        self._maximum_bytes = maximum_bytes
        self._is_draining = is_draining
        self._on_answer = on_answer

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
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                if self._is_draining():
                    # Said in time: a connection that is only cut loses the request which is just being sent on it.
                    headers["Connection"] = "close"
                self._on_answer(scope["method"], scope["path"], message["status"])
            await send(message)

        try:
            await self._app(scope, receive_bounded, send_with_id)
        except Exception:
            # The framework answers what nobody thought of outside of this.
            self._on_answer(scope["method"], scope["path"], 500)
            raise

    def _too_large(self) -> ProblemError:
        # The rest of the body is not read, so the connection cannot be used again.
        return ProblemError(413, f"the body is larger than {self._maximum_bytes} bytes; send less", headers={"Connection": "close"})

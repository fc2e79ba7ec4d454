"""Errors as RFC 9457 problem documents: one sentence that names the field, the value's size and the remedy, and never the text itself.

Must not: decide what is an error; handlers raise `ProblemError`, and everything else that can come up is translated here.
"""

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from llmos.errors import LlmosError
from llmos.runtime.model_server import ModelTimeout

__all__ = ["PROBLEM_MEDIA_TYPE", "ProblemError", "hidden_exception_texts", "install_problem_handlers", "problem_responses"]

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"

_TITLES: Final = {
    400: ("malformed-json", "The body is not JSON"),
    403: ("not-offered", "This is not offered"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "Another method is needed"),
    406: ("not-acceptable", "The answer has no such form"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "The body has another form"),
    422: ("invalid-request", "The request is not valid"),
    429: ("too-many-requests", "Too many requests at once"),
    500: ("internal-error", "The service failed"),
    503: ("not-ready", "The service cannot answer now"),
    504: ("timeout", "The answer took too long"),
}

_KINDS: Final = {
    "malformed-query": "The query cannot be read",
    "query-too-expensive": "The query takes too much",
    "result-too-large": "The result is too large",
}
"""Where a status alone says too little."""

_log = logging.getLogger(__name__)


class ProblemError(HTTPException):
    """An answer that is a problem; an HTTPException, so that it also passes through the framework's reading of bodies."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, kind: str = "") -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.kind = kind


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document."""

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        kind = error.kind if isinstance(error, ProblemError) else ""
        return _render(request, error.status_code, str(error.detail), error.headers, kind=kind)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return _render(request, 400, f"the body is not JSON: {first.get('ctx', {}).get('error', 'it cannot be parsed')}")
        field = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        return _render(request, 422, f"{field}: {_sentence(first)}")

    @app.exception_handler(LlmosError)
    async def llmos(request: Request, error: LlmosError) -> JSONResponse:
        if isinstance(error, ModelTimeout):
            return _render(request, 504, f"{error.message}; ask again, or raise limits.timeoutSeconds")
        if error.exit_code == LlmosError.exit_code:
            return _render(request, 503, f"{error.message}; ask again", {"Retry-After": "1"})
        _log.error("request %s failed: %s", _request_id(request), error.message)
        return _render(request, 500, error.message)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # Only the kind: an exception's words may quote what was sent.
        _log.error("request %s failed unexpectedly: %s", _request_id(request), type(error).__name__)
        return _render(request, 500, "an unexpected error; its kind is in the log under this request's id")


@contextmanager
def hidden_exception_texts() -> Iterator[None]:
    """Let the HTTP server log of an exception its kind and where it was raised, and not its words: they may quote what was sent.

    The framework hands on what nobody caught, answered or not, and the server logs the whole of it.
    """
    logger = logging.getLogger("uvicorn.error")
    logger.addFilter(_without_words)
    try:
        yield
    finally:
        logger.removeFilter(_without_words)


def _without_words(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        frames = "".join(traceback.format_tb(error.__traceback__))
        record.msg, record.args = f"{record.getMessage().strip()}: {type(error).__name__}\n{frames}", ()
        record.exc_info = record.exc_text = None
    return True


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI entries for these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _TITLES[status][1],
            "content": {
                PROBLEM_MEDIA_TYPE: {"schema": schema, "example": _document(status, "One sentence with the remedy.", "urn:uuid:…")}
            },
        }
        for status in statuses
    }


def _sentence(error: Mapping[str, Any]) -> str:
    """Say what is wrong without repeating what was sent."""
    known = {
        "missing": "it is missing",
        "extra_forbidden": "this field is unknown; remove it",
        "string_type": "it must be a string",
        "string_too_short": "it must not be empty",
        "string_pattern_mismatch": "it must hold more than white space",
    }
    return known.get(str(error["type"]), str(error["msg"]))


def _render(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None, *, kind: str = "") -> JSONResponse:
    document = _document(status, detail, f"urn:uuid:{_request_id(request)}", kind)
    return JSONResponse(document, status_code=status, headers=dict(headers or {}), media_type=PROBLEM_MEDIA_TYPE)


def _document(status: int, detail: str, instance: str, kind: str = "") -> dict[str, Any]:
    name, title = (kind, _KINDS[kind]) if kind else _TITLES.get(status, ("error", "The request failed"))
    return {"type": f"urn:llmos:problem:{name}", "title": title, "status": status, "detail": detail, "instance": instance}


def _request_id(request: Request) -> str:
    return str(request.scope.get("llmos.request_id", ""))

"""The SPARQL 1.1 protocol's query operation, read-only: GET, and POST as a form or as the query itself.

Every way to fail is an error of its own; a 200 is always the whole result. Must not: read or run a query; the workers do.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from llmos.knowledge.sparql.media_types import CSV, JSON, N_TRIPLES, TSV, TURTLE, XML
from llmos.runtime.knowledge_routes import KNOWLEDGE_PREFIX, Knowledge, find_active
from llmos.runtime.problems import ProblemError, problem_responses
from llmos.runtime.service import Service
from llmos.runtime.sparql.accept import accepted_types
from llmos.runtime.sparql.pool import QueryDied, QueryReply, QueryTimeout, QueueFull

__all__ = ["MAXIMUM_QUERY_BYTES", "MAXIMUM_QUERY_CHARACTERS", "router"]

MAXIMUM_QUERY_CHARACTERS: Final = 16_384
MAXIMUM_QUERY_BYTES: Final = MAXIMUM_QUERY_CHARACTERS * 9 + 4096
"""No body with a valid query is larger: percent-encoded, a character outside ASCII takes nine bytes or more, but keywords are ASCII."""

_FORM: Final = "application/x-www-form-urlencoded"
_QUERY: Final = "application/sparql-query"
_UPDATE: Final = "application/sparql-update"
_PARAMETERS: Final = frozenset({"query", "update", "default-graph-uri", "named-graph-uri", "using-graph-uri", "using-named-graph-uri"})
_DISCONNECT_CHECK_S: Final = 0.5

_EXAMPLE: Final = """PREFIX e: <urn:llmos:entity:>
PREFIX p: <urn:llmos:predicate:>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?disease ?label WHERE { ?disease p:has_phenotype e:HP:0001250 ; rdfs:label ?label } LIMIT 10"""
_RESULT: Final = {
    "head": {"vars": ["disease", "label"]},
    "results": {
        "bindings": [
            {
                "disease": {"type": "uri", "value": "urn:llmos:entity:OMIM:2"},
                "label": {"type": "literal", "value": "Seizure disease 2"},
            }
        ]
    },
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The whole result. SELECT and ASK: JSON (also asked for as application/json), XML, and for SELECT CSV and TSV; "
        "CONSTRUCT and DESCRIBE: Turtle and N-Triples. By Accept; JSON and Turtle where it leaves the choice.",
        "content": {JSON: {"example": _RESULT}, **{media_type: {} for media_type in (XML, CSV, TSV, TURTLE, N_TRIPLES)}},
    },
    **problem_responses(400, 403, 404, 406, 413, 415, 422, 429, 500, 503, 504),
}
_BODY: Final = {
    "required": True,
    "content": {
        _QUERY: {"schema": {"type": "string", "maxLength": MAXIMUM_QUERY_CHARACTERS}, "example": _EXAMPLE},
        _FORM: {
            "schema": {
                "type": "object",
                "required": ["query"],
                "properties": {"query": {"type": "string", "maxLength": MAXIMUM_QUERY_CHARACTERS}},
            },
            "example": {"query": _EXAMPLE},
        },
    },
}

router = APIRouter(prefix=f"{KNOWLEDGE_PREFIX}{{name}}", tags=["sparql"])

Result = TypeVar("Result")


class _Gone(Exception):
    """The client closed its connection."""


@router.get("/sparql", summary="Ask by SPARQL", responses=_RESPONSES, response_class=Response)
async def ask(
    request: Request,
    name: Knowledge,
    query: Annotated[str, Query(description="A SPARQL 1.1 query; at most 16,384 characters.", examples=[_EXAMPLE])] = "",
) -> Response:
    """Answer a SELECT, ASK, CONSTRUCT or DESCRIBE; the URL's length is bounded by the server, so long queries are POSTed."""
    return await _answer(request, name, request.query_params.multi_items())


@router.post("/sparql", summary="Ask by SPARQL", responses=_RESPONSES, response_class=Response, openapi_extra={"requestBody": _BODY})
async def post(request: Request, name: Knowledge) -> Response:
    """Answer a SELECT, ASK, CONSTRUCT or DESCRIBE. Updates and SERVICE are refused."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _UPDATE:
        raise _no_updates()
    if media_type not in (_QUERY, _FORM):
        raise ProblemError(415, f"a query is POSTed as {_QUERY}, or as {_FORM} in the field query")
    try:
        body = (await request.body()).decode()
        given = [("query", body)] if media_type == _QUERY else parse_qsl(body, keep_blank_values=True, max_num_fields=16, errors="strict")
    except ValueError as error:
        raise ProblemError(400, "the body is not UTF-8, or no form of at most 16 fields", kind="malformed-query") from error
    return await _answer(request, name, [*given, *request.query_params.multi_items()])


async def _answer(request: Request, name: str, given: Sequence[tuple[str, str]]) -> Response:
    service: Service = request.app.state.service
    active = find_active(service, name)
    pool = service.sparql.pool(active) if service.sparql is not None else None
    if service.sparql is None:
        raise ProblemError(404, "this service offers no SPARQL; set sparql.mode: ReadOnly in the InferenceService")
    if pool is None:
        raise ProblemError(503, "the SPARQL store is just being replaced; ask again", headers={"Retry-After": "1"})
    query = _query_of(given)
    accepted = accepted_types(request.headers.get("accept", ""))
    if not accepted:
        raise ProblemError(406, f"results have the form {JSON}, {XML}, {CSV}, {TSV}, {TURTLE} or {N_TRIPLES}; name one in Accept")
    started = time.perf_counter()
    outcome = "failed"
    try:
        reply = await _unless_gone(request, pool.run(query, accepted))
        outcome = reply.refusal or ("failed" if reply.failure else "Answered")
    except _Gone as error:
        outcome = "Abandoned"
        raise ProblemError(503, "the client closed the connection") from error
    except QueueFull as error:
        outcome = "Refused"
        raise ProblemError(429, f"{error}; ask again", headers={"Retry-After": "1"}) from error
    except QueryTimeout as error:
        outcome = "Timeout"
        raise ProblemError(504, f"{error}; ask for less, or raise sparql.timeoutSeconds") from error
    except QueryDied as error:
        outcome = "Died"
        raise ProblemError(413, str(error), kind="query-too-expensive") from error
    finally:
        service.metrics.sparql_queries.labels(outcome).inc()
        service.metrics.sparql_s.observe(time.perf_counter() - started)
    return _respond(reply)


def _query_of(given: Sequence[tuple[str, str]]) -> str:
    """Return the one query of a request's parameters."""
    values: Mapping[str, list[str]] = {name: [value for other, value in given if other == name] for name, _ in given}
    if "update" in values:
        raise _no_updates()
    if unknown := set(values) - _PARAMETERS:
        raise ProblemError(400, f"{len(unknown)} parameters are unknown; there is only query", kind="malformed-query")
    if set(values) - {"query"}:
        raise ProblemError(403, "the store has one graph; leave default-graph-uri and named-graph-uri out")
    if len(values.get("query", ())) != 1 or not values["query"][0].strip():
        raise ProblemError(400, "query must be given, once", kind="malformed-query")
    query = values["query"][0]
    if len(query) > MAXIMUM_QUERY_CHARACTERS:
        raise ProblemError(413, f"the query has {len(query)} characters; at most {MAXIMUM_QUERY_CHARACTERS} are taken")
    return query


def _no_updates() -> ProblemError:
    return ProblemError(403, "updates are not offered: a snapshot never changes; build the KnowledgeBase anew")


def _respond(reply: QueryReply) -> Response:
    if reply.refusal == "Malformed":
        raise ProblemError(400, reply.message, kind="malformed-query")
    if reply.refusal == "NotOffered":
        raise ProblemError(403, reply.message)
    if reply.refusal == "NotAcceptable":
        raise ProblemError(406, reply.message)
    if reply.refusal == "TooLarge":
        raise ProblemError(413, reply.message, kind="result-too-large")
    if reply.failure:
        raise ProblemError(500, f"the query could not be evaluated ({reply.failure})")
    size = sum(map(len, reply.pieces))
    return StreamingResponse(_pieces(reply.pieces), media_type=_with_charset(reply.media_type), headers={"Content-Length": str(size)})


def _with_charset(media_type: str) -> str:
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


async def _unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """Await work, and cancel it when the client closes its connection: a worker is not to work for nobody."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_DISCONNECT_CHECK_S))[0]:
            if await request.is_disconnected():
                raise _Gone
        return task.result()
    finally:
        task.cancel()


async def _pieces(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece

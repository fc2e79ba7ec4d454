"""Endpoints that read one knowledge base: link, entity, neighbourhood, path, search. Thin: checked, read beside the event loop, documented.

They need no model and no Triton, so they answer as soon as a snapshot does. Must not: read snapshots themselves.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from llmos.knowledge import Snapshot
from llmos.knowledge.graph import TooGeneral, describe_entity, find_neighbourhood, find_path, search_names, unknown_predicates
from llmos.knowledge.graph.neighbourhood import MAXIMUM_DEPTH, MAXIMUM_NODES
from llmos.knowledge.graph.path import MAXIMUM_LENGTH
from llmos.knowledge.graph.search import MAXIMUM_HITS
from llmos.runtime.documents import build_knowledge
from llmos.runtime.knowledge_documents import (
    EntityResponse,
    LinkRequest,
    LinkResponse,
    NeighbourhoodResponse,
    PathResponse,
    SearchResponse,
    build_entity,
    build_link,
    build_neighbourhood,
    build_path,
    build_search,
)
from llmos.runtime.pipeline import ActiveSnapshot
from llmos.runtime.problems import ProblemError, problem_responses
from llmos.runtime.reads import TooManyReads
from llmos.runtime.service import Service

__all__ = ["KNOWLEDGE_PREFIX", "Knowledge", "endpoint_of", "find_active", "refuse_long_text", "router"]

KNOWLEDGE_PREFIX: Final = "/v1/knowledge/"
_MAXIMUM_ID_CHARACTERS: Final = 1024
_ENDPOINTS: Final = frozenset({"link", "entities", "neighbourhood", "path", "search", "sparql"})

router = APIRouter(prefix=f"{KNOWLEDGE_PREFIX}{{name}}", tags=["knowledge"])

Result = TypeVar("Result")
IsLate = Callable[[], bool]

Knowledge = Annotated[str, Path(max_length=253, description="The KnowledgeBase's name, as in `/v1/status`.", examples=["hpo"])]
Predicates = Annotated[
    Sequence[Annotated[str, Query(min_length=1, max_length=_MAXIMUM_ID_CHARACTERS)]],
    Query(max_length=16, description="Follow only facts with these; given again for each one.", examples=[["is_a"]]),
]


def _id(description: str, example: str, alias: str | None = None) -> Any:
    return Query(alias=alias, min_length=1, max_length=_MAXIMUM_ID_CHARACTERS, description=description, examples=[example])


@router.post(
    "/link", summary="Find names in a text", response_model=LinkResponse, responses=problem_responses(400, 404, 413, 422, 429, 503)
)
async def link(request: Request, name: Knowledge, body: LinkRequest) -> Response:
    """Return the entities whose names stand in the text, as an answer of `/v1/predict` would hold them."""
    service: Service = request.app.state.service
    refuse_long_text(body.text, service)
    active = find_active(service, name)
    mentions = await _read(service, lambda _is_late: active.snapshot.link(body.text))
    return JSONResponse(build_link(_knowledge(active), mentions))


@router.get(
    "/entities/{id:path}", summary="One entity as a whole", response_model=EntityResponse, responses=problem_responses(404, 422, 429, 503)
)
async def entity(
    request: Request,
    name: Knowledge,
    id: Annotated[str, Path(max_length=_MAXIMUM_ID_CHARACTERS, description="Its identifier, percent-encoded.", examples=["HP:0001250"])],
    limit: Annotated[int, Query(ge=0, le=1000, description="The most facts.", examples=[20])] = 100,
) -> Response:
    """Return an entity's names, and its facts with their sources."""
    service: Service = request.app.state.service
    active = find_active(service, name)
    found = await _read(service, lambda _is_late: describe_entity(active.snapshot, id, maximum_facts=limit))
    return JSONResponse(build_entity(_knowledge(active), _existing(found, active)))


@router.get(
    "/neighbourhood",
    summary="What lies around an entity",
    response_model=NeighbourhoodResponse,
    responses=problem_responses(404, 422, 429, 503, 504),
)
async def neighbourhood(
    request: Request,
    name: Knowledge,
    id: Annotated[str, _id("The entity.", "HP:0001250")],
    depth: Annotated[int, Query(ge=1, le=MAXIMUM_DEPTH, description="How many facts away.", examples=[1])] = 1,
    limit: Annotated[int, Query(ge=1, le=MAXIMUM_NODES, description="The most entities, the first included.", examples=[100])] = 100,
    predicate: Predicates = (),
) -> Response:
    """Return the entities that are at most `depth` facts away, in either direction, and the facts between them."""
    service: Service = request.app.state.service
    active = find_active(service, name)

    def read(is_late: IsLate) -> Any:
        _refuse_unknown(active.snapshot, predicate)
        return find_neighbourhood(active.snapshot, id, depth=depth, maximum_nodes=limit, predicates=predicate, is_late=is_late)

    return JSONResponse(build_neighbourhood(_knowledge(active), _existing(await _read(service, read), active)))


@router.get(
    "/path", summary="How two entities are connected", response_model=PathResponse, responses=problem_responses(404, 422, 429, 503, 504)
)
async def path(
    request: Request,
    name: Knowledge,
    start: Annotated[str, _id("Where the path starts.", "OMIM:1", "from")],
    end: Annotated[str, _id("Where it ends.", "HP:0000118", "to")],
    maximum_length: Annotated[
        int, Query(alias="maximumLength", ge=1, le=MAXIMUM_LENGTH, description="The most facts on it.", examples=[4])
    ] = MAXIMUM_LENGTH,
    predicate: Predicates = (),
) -> Response:
    """Return a shortest path; of several, always the same one."""
    service: Service = request.app.state.service
    active = find_active(service, name)

    def read(is_late: IsLate) -> Any:
        _refuse_unknown(active.snapshot, predicate)
        return find_path(active.snapshot, start, end, maximum_length=maximum_length, predicates=predicate, is_late=is_late)

    return JSONResponse(build_path(_knowledge(active), _existing(await _read(service, read), active)))


@router.get(
    "/search",
    summary="Entities by the beginning of a name",
    response_model=SearchResponse,
    responses=problem_responses(404, 422, 429, 503, 504),
)
async def search(
    request: Request,
    name: Knowledge,
    text: Annotated[str, Query(min_length=1, max_length=256, description="Whole words, the last of which may be cut.", examples=["seiz"])],
    limit: Annotated[int, Query(ge=1, le=MAXIMUM_HITS, description="The most entities.", examples=[10])] = 10,
) -> Response:
    """Return entities that have a name which begins so, of those that are looked for in texts; case and punctuation do not matter."""
    service: Service = request.app.state.service
    active = find_active(service, name)
    hits = await _read(service, lambda is_late: search_names(active.snapshot, text, limit=limit, is_late=is_late))
    return JSONResponse(build_search(_knowledge(active), hits))


def endpoint_of(path: str) -> str | None:
    """Name the endpoint of a path as a metric does, or None if it is none of those of a knowledge base."""
    _, _, rest = path.removeprefix(KNOWLEDGE_PREFIX).partition("/")
    name = rest.partition("/")[0]
    return name if path.startswith(KNOWLEDGE_PREFIX) and name in _ENDPOINTS else None


def find_active(service: Service, name: str) -> ActiveSnapshot:
    """Return the snapshot that answers for this knowledge base; a problem if there is none."""
    current = service.knowledge.current
    if current is None:
        raise ProblemError(503, f"the service is starting: {service.reason}", headers={"Retry-After": "2"})
    for item in current:
        if item.name == name:
            return item
    raise ProblemError(404, f"this service has no such knowledge base; it has {', '.join(item.name for item in current) or 'none'}")


def refuse_long_text(text: str, service: Service) -> None:
    """Raise a problem if a text is longer than the service takes."""
    maximum = service.config.limits.maximum_text_characters
    if len(text) > maximum:
        raise ProblemError(
            413, f"text has {len(text)} characters; this service takes {maximum}. Send less, or raise limits.maximumTextCharacters."
        )


async def _read(service: Service, read: Callable[[IsLate], Result]) -> Result:
    timeout_s = service.config.limits.timeout_seconds
    late = f"no answer within {timeout_s} seconds; ask for less, or raise limits.timeoutSeconds"
    try:
        return await service.reads.run(read, timeout_s=timeout_s)
    except TooManyReads as error:
        raise ProblemError(429, f"{error}; ask again", headers={"Retry-After": "1"}) from error
    except TimeoutError as error:
        raise ProblemError(504, late) from error
    except TooGeneral as error:
        raise ProblemError(422, str(error)) from error


def _refuse_unknown(snapshot: Snapshot, predicates: Sequence[str]) -> None:
    if predicates and unknown_predicates(snapshot, predicates):
        raise ProblemError(422, "query.predicate: no fact of this knowledge base has one of them; they are named as in its facts")


def _existing(found: Result | None, active: ActiveSnapshot) -> Result:
    if found is None:
        raise ProblemError(404, f"the knowledge base {active.name} has no such entity; POST {KNOWLEDGE_PREFIX}{active.name}/link finds ids")
    return found


def _knowledge(active: ActiveSnapshot) -> dict[str, Any]:
    return build_knowledge([active.key])[0]

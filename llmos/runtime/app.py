"""The sidecar's HTTP interface: routes and their documents. It is the only door of an inference pod.

Must not: know Triton, files or signals; `Service` holds what answers. Nothing here writes a request's text anywhere.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

import llmos
from llmos.runtime import knowledge_routes
from llmos.runtime.documents import PredictRequest, PredictResponse, Problem, StatusResponse, build_answer, build_knowledge
from llmos.runtime.knowledge_routes import refuse_long_text
from llmos.runtime.limits import RequestLimits, maximum_body_bytes
from llmos.runtime.metrics import Metrics
from llmos.runtime.model_server import ModelTimeout
from llmos.runtime.pipeline import Answer
from llmos.runtime.problems import ProblemError, install_problem_handlers, problem_responses
from llmos.runtime.service import Service
from llmos.runtime.sparql import routes as sparql_routes
from llmos.runtime.sparql.routes import MAXIMUM_QUERY_BYTES

__all__ = ["Service", "create_app"]

MAXIMUM_CONCURRENT_REQUESTS: Final = 64
"""More than this are refused with 429 rather than queued: Triton has its own queue behind this one."""

_PREDICT: Final = "/v1/predict"

router = APIRouter()


def create_app(service: Service) -> FastAPI:
    """Build the app around a service."""
    app = FastAPI(
        title="LLMOS inference",
        version=llmos.__version__,
        description="Answers a text with a label of the model, the knowledge bases' entities in it, and what is known of them.",
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(knowledge_routes.router)
    app.include_router(sparql_routes.router)
    install_problem_handlers(app)

    def count(method: str, path: str, status: int) -> None:
        if (method, path) == ("POST", _PREDICT):
            service.metrics.requests.labels(str(status)).inc()
        elif endpoint := knowledge_routes.endpoint_of(path):
            service.metrics.reads.labels(endpoint, str(status)).inc()

    app.add_middleware(
        RequestLimits,
        maximum_bytes=max(maximum_body_bytes(service.config.limits.maximum_text_characters), MAXIMUM_QUERY_BYTES if service.sparql else 0),
        is_draining=lambda: service.readiness.is_draining,
        on_answer=count,
    )
    _describe_problems(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.service.aclose()


@router.post(
    _PREDICT,
    summary="Answer a text",
    response_model=PredictResponse,
    responses=problem_responses(400, 413, 422, 429, 500, 503, 504),
)
async def predict(request: Request, body: PredictRequest) -> Response:
    """Return the label, the entities found in the text, the facts about them, and the digests they all come from."""
    service: Service = request.app.state.service
    answer = await _predict(service, body.text, request.scope["llmos.request_id"])
    _observe(service.metrics, answer)
    return JSONResponse(build_answer(answer, request_id=request.scope["llmos.request_id"], model=service.model))


async def _predict(service: Service, text: str, request_id: str) -> Answer:
    limits = service.config.limits
    refuse_long_text(text, service)
    knowledge = service.knowledge.current
    if knowledge is None:
        raise ProblemError(503, f"the service is starting: {service.reason}", headers={"Retry-After": "2"})
    if service.num_in_flight >= MAXIMUM_CONCURRENT_REQUESTS:
        raise ProblemError(429, f"{MAXIMUM_CONCURRENT_REQUESTS} requests are being answered; ask again", headers={"Retry-After": "1"})
    service.num_in_flight += 1
    service.metrics.in_flight.set(service.num_in_flight)
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            return await service.pipeline.answer(text, knowledge, timeout_s=limits.timeout_seconds, request_id=request_id)
    except TimeoutError as error:
        raise ModelTimeout(f"no answer within {limits.timeout_seconds} seconds") from error
    finally:
        service.num_in_flight -= 1
        service.metrics.in_flight.set(service.num_in_flight)


@router.get("/livez", summary="Whether this process answers", response_class=PlainTextResponse)
async def livez() -> str:
    """Answer always; Triton's state is not this container's."""
    return "ok\n"


@router.get("/readyz", summary="Whether traffic may come", response_class=PlainTextResponse, responses=problem_responses(503))
async def readyz(request: Request) -> str:
    """Answer 200 if a golden request went through the whole path for what is active now."""
    service: Service = request.app.state.service
    if not service.readiness.is_ready:
        raise ProblemError(503, service.reason)
    return "ok\n"


@router.get("/internal/triton/live", summary="Whether Triton answers", response_class=PlainTextResponse, responses=problem_responses(503))
async def triton_live(request: Request) -> str:
    """Ask Triton, which listens on loopback only, on behalf of the kubelet's probes."""
    service: Service = request.app.state.service
    if not await service.server.is_live():
        raise ProblemError(503, "Triton does not answer on loopback")
    return "ok\n"


@router.get("/metrics", summary="Prometheus metrics of the sidecar and of Triton", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Return both as text."""
    service: Service = request.app.state.service
    service.metrics.ready.set(1 if service.readiness.is_ready else 0)
    service.metrics.switch_failing.set(1 if service.knowledge.state.error else 0)
    return Response(service.metrics.render(await service.server.metrics()), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/v1/status", summary="What this pod serves", response_model=StatusResponse)
async def status(request: Request) -> Response:
    """Return the active digests, the wanted ones, and what stands between them."""
    service: Service = request.app.state.service
    current = [item.key for item in service.knowledge.current or ()]
    document = {
        "ready": service.readiness.is_ready,
        "reason": "" if service.readiness.is_ready else service.reason,
        "task": service.assets.task,
        "model": service.model,
        "knowledge": build_knowledge(current),
        "wanted": build_knowledge(service.knowledge.state.wanted),
        "switchError": service.knowledge.state.error,
    }
    return JSONResponse(document)


@router.api_route("/v2", methods=["GET", "POST"], include_in_schema=False)
@router.api_route("/v2/{path:path}", methods=["GET", "POST"], include_in_schema=False)
async def open_inference(path: str = "") -> Response:
    """Refuse: a raw call would pass knowledge and limits by."""
    raise ProblemError(403, "the Open Inference Protocol is not offered by this service; use POST /v1/predict")


def _observe(metrics: Metrics, answer: Answer) -> None:
    timings = answer.timings
    for stage, seconds in (("link", timings.link_s), ("facts", timings.facts_s), ("model", timings.model_s), ("total", timings.total_s)):
        metrics.stage_s.labels(stage).observe(seconds)
    metrics.observe_linking(answer)


def _describe_problems(app: FastAPI) -> None:
    """Put the Problem schema into OpenAPI: it is named by responses, never a response model of its own."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        # The framework describes its own form of 422, which is never sent.
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]

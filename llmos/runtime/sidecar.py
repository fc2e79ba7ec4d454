"""The sidecar process: configuration, wiring, background tasks, signals. Run as `python -m llmos.runtime.sidecar`.

Must not: answer requests itself; `app` does. On SIGTERM it first stops being ready and keeps answering until the endpoints have forgotten
this pod, then lets the requests under way finish.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from llmos.artifacts import Registry
from llmos.errors import LlmosError, TransientError
from llmos.knowledge import Snapshot
from llmos.runtime.active import ActiveKnowledge
from llmos.runtime.app import Service, create_app
from llmos.runtime.assets import PodPaths, load_assets
from llmos.runtime.documents import build_knowledge
from llmos.runtime.metrics import Metrics
from llmos.runtime.model_server import ModelServer, TritonServer
from llmos.runtime.pipeline import ActiveSnapshot, Pipeline
from llmos.runtime.problems import hidden_exception_texts
from llmos.runtime.readiness import Readiness
from llmos.runtime.snapshots import fetch_snapshot
from llmos.runtime.sparql.stores import SparqlStores
from llmos.workload import InferenceConfig, KnowledgeRef, Reporter, configure_logging, load_inference_config, write_termination

__all__ = ["build_service", "main", "serve"]

_REPORT_REPEAT_S: Final = 30.0
_RESTART_S: Final = 5.0
_DEFAULT_DRAIN_S: Final = 5.0
_DEFAULT_TERMINATION: Final = Path("/dev/termination-log")

_log = logging.getLogger(__name__)


def build_service(config: InferenceConfig, paths: PodPaths, server: ModelServer, reporter: Reporter) -> Service:
    """Wire what answers requests.

    Raises: PermanentError (InvalidSource) if the model's files are unusable.
    """
    assets = load_assets(paths.assets)
    pipeline = Pipeline(assets, server, maximum_facts=config.grounding.maximum_facts)
    readiness = Readiness(pipeline, server, timeout_s=config.limits.timeout_seconds)
    metrics = Metrics()
    pod = os.environ.get("POD_NAME") or socket.gethostname()
    retire_after_s = config.longest_request_s + 1
    stores = SparqlStores(config.sparql, paths, retire_after_s=retire_after_s) if config.sparql else None

    def load(reference: KnowledgeRef) -> Snapshot:
        try:
            with Registry(config.artifacts.access) as registry:
                return fetch_snapshot(registry, reference, paths)
        except OSError as error:
            raise TransientError(f"the snapshot of {reference.name} cannot be stored: {error}", reason="MountFailed") from error

    def on_switch(active: Sequence[ActiveSnapshot]) -> None:
        readiness.mark(active)
        if stores is not None:
            stores.activate(active)
        metrics.observe_switch(active)
        reporter.active(pod=pod, model=config.model.digest, knowledge=build_knowledge([item.key for item in active]))

    async def verify(candidates: Sequence[ActiveSnapshot]) -> None:
        if stores is not None:
            await stores.prepare(candidates)
        await readiness.verify(candidates)

    knowledge = ActiveKnowledge(paths, load=load, verify=verify, on_switch=on_switch, retire_after_s=retire_after_s)
    return Service(config, assets, server, pipeline, readiness, knowledge, metrics, sparql=stores)


async def serve(config: InferenceConfig, paths: PodPaths, *, host: str, port: int, drain_s: float, server: ModelServer) -> None:
    """Serve until SIGTERM."""
    with Reporter(config.report, config.object, repeat_s=_REPORT_REPEAT_S) as reporter, hidden_exception_texts():
        service = build_service(config, paths, server, reporter)
        http = _HttpServer(
            uvicorn.Config(
                create_app(service),
                host=host,
                port=port,
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=65,
                timeout_graceful_shutdown=config.longest_request_s,
            )
        )
        tasks = [
            asyncio.create_task(_keep_running("knowledge", service.knowledge.follow)),
            asyncio.create_task(_keep_running("readiness", lambda: service.readiness.follow(lambda: service.knowledge.current))),
        ]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _start_draining, service, http, drain_s)
        try:
            await http.serve()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _start_draining(service: Service, http: uvicorn.Server, drain_s: float) -> None:
    if service.readiness.is_draining:
        return
    _log.info("stopping: not ready any more, and answering for %g more seconds", drain_s)
    service.readiness.is_draining = True

    def stop() -> None:
        http.should_exit = True

    asyncio.get_running_loop().call_later(drain_s, stop)


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a background loop, and start it again if it fails in a way nobody thought of: a pod must not stop following in silence."""
    while True:
        try:
            await run()
        except Exception:
            _log.exception("the %s loop failed; it starts again in %g seconds", name, _RESTART_S)
        await asyncio.sleep(_RESTART_S)


class _HttpServer(uvicorn.Server):
    """Leaves signals to us: the default would stop answering at once, while endpoints still send traffic."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sidecar; returns the exit code."""
    parser = argparse.ArgumentParser(description="The door of an inference pod of LLMOS.")
    parser.add_argument("--config", type=Path, default=PodPaths().config)
    parser.add_argument("--active", type=Path, default=PodPaths().active, help="which snapshots to serve; followed while running")
    parser.add_argument("--models", type=Path, default=PodPaths().models)
    parser.add_argument("--knowledge", type=Path, default=PodPaths().knowledge)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - it is the pod's door
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--triton-grpc", default="127.0.0.1:8001")
    parser.add_argument("--triton-metrics", default="http://127.0.0.1:8002/metrics")
    parser.add_argument("--drain-seconds", type=float, default=_DEFAULT_DRAIN_S, help="how long to keep answering after SIGTERM")
    parser.add_argument("--termination-log", type=Path, default=_DEFAULT_TERMINATION)
    arguments = parser.parse_args(argv)
    configure_logging()
    try:
        config = load_inference_config(arguments.config)
        paths = PodPaths(models=arguments.models, knowledge=arguments.knowledge, active=arguments.active, config=arguments.config)
        asyncio.run(_serve(config, paths, arguments))
    except LlmosError as error:
        _log.error("%s: %s", error.reason, error)
        write_termination(reason=error.reason, message=error.message, path=arguments.termination_log)
        return error.exit_code
    return 0


async def _serve(config: InferenceConfig, paths: PodPaths, arguments: argparse.Namespace) -> None:
    # Made here, because its connection belongs to the running event loop.
    triton = TritonServer(arguments.triton_grpc, arguments.triton_metrics)
    await serve(config, paths, host=arguments.host, port=arguments.port, drain_s=arguments.drain_seconds, server=triton)


if __name__ == "__main__":
    sys.exit(main())

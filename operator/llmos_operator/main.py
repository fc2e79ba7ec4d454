"""The operator process: reads its configuration, wires the parts, runs kopf inside its own event loop, stops in order.

    python -m llmos_operator.main --config /etc/llmos/operator.yaml

Owns: wiring and lifetime. Must not: hold logic. In a pod it uses the pod's service account, elsewhere KUBECONFIG. kopf only watches: no
finalizers, no annotations, no patches, no peering, no posting of events.
"""

import argparse
import asyncio
import contextlib
import itertools
import logging
import random
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from aiohttp import web

from llmos.artifacts import AsyncArtifacts
from llmos.errors import LlmosError
from llmos_operator.clock import SystemClock
from llmos_operator.cluster import Cache
from llmos_operator.cluster.aio import AioClusterClient, connect
from llmos_operator.cluster.audit import Audit
from llmos_operator.desired import Installation
from llmos_operator.handlers import Intake
from llmos_operator.metrics import Metrics
from llmos_operator.names import CUSTOM_KINDS, GROUP, ObjectKey
from llmos_operator.probes import Probes
from llmos_operator.reconcile import Ports, Reconciler
from llmos_operator.report import Authenticator, ReportServer, ReportStore
from llmos_operator.report.server import keep_certificates_fresh, load_certificates
from llmos_operator.settings import Settings, load_settings
from llmos_operator.watching import run_watches
from llmos_operator.workqueue import WorkQueue

__all__ = ["Operator", "main"]

logger = logging.getLogger(__name__)

DRAIN_S = 20.0
"""How long passes that run may go on after SIGTERM; the pod's grace period is 30 s."""
CRD_LOOK_S = 2.0
SAMPLE_S = 5.0


class Operator:
    """All parts, wired."""

    def __init__(self, settings: Settings, client: AioClusterClient, store: AsyncArtifacts, metrics: Metrics) -> None:
        self._settings = settings
        self._client = client
        self._metrics = metrics
        self._clock = SystemClock()
        rng = random.Random()  # noqa: S311 - jitter
        self._certificates = _certificate_directory(settings)
        self._cache = Cache()
        self._reports = ReportStore()
        installation = Installation(settings, _report_ca(self._certificates))
        self._reconciler = Reconciler(self._cache, self._reports, installation, Ports(client, store, self._clock))
        self._queue: WorkQueue[ObjectKey] = WorkQueue(
            self._reconciler,
            workers=settings.queue.workers,
            resync_s=settings.queue.resync_seconds,
            clock=self._clock,
            rng=rng,
            observer=metrics,
        )
        self._intake = Intake(
            self._cache, self._reports, metrics, self._clock, installation_id=settings.installation_id, enqueue=self._enqueue
        )
        self._audit = Audit(client, self._cache, namespaces=settings.watch_namespaces, enqueue=self._enqueue, rng=rng)
        self._has_nothing_to_list = False

    def _enqueue(self, key: ObjectKey) -> None:
        if key.kind in CUSTOM_KINDS:
            self._queue.add(key)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, or until a part ends by itself (which is an error)."""
        async with contextlib.AsyncExitStack() as servers:
            await self._serve(servers)
            await self._wait_for_crds(stop)
            if stop.is_set():
                return
            queue = asyncio.create_task(self._queue.run(), name="queue")
            watches = asyncio.create_task(run_watches(self._settings, self._intake, stop), name="watches")
            sampler = asyncio.create_task(self._sample(), name="sampler")
            audit = asyncio.create_task(self._audit.run(every_s=self._settings.queue.resync_seconds), name="audit")
            stopped = asyncio.create_task(stop.wait(), name="stop")
            tasks = (queue, watches, sampler, audit)
            done, _ = await asyncio.wait((*tasks, stopped), return_when=asyncio.FIRST_COMPLETED)
            logger.info("stopping: finishing %d passes", self._queue.num_running)
            stop.set()
            self._queue.close()
            await asyncio.wait((queue, watches), timeout=DRAIN_S)
            for task in (*tasks, stopped):
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if stopped not in done:
                failure = next((error for error in results if isinstance(error, Exception)), None)
                raise failure or RuntimeError("a part of the operator ended by itself")

    async def _serve(self, stack: contextlib.AsyncExitStack) -> None:
        probes = Probes(
            self._clock,
            is_ready=lambda: self._intake.has_listed or self._has_nothing_to_list,
            stuck_since=lambda: self._queue.stuck_since,
        )
        await stack.enter_async_context(_server(probes.application(), self._settings.probes.port))
        await stack.enter_async_context(_server(self._metrics.application(), self._settings.metrics.port))
        if self._certificates is None:
            logger.warning("no certificates in report.certificateDirectory: pods cannot report progress, everything else works")
            return
        authenticator = Authenticator(self._client, self._cache, self._clock)
        server = ReportServer(authenticator, self._reports, self._clock, self._metrics, enqueue=self._enqueue)
        context = load_certificates(self._certificates)
        await stack.enter_async_context(_server(server.application(), self._settings.report.port, context))
        renewal = asyncio.create_task(
            keep_certificates_fresh(context, self._certificates, on_authority=self._take_authority), name="certificates"
        )
        stack.callback(renewal.cancel)

    def _take_authority(self, authority: str) -> None:
        """Give every service the renewed CA of the report endpoint; Jobs that run end before the old one is over."""
        self._reconciler.use(Installation(self._settings, authority))
        for key in self._cache.keys(["InferenceService"]):
            self._enqueue(key)

    async def _wait_for_crds(self, stop: asyncio.Event) -> None:
        """Wait until the four kinds are served: kopf looks once, at its start, which spares the operator the right to read CRDs."""
        found = 0
        for kind, namespace in itertools.product(CUSTOM_KINDS, self._settings.watch_namespaces or ("",)):
            said = False
            while not stop.is_set():
                count = await self._client.count(ObjectKey(kind, namespace, ""))
                if count is not None:
                    found += count
                    break
                if not said:
                    logger.warning("%s.%s is not installed; waiting for the CustomResourceDefinition", kind, GROUP)
                    said = True
                await self._clock.wait(stop, CRD_LOOK_S)
        # With nothing to list no event comes that would tell that listing is over.
        self._has_nothing_to_list = found == 0

    async def _sample(self) -> None:
        while True:
            self._metrics.depth.set(self._queue.depth)
            self._metrics.running.set(self._queue.num_running)
            self._metrics.objects.set(len(self._cache))
            await asyncio.sleep(SAMPLE_S)


def _certificate_directory(settings: Settings) -> Path | None:
    directory = Path(settings.report.certificate_directory) if settings.report.certificate_directory else None
    return directory if directory and (directory / "tls.crt").exists() and (directory / "ca.crt").exists() else None


def _report_ca(directory: Path | None) -> str | None:
    return (directory / "ca.crt").read_text(encoding="ascii") if directory else None


@contextlib.asynccontextmanager
async def _server(application: web.Application, port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port, ssl_context=context).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def run(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    client = await connect(metrics)
    store = AsyncArtifacts(settings.artifacts.operator_access())
    try:
        await Operator(settings, client, store, metrics).run(stop)
    finally:
        await store.aclose()
        await client.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the operator; returns the exit code."""
    parser = argparse.ArgumentParser(description="The LLMOS operator.")
    parser.add_argument("--config", type=Path, default=Path("/etc/llmos/operator.yaml"), help="the configuration file")
    arguments = parser.parse_args(argv)
    try:
        settings = load_settings(arguments.config)
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
        # kopf logs each watch and each event at INFO; ours say what matters.
        logging.getLogger("kopf").setLevel(logging.WARNING)
        logging.getLogger("httpx").setLevel(logging.WARNING)
        asyncio.run(run(settings))
    except LlmosError as error:
        print(f"llmos-operator: {error}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Prometheus metrics of the operator, on a registry of its own, served on a port of its own.

Must not: count by object name; a thousand services must not be a thousand time series.
"""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from llmos_operator.names import ObjectKey

__all__ = ["Metrics"]


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciles = Counter("llmos_operator_reconciles", "Passes by kind and result", ["kind", "result"], registry=self.registry)
        self.seconds = Histogram(
            "llmos_operator_reconcile_seconds",
            "Duration of a pass",
            ["kind"],
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60),
            registry=self.registry,
        )
        self.requests = Counter(
            "llmos_operator_api_requests", "Requests to the API server", ["verb", "kind", "status"], registry=self.registry
        )
        self.reports = Counter("llmos_operator_reports", "Reports from pods by HTTP status", ["status"], registry=self.registry)
        self.depth = Gauge("llmos_operator_queue_depth", "Keys that wait for a worker", registry=self.registry)
        self.running = Gauge("llmos_operator_queue_running", "Keys that are being reconciled", registry=self.registry)
        self.objects = Gauge("llmos_operator_cached_objects", "Objects in memory", registry=self.registry)
        self.last_event = Gauge(
            "llmos_operator_last_event_timestamp_seconds", "When a watch last said something", ["kind"], registry=self.registry
        )

    def finished(self, key: object, *, duration_s: float, error: BaseException | None) -> None:
        """Count a pass (the work queue calls this)."""
        kind = key.kind if isinstance(key, ObjectKey) else ""
        self.reconciles.labels(kind, "error" if error else "success").inc()
        self.seconds.labels(kind).observe(duration_s)

    def requested(self, verb: str, kind: str, status: int) -> None:
        """Count a request (the cluster client calls this)."""
        self.requests.labels(verb, kind, str(status)).inc()

    def application(self) -> web.Application:
        """Return the server of `/metrics`."""

        async def metrics(_: web.Request) -> web.Response:
            return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        application = web.Application()
        application.router.add_get("/metrics", metrics)
        return application

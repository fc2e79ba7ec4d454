"""The HTTPS server pods report to: `POST /v1/reports`.

Owns: limits (16 KiB, one report each 5 s and pod), status codes, taking over renewed certificates. Must not: do work; a report is put into
memory and its object's key into the queue.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from llmos_operator.clock import Clock
from llmos_operator.cluster import ClusterError
from llmos_operator.metrics import Metrics
from llmos_operator.names import ObjectKey
from llmos_operator.report.authenticate import Authenticator, Sender
from llmos_operator.report.document import Report, parse_report
from llmos_operator.report.store import ReportStore

__all__ = ["ReportServer", "keep_certificates_fresh", "load_certificates"]

logger = logging.getLogger(__name__)

MAXIMUM_BYTES = 16 * 1024
INTERVAL_S = 4.5
"""Senders wait five seconds; half a second is for the network's unevenness."""
RELOAD_S = 300.0
_REMEMBERED = 8192


class ReportServer:
    """Takes reports."""

    def __init__(
        self,
        authenticator: Authenticator,
        store: ReportStore,
        clock: Clock,
        metrics: Metrics,
        *,
        enqueue: Callable[[ObjectKey], None],
    ) -> None:
        self._authenticator = authenticator
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._enqueue = enqueue
        self._last: dict[str, float] = {}

    def application(self) -> web.Application:
        """Return the server."""
        application = web.Application(client_max_size=MAXIMUM_BYTES)
        application.router.add_post("/v1/reports", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        status, text = await self._take(request)
        self._metrics.reports.labels(str(status)).inc()
        return web.Response(status=status, text=text)

    async def _take(self, request: web.Request) -> tuple[int, str]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return 401, "send the projected service account token of audience llmos-report as a bearer token"
        if (request.content_length or 0) > MAXIMUM_BYTES:
            return 413, f"a report must have at most {MAXIMUM_BYTES} bytes"
        try:
            identity = await self._authenticator.identify(token)
        except ClusterError as error:
            logger.warning("cannot review a token: %s", error)
            return 503, "the API server does not answer; the report may be repeated"
        if identity is None:
            return 401, "the token is not valid for the audience llmos-report, or is not a pod's"
        sender = self._authenticator.recognise(identity)
        if sender is None:
            return 403, f"Pod {identity.pod_name} belongs to no current child of a custom resource of LLMOS"
        if not self._is_in_time(identity.pod_uid):
            return 429, "one report each 5 s"
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return 413, f"a report must have at most {MAXIMUM_BYTES} bytes"
        report = parse_report(body)
        return (400, report) if isinstance(report, str) else self._store_it(sender, report)

    def _store_it(self, sender: Sender, report: Report) -> tuple[int, str]:
        claimed = (report.object.kind, report.object.namespace, report.object.name, report.object.uid)
        if claimed != (sender.owner.kind, sender.owner.namespace, sender.owner.name, sender.owner_uid):
            return 403, f"Pod {sender.pod} belongs to {sender.owner} and cannot report for another object"
        if report.active is None:
            self._store.put_progress(sender.owner, sender.owner_uid, sender.pod, report.progress(self._clock.now()), report.planned())
            self._enqueue(sender.owner)
        elif self._store.put_active(sender.owner, sender.owner_uid, sender.pod, report.active.model_dump(mode="json")):
            self._enqueue(sender.owner)
        return 202, ""

    def _is_in_time(self, pod_uid: str) -> bool:
        now = self._clock.monotonic()
        if now - self._last.get(pod_uid, -INTERVAL_S) < INTERVAL_S:
            return False
        if len(self._last) >= _REMEMBERED:
            self._last = {uid: when for uid, when in self._last.items() if now - when < INTERVAL_S}
        self._last[pod_uid] = now
        return True


def load_certificates(directory: Path) -> ssl.SSLContext:
    """Return a server context of the mounted Secret."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return context


async def keep_certificates_fresh(
    context: ssl.SSLContext, directory: Path, *, on_authority: Callable[[str], None], every_s: float = RELOAD_S
) -> None:
    """Load the certificate again when the mounted Secret changes; new connections then use it.

    Args:
        context: the server's.
        directory: where `tls.crt`, `tls.key` and `ca.crt` are mounted.
        on_authority: told the new `ca.crt` when it is another one.
        every_s: how often to look.
    """
    certificate, authority = directory / "tls.crt", directory / "ca.crt"
    seen, trusted = certificate.read_bytes(), authority.read_text(encoding="ascii")
    while True:
        await asyncio.sleep(every_s)
        try:
            if (found := certificate.read_bytes()) != seen:
                context.load_cert_chain(certificate, directory / "tls.key")
                seen = found
                logger.info("the report endpoint's certificate was renewed")
            if (renewed := authority.read_text(encoding="ascii")) != trusted:
                trusted = renewed
                on_authority(renewed)
                logger.info("the report endpoint's authority was renewed")
        except (OSError, ssl.SSLError, UnicodeDecodeError) as error:
            # The kubelet swaps the files one after the other; the next look finds a pair.
            logger.warning("the report endpoint's certificate cannot be read: %s", error)

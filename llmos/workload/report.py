"""Progress reports to the operator: at most one each five seconds, sent by a thread, worth nothing when they fail.

Must not: raise, block the work, or carry anything a gate or a digest depends on. Only the latest news is kept; older news is dropped.
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from llmos.workload.config import ObjectRef, Report
from llmos.workload.logs import redact

__all__ = ["Reporter"]

_INTERVAL_S: Final = 5.0
_TIMEOUT_S: Final = 5.0
_MAX_MESSAGE: Final = 1000

_log = logging.getLogger(__name__)


class Reporter:
    """Reports for one object; a context manager. Without a configured endpoint it does nothing."""

    def __init__(
        self,
        report: Report | None,
        object_ref: ObjectRef,
        *,
        interval_s: float = _INTERVAL_S,
        repeat_s: float | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is sent before the first news.

        Args:
            repeat_s: send the latest news again after this long (a sidecar: 30); None: never.
        """
        self._report = report
        self._object = object_ref.model_dump()
        self._interval_s = interval_s
        self._repeat_s = repeat_s
        self._transport = transport
        self._clock = clock
        self._news: dict[str, Any] | None = None
        self._plan: Mapping[str, Any] | None = None
        self._is_new = False
        self._closed = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._phase = ""
        self._phase_began = 0.0
        self._seconds: dict[str, float] = {}

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def progress(self, phase: str, percent: int | None = None, message: str = "") -> None:
        """Report how far the work is.

        Args:
            phase: CamelCase, for example Download.
            percent: 0 to 100, of this phase.
        """
        self._enter(phase)
        news: dict[str, Any] = {"phase": phase, "message": redact(message)[:_MAX_MESSAGE]}
        if percent is not None:
            news["percent"] = min(100, max(0, int(percent)))
        # Only the latest news is kept, so the plan travels with each.
        self._post(news if self._plan is None else {**news, "plan": dict(self._plan)})

    def plan(self, plan: Mapping[str, Any], message: str) -> None:
        """Report what the work will take, now and with all that follows.

        Args:
            plan: as in `status.plan`.
            message: the same for people.
        """
        self._plan = plan
        self.progress("Plan", 100, message)

    def flush(self) -> None:
        """Wait until the latest news is on its way, at most as long as two reports take: for news that ends the work."""
        with self._change:
            if self._thread is not None:
                self._change.wait_for(lambda: not self._is_new, timeout=self._interval_s + _TIMEOUT_S)

    def phase_seconds(self) -> dict[str, float]:
        """Return how long each phase has taken until now, in the order in which they began; one that came again is added up."""
        self._enter("")
        return dict(self._seconds)

    def _enter(self, phase: str) -> None:
        if phase == self._phase:
            return
        now = self._clock()
        if self._phase:
            self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._phase_began
        self._phase, self._phase_began = phase, now

    def active(self, *, pod: str, model: str, knowledge: Sequence[Mapping[str, str]]) -> None:
        """Report what an inference pod serves now.

        Args:
            pod: this pod's name.
            model: version digest.
            knowledge: `{"name": …, "digest": …}` of each snapshot.
        """
        self._post({"pod": pod, "active": {"knowledge": [dict(item) for item in knowledge], "model": model}})

    def close(self) -> None:
        """Stop; news that was not sent yet is dropped."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=_TIMEOUT_S)

    def _post(self, news: dict[str, Any]) -> None:
        if self._report is None:
            return
        with self._change:
            self._news, self._is_new = {"object": self._object, **news}, True
            self._change.notify_all()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="llmos-report", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        client, trusted = None, ""
        try:
            while (news := self._next()) is not None:
                authority = self._authority()
                if client is None or authority != trusted:
                    if client is not None:
                        client.close()
                    client, trusted = self._client(authority), authority
                self._send(client, news)
                with self._change:
                    self._change.wait_for(lambda: self._closed, timeout=self._interval_s)
        except Exception as error:
            # A broken CA bundle must not cost a training run.
            _log.warning("progress reports are off: %s: %s", type(error).__name__, error)
        finally:
            if client is not None:
                client.close()

    def _next(self) -> dict[str, Any] | None:
        """Wait for news, or for the time to repeat it; None when closed."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._is_new, timeout=self._repeat_s)
            self._is_new = False
            self._change.notify_all()
            return None if self._closed else self._news

    def _authority(self) -> str:
        """Return whom to trust; nobody while the file is not there, so that this report is lost and the next may not be."""
        assert self._report is not None
        try:
            return self._report.authority()
        except OSError:
            return ""

    def _client(self, authority: str) -> httpx.Client:
        context = ssl.create_default_context() if self._transport is not None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._transport is None and authority:
            context.load_verify_locations(cadata=authority)
        # The operator is in the cluster: a proxy for the outside world would not find it, and must not see the token.
        return httpx.Client(transport=self._transport, verify=context, timeout=_TIMEOUT_S, trust_env=False)

    def _send(self, client: httpx.Client, news: dict[str, Any]) -> None:
        assert self._report is not None
        try:
            token = self._report.token_file.read_text().strip()
            response = client.post(self._report.url, json=news, headers={"Authorization": f"Bearer {token}"})
            if response.status_code != 202:
                _log.info("the operator answered %d to a progress report", response.status_code)
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            _log.info("a progress report was lost: %s", type(error).__name__)

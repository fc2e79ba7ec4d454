"""kopf, configured to watch and to do nothing else.

Owns: kopf's settings and its lifetime in our event loop. Must not: know what happens to an event. kopf 1.45 notes: `worker_limit` must stay
None where indexes are used (it dead-locks); it installs its own signal handlers, which are replaced once it has started.
"""

import asyncio
import logging
import os
import signal
from typing import Any

import kopf

from llmos_operator.handlers import WATCHED_BY_LABEL, Intake, register
from llmos_operator.kopf_toggles import wake_only_on_change
from llmos_operator.names import GROUP, MANAGED_BY
from llmos_operator.settings import Settings

__all__ = ["build_registry", "build_settings", "run_watches"]

logger = logging.getLogger(__name__)
CHUNK = 200
"""Objects a page of the first listing: whole objects of a page are in memory at once, slim ones stay."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf keeps (and deep-copies on every event) what it last saw, for handlers we do not use: give it nothing to copy."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        raise NotImplementedError("nothing is ever stored on objects")


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.finalizer = f"{GROUP}/unused"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{GROUP}")
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.watching.chunk_size = CHUNK
    settings.queueing.idle_timeout = 1.0
    selector = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())
    for resource in WATCHED_BY_LABEL:
        settings.watching.label_selectors[resource.group, resource.version, resource.plural] = selector
    return settings


def build_registry(intake: Intake) -> kopf.OperatorRegistry:
    """Return all handlers, the login among them."""
    registry = kopf.OperatorRegistry()
    register(registry, intake)

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> Any:
        # Again whenever the API server answers 401: the service account's token is renewed in its file.
        if "KUBECONFIG" in os.environ:
            return kopf.login_with_kubeconfig(**kwargs)
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    return registry


async def run_watches(settings: Settings, intake: Intake, stop: asyncio.Event) -> None:
    """Watch until `stop` is set.

    Raises: whatever ends a watch for good (kopf re-raises it): the process should then end, too, and be started again.
    """
    wake_only_on_change()
    ready = asyncio.Event()
    namespaces = list(settings.watch_namespaces)
    operator = asyncio.create_task(
        kopf.operator(
            registry=build_registry(intake),
            settings=build_settings(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop,
            ready_flag=ready,
        ),
        name="kopf",
    )
    started = asyncio.create_task(ready.wait(), name="kopf-ready")
    await asyncio.wait((operator, started), return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await operator

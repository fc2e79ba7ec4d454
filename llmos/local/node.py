"""`up`, `down` and `status` of the one-node cluster.

`up` is a reconcile, not a script: it looks at what runs, starts what is missing, restarts what was started from another command or
configuration, and waits until all of it is healthy. Being killed at any point leaves a state that the next `up` or `down` understands.
"""

import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llmos.errors import ConfigError, PermanentError
from llmos.local.cgroups import ensure_cgroup
from llmos.local.command import run, tail
from llmos.local.components import Component, build_components
from llmos.local.configuration import PAUSE_IMAGE, render_configuration
from llmos.local.files import locked, write_atomically
from llmos.local.health import is_listening
from llmos.local.kubectl import Kubectl, KubectlError, poll_until
from llmos.local.network import ensure_network
from llmos.local.pause_image import pack_image
from llmos.local.pki import ensure_pki
from llmos.local.processes import Process, find_processes, start, stop
from llmos.local.progress import step
from llmos.local.settings import NODE_NAME, STORAGE_CLASS, LocalSettings
from llmos.local.teardown import mounts_below, take_down
from llmos.local.toolchain import Toolchain

__all__ = ["ComponentStatus", "bring_down", "bring_up", "is_running", "read_status"]

_CAP_SYS_RESOURCE = 24
_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "llmos.dev/local",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """What `llmos status` shows of one component."""

    name: str
    pid: int | None
    problem: str | None
    """None if it is healthy."""
    address: str
    log: Path


def bring_up(settings: LocalSettings) -> None:
    """Make the cluster run; quick if it does. Raises with the component, its last words and its log if one does not start."""
    toolchain = Toolchain(settings)
    kubernetes, registry, pause = toolchain.kubernetes(), toolchain.registry(), toolchain.pause()
    settings.state.mkdir(parents=True, exist_ok=True)
    with locked(_lock(settings), purpose="starting or stopping this cluster"):
        for folder in (settings.run, settings.config, settings.logs, settings.state / "volumes"):
            folder.mkdir(parents=True, exist_ok=True)
        ensure_pki(settings)
        configuration = render_configuration(settings, may_raise_oom_score=_may_raise_oom_score())
        for path, content in configuration.items():
            write_atomically(path, content)
        ensure_network()
        ensure_cgroup(settings.instance)
        started = _start_components(settings, build_components(settings, kubernetes=kubernetes, registry=registry), pause, configuration)
        kubectl = Kubectl(settings.kubeconfig, program=kubernetes / "kubectl")
        with step("waiting for the node"):
            _finish(kubectl, since=started.get("kubelet"))


def bring_down(settings: LocalSettings, *, purge: bool = False) -> None:
    """Stop the cluster and leave nothing running; `purge` also removes its state (objects, images, volumes, keys)."""
    if not settings.state.exists() and not settings.run.exists():
        return
    settings.state.mkdir(parents=True, exist_ok=True)
    with locked(_lock(settings), purpose="starting or stopping this cluster"):
        take_down(settings)
        if purge and (mounted := mounts_below(settings.state)):
            raise PermanentError(f"{mounted[0]} is still mounted; not deleting {settings.state}", reason="LeftBehind")
        if purge:
            with step("removing the cluster's state"):
                shutil.rmtree(settings.state)


def read_status(settings: LocalSettings) -> list[ComponentStatus]:
    """Return every component's state, without changing or building anything."""
    components = build_components(settings, kubernetes=Path("/"), registry=Path("/docker-registry"))
    running = find_processes(settings.state)
    found = []
    for component in components:
        process = _process_of(component, running)
        problem = "not running" if process is None else component.health.problem()
        found.append(
            ComponentStatus(component.name, process.pid if process else None, problem, component.address, _log(settings, component))
        )
    return found


def is_running(settings: LocalSettings) -> bool:
    """Tell whether any component runs."""
    return any(status.pid is not None for status in read_status(settings))


def _start_components(
    settings: LocalSettings, components: tuple[Component, ...], pause: Path, configuration: dict[Path, str]
) -> dict[str, float]:
    """Start what is missing, stage by stage; return when each was started (seconds since the epoch)."""
    started: dict[str, float] = {}
    authority = (settings.pki / "ca.crt").read_text()
    for stage in sorted({component.stage for component in components}):
        members = [component for component in components if component.stage == stage]
        if stage == 2:
            _import_pause_image(settings, pause)
        children = {}
        for component in members:
            mentioned = [content for path, content in configuration.items() if any(str(path) in part for part in component.argv)]
            fingerprint = component.fingerprint("\0".join([authority, *mentioned]))
            child = _ensure_started(settings, component, fingerprint)
            if child is not None:
                children[component.name] = child
                started[component.name] = time.time()
        with step(f"starting {', '.join(component.name for component in members)}"):
            for component in members:
                _await_healthy(settings, component, children.get(component.name))
    return started


def _ensure_started(settings: LocalSettings, component: Component, fingerprint: str) -> subprocess.Popen[bytes] | None:
    """Start a component unless it runs as it should; return the child if one was started."""
    process = _process_of(component, find_processes(settings.state))
    if process is not None and process.fingerprint == fingerprint and _becomes_healthy(component, patience_s=10.0):
        return None
    if process is not None:
        stop([process.pid], grace_s=5.0)
    if component.port is not None and _stays_taken(component.port, patience_s=5.0):
        address, port = component.port
        raise ConfigError(
            f"{component.name} needs {address}:{port}, where another program listens; stop it (`ss -ltnp 'sport = :{port}'` names it)",
            reason="PortTaken",
        )
    return start(component.name, component.argv, state=settings.state, log=_log(settings, component), fingerprint=fingerprint)


def _stays_taken(port: tuple[str, int], *, patience_s: float) -> bool:
    """Tell whether somebody else keeps a port; the threads of a process that was just killed may hold it a moment longer."""
    deadline = time.monotonic() + patience_s
    while is_listening(*port):
        if time.monotonic() >= deadline:
            return True
        time.sleep(0.1)
    return False


def _becomes_healthy(component: Component, *, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if component.health.problem() is None:
            return True
        time.sleep(0.2)
    return False


def _await_healthy(settings: LocalSettings, component: Component, child: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + component.timeout_s
    while (problem := component.health.problem()) is not None:
        code = None if child is None else child.poll()
        if code is not None:
            problem = f"it ended with {code}"
        elif time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        else:
            problem = f"not healthy after {component.timeout_s:.0f} s: {problem}"
        log = _log(settings, component)
        raise PermanentError(f"{component.name} did not start: {problem}\nthe end of {log}:\n{tail(log)}", reason="ComponentFailed")


def _import_pause_image(settings: LocalSettings, pause: Path) -> None:
    ctr = ["ctr", f"--address={settings.containerd_socket}", "--namespace=k8s.io"]
    archive = settings.run / "pause.tar"
    archive.write_bytes(pack_image(PAUSE_IMAGE, program=pause.read_bytes()))
    run([*ctr, "images", "import", archive])
    archive.unlink()
    # Pinned, or the kubelet's clean-up takes the image that every pod needs and that no registry has.
    run([*ctr, "images", "label", PAUSE_IMAGE, "io.cri-containerd.pinned=pinned"])


def _finish(kubectl: Kubectl, *, since: float | None) -> None:
    """Wait until pods can be created: storage class, node ready (said after `since`), default service account."""

    def is_ready() -> bool:
        node = kubectl.get("node", NODE_NAME)
        for condition in (node or {}).get("status", {}).get("conditions", []):
            if condition["type"] == "Ready" and condition["status"] == "True":
                said = datetime.fromisoformat(condition["lastHeartbeatTime"]).timestamp()
                return since is None or said >= since - 1
        return False

    def has_account() -> bool:
        return kubectl.get("serviceaccount", "default", "default") is not None

    if kubectl.get("storageclass", STORAGE_CLASS) is None:
        poll_until(lambda: _accepted(kubectl), what="the API server accepting the storage class", timeout_s=30)
    poll_until(is_ready, what="the node becoming Ready", timeout_s=90)
    poll_until(has_account, what="the controller-manager making the default service account", timeout_s=60)


def _accepted(kubectl: Kubectl) -> bool:
    try:
        kubectl.apply(_STORAGE_CLASS)
    except KubectlError:
        return False
    return True


def _process_of(component: Component, processes: list[Process]) -> Process | None:
    matching = [process for process in processes if process.component == component.name and process.program == component.program]
    return matching[0] if matching else None


def _log(settings: LocalSettings, component: Component) -> Path:
    return settings.logs / f"{component.name}.log"


def _lock(settings: LocalSettings) -> Path:
    # Not in the state folder: `down --purge` removes that while it holds the lock.
    return Path("/run/lock") / f"{settings.instance}.lock"


def _may_raise_oom_score() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return False

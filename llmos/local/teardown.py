"""Take a node apart: containers, processes, mounts, control groups, network. Works on whatever is left, in whatever state; asks no daemon.

The order matters: first who would restart things (kubelet), then containers, then the control plane, then what they leave in the kernel.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmos.errors import PermanentError
from llmos.local.cgroups import cgroup_processes, remove_cgroup
from llmos.local.command import run, try_run
from llmos.local.network import has_bridge, remove_network
from llmos.local.processes import any_named, find_processes, processes_naming, stop
from llmos.local.progress import step
from llmos.local.settings import LocalSettings

__all__ = ["leftovers", "mounts_below", "take_down"]

_KUBELET_GLOBAL: Final = Path("/var/lib/kubelet/device-plugins")
"""The kubelet makes this folder whatever its --root-dir says."""
_LOG_LINKS: Final = Path("/var/log/containers")
_STOPPING_ORDER: Final = (
    ("kubelet",),
    ("kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "local-volumes"),
    ("kube-apiserver",),
    ("etcd", "registry"),
)


def take_down(settings: LocalSettings) -> None:
    """Stop everything of this cluster and remove what it left in the kernel; state on disk stays."""
    with step("stopping the cluster"):
        _stop_components(settings, ("kubelet",))
        _kill_containers(settings)
        for names in _STOPPING_ORDER[1:]:
            _stop_components(settings, names)
        _forget_containers(settings)
        stop([process.pid for process in find_processes(settings.state)], grace_s=5.0)
        _unmount(settings)
        _remove_cgroup(settings)
        remove_network()
        _remove_small_things(settings)
    if left := leftovers(settings):
        raise PermanentError(f"`llmos down` could not remove: {'; '.join(left)}", reason="LeftBehind")


def leftovers(settings: LocalSettings) -> list[str]:
    """Return what is still there of a cluster that should be down, one phrase each."""
    found = [f"process {process.pid} ({process.program})" for process in find_processes(settings.state)]
    found += [f"container process {pid}" for pid in cgroup_processes(settings.instance)]
    found += [f"mount {path}" for path in mounts_below(settings.state, settings.run)]
    if has_bridge():
        found.append("the pod bridge")
    return found


def mounts_below(*folders: Path) -> list[Path]:
    """Return the mount points at or below these folders, deepest first."""
    mounts = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        path = Path(line.split()[1].encode().decode("unicode_escape"))
        if any(path == folder or folder in path.parents for folder in folders):
            mounts.append(path)
    return sorted(mounts, key=lambda path: -len(path.parts))


def _stop_components(settings: LocalSettings, names: Sequence[str]) -> None:
    stop([process.pid for process in find_processes(settings.state) if process.program in _programs(names)], grace_s=15.0)


def _programs(names: Sequence[str]) -> set[str]:
    return {"docker-registry" if name == "registry" else name for name in names}


def _kill_containers(settings: LocalSettings) -> None:
    """Kill pods' processes and their shims. What pods store lies on disk already, as it would after a power cut."""
    sockets = [path.read_text().strip().removeprefix("unix://") for path in settings.run.glob("containerd/*.v2.task/*/*/address")]
    stop(cgroup_processes(settings.instance), grace_s=0)
    stop(processes_naming(str(settings.containerd_socket)), grace_s=0)
    for socket in sockets:  # in a folder that all containerds share, and a killed shim leaves its own there
        Path(socket).unlink(missing_ok=True)


def _forget_containers(settings: LocalSettings) -> None:
    """Remove the dead containers from containerd's books, if it runs: the next `up` starts pods afresh instead of mourning."""
    if not any(process.program == "containerd" for process in find_processes(settings.state)):
        return
    ctr = ["ctr", f"--address={settings.containerd_socket}", "--namespace=k8s.io", "--timeout=20s"]
    for listing, removal in (("tasks", ["tasks", "delete", "--force"]), ("containers", ["containers", "delete"])):
        names = try_run([*ctr, listing, "list", "--quiet"]).stdout.split()
        if names:
            try_run([*ctr, *removal, *names])


def _unmount(settings: LocalSettings) -> None:
    for path in mounts_below(settings.state, settings.run):
        if try_run(["umount", path]).returncode != 0:
            run(["umount", "--lazy", path])


def _remove_cgroup(settings: LocalSettings) -> None:
    deadline = time.monotonic() + 5.0
    while not remove_cgroup(settings.instance) and time.monotonic() < deadline:
        stop(cgroup_processes(settings.instance), grace_s=0)
        time.sleep(0.05)


def _remove_small_things(settings: LocalSettings) -> None:
    shutil.rmtree(settings.run, ignore_errors=True)
    if _LOG_LINKS.is_dir():
        for link in _LOG_LINKS.iterdir():
            if link.is_symlink() and settings.logs in link.readlink().parents:
                link.unlink()
    if any_named("kubelet"):
        return  # another cluster's: it uses that folder too
    for name in ("kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION"):
        (_KUBELET_GLOBAL / name).unlink(missing_ok=True)
    for folder in (_LOG_LINKS, _KUBELET_GLOBAL, _KUBELET_GLOBAL.parent):
        try:
            folder.rmdir()
        except OSError:
            continue  # not there, or somebody else's things are in it

"""The control group under which the kubelet puts its pods: a folder of ours, so that two clusters do not clean up each other's pods,
and so that `down` finds every container process without asking containerd."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["cgroup_processes", "ensure_cgroup", "remove_cgroup"]


def ensure_cgroup(instance: str) -> None:
    """Make the group under every controller (cgroup v1) or in the one hierarchy (v2)."""
    for hierarchy, is_v1 in _hierarchies():
        folder = hierarchy / instance
        folder.mkdir(exist_ok=True)
        if is_v1 and (folder / "cpuset.cpus").exists():
            # A new v1 cpuset is empty, and no process may enter an empty one.
            for name in ("cpuset.cpus", "cpuset.mems"):
                if not (folder / name).read_text().strip():
                    (folder / name).write_text((hierarchy / name).read_text())


def cgroup_processes(instance: str) -> list[int]:
    """Return every process in the group and below."""
    found: set[int] = set()
    for hierarchy, _ in _hierarchies():
        for listing in (hierarchy / instance).rglob("cgroup.procs"):
            try:
                found.update(int(line) for line in listing.read_text().split())
            except OSError:
                continue  # removed while we looked
    found.discard(0)  # a process of another pid namespace
    return sorted(found)


def remove_cgroup(instance: str) -> bool:
    """Remove the group and all below; return whether nothing is left."""
    clean = True
    for hierarchy, _ in _hierarchies():
        top = hierarchy / instance
        if not top.is_dir():
            continue
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)):
            clean &= _removed(folder)
        clean &= _removed(top)
    return clean


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _hierarchies() -> Iterator[tuple[Path, bool]]:
    """Yield every mounted hierarchy and whether it is of version 1; beside v1 there may be a v2 without controllers."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] in {"cgroup", "cgroup2"}:
            yield Path(fields[1]), fields[2] == "cgroup"

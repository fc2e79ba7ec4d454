"""Taking a source from a mounted ConfigMap: each key is a file, as the kubelet has laid it.

The kubelet lays links to a folder that it swaps when the ConfigMap changes; all keys are read from the folder that is current when reading
begins, so that no snapshot has half of a change. Must not: talk to the API server, or write.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmos.errors import NotFoundError, TransientError
from llmos.workload.transfer import Arrival, arriving_folder, folder_digest, place_inside

__all__ = ["fetch_config_map"]

_CURRENT: Final = "..data"


def fetch_config_map(mounted: Path, keys: Sequence[str], into: Path, *, name: str) -> str:
    """Copy keys into a new folder.

    Args:
        mounted: where the kubelet has mounted it.
        into: must not exist yet; it appears when all are there.
        name: of the ConfigMap, for messages.

    Returns: the digest over names, sizes and hashes of what was taken.
    Raises: NotFoundError if it has no such key (yet); TransientError if it is replaced while it is read.
    """
    # Resolved once: what the link points at never changes, it is only removed.
    current = mounted / _CURRENT
    folder = Path(os.path.realpath(current)) if current.exists() else mounted
    seen: dict[str, tuple[str, int]] = {}
    with arriving_folder(into) as target:
        for key in keys:
            try:
                content = (folder / key).read_bytes()
            except FileNotFoundError:
                if not folder.is_dir():
                    raise TransientError(f"ConfigMap {name} was replaced while it was read", reason="InvalidSource") from None
                found = ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".."))[:8]) or "none"
                raise NotFoundError(f"ConfigMap {name} has no key {key!r:.100}, only {found}; add it", reason="InvalidSource") from None
            with Arrival(place_inside(target, key, "files")) as arrival:
                arrival.append(content)
            seen[key] = arrival.digest(), arrival.size
    return folder_digest(seen)

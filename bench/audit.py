"""Reading the API server's audit log: which requests the operator made. The server counts, not the operator."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["AuditLog", "Requests"]

_READS: Final = frozenset({"get", "list"})


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by verb and resource; long-polling watches are left out."""

    counts: Counter[tuple[str, str]]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def num_writes(self) -> int:
        """Everything that is not a read: dry runs, status and events included."""
        return sum(count for (verb, _), count in self.counts.items() if verb not in _READS)

    def describe(self) -> str:
        """Name the most frequent ones."""
        return ", ".join(f"{verb} {resource} {count}" for (verb, resource), count in self.counts.most_common(8))


class AuditLog:
    """The log of one API server; reading goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def read(self) -> Requests:
        """Return the requests that finished since the last call."""
        counts: Counter[tuple[str, str]] = Counter()
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._offset)
                data = self._rest + log.read()
                self._offset = log.tell()
            *lines, self._rest = data.split(b"\n")
            for line in lines:
                entry = json.loads(line)
                if entry["verb"] != "watch":
                    counts[entry["verb"], _resource(entry)] += 1
        return Requests(counts)


def _resource(entry: dict[str, object]) -> str:
    reference = entry.get("objectRef")
    if not isinstance(reference, dict):
        return str(entry["requestURI"]).split("?")[0]
    name = str(reference.get("resource", ""))
    return f"{name}/{reference['subresource']}" if reference.get("subresource") else name

"""A file that a build reads: where it is, what it is, and how its facts will cite it.

Must not: read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["SourceFile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file to read."""

    source: str
    """Name of the source in the KnowledgeBase."""

    path: str
    """Its path inside the source, as facts will cite it."""

    format: str
    """A key of `FORMATS`."""

    package_version: str
    """Version of what the file came in; used where the file names none itself."""

    location: Path
    """Where it lies now."""

    partition: str = ""
    """Who may see what only such files say; empty: everybody."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """The format's own settings, a mapping of columns say; plain JSON."""

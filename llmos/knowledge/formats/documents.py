"""Documents (text, Markdown, HTML, PDF) → plain paragraphs, each with its section and its place: what extraction works on.

All but plain text are read in a confined process: a PDF is a program in a language of its own, and one that hangs its reader, or wants a
hundred times its size, must cost an error.
Must not: find facts.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmos.errors import ConfigError
from llmos.knowledge.formats.confined import run_confined
from llmos.knowledge.formats.document_text import read_text

__all__ = ["DOCUMENT_FORMATS", "Document", "Paragraph", "read_document"]

DOCUMENT_FORMATS: Final = {"HTML": (".html", ".htm", ".xhtml"), "Markdown": (".md", ".markdown"), "PDF": (".pdf",), "Text": (".txt",)}
"""Format name → how its files end."""

MAXIMUM_BYTES: Final = 64 << 20
"""Larger files are no single document."""

_TIMEOUT_S: Final = 60.0
_MEMORY_BYTES: Final = 2 << 30
_WORKER: Final = "llmos.knowledge.formats.document_worker"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences that stand together, white space folded."""

    text: str
    section: str
    """The headings above it, from the outermost, joined by ` › `; empty before the first."""

    locator: str
    """Where it is, for a reader: `line 12`, `page 3`, or `block 7` of HTML."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as text."""

    title: str
    """What it calls itself, or the file's name."""

    paragraphs: tuple[Paragraph, ...]


def read_document(path: Path, *, format: str = "", timeout_s: float = _TIMEOUT_S, memory_bytes: int = _MEMORY_BYTES) -> Document:
    """Read a document.

    Args:
        path: the file.
        format: a key of `DOCUMENT_FORMATS`; empty: by the file's name.
        timeout_s: after this, reading is given up.
        memory_bytes: address space that reading may take.

    Raises: ConfigError (InvalidSource) if it has no text, is damaged or encrypted, or takes too much; (InvalidSpec) if the format is
    unknown; OSError if it cannot be read.
    """
    format = format or _by_name(path)
    if format not in DOCUMENT_FORMATS:
        raise ConfigError(
            f"the format of {path.name} is unknown; it must be one of {', '.join(sorted(DOCUMENT_FORMATS))}", reason="InvalidSpec"
        )
    if (size := path.stat().st_size) > MAXIMUM_BYTES:
        raise ConfigError(f"{path.name} has {size} bytes, more than a document's {MAXIMUM_BYTES}; split it", reason="InvalidSource")
    data = path.read_bytes()
    if format == "Text":
        title, rows = read_text(data)
    else:
        answer = run_confined(
            _WORKER,
            data,
            arguments=[format],
            what=path.name,
            timeout_s=timeout_s,
            memory_bytes=memory_bytes,
            remedy="give its text in another format, or leave it out",
        )
        title, rows = json.loads(answer)
    if not rows:
        raise ConfigError(f"{path.name} has no text (a scan is a picture); give it as text, or leave it out", reason="InvalidSource")
    return Document(title or path.stem, tuple(Paragraph(*row) for row in rows))


def _by_name(path: Path) -> str:
    return next((name for name, endings in DOCUMENT_FORMATS.items() if path.suffix.lower() in endings), "")

"""Plain text → paragraphs, and what all readers of documents share: sections, folded white space, a bound on a paragraph's length.

Must not: know other formats.
"""

import re
from dataclasses import dataclass, field
from typing import Final

__all__ = ["MAXIMUM_PARAGRAPH_CHARACTERS", "Collector", "Row", "decode", "read_text"]

MAXIMUM_PARAGRAPH_CHARACTERS: Final = 20_000
"""Longer ones are cut at white space: what comes after works on a paragraph at a time."""

_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
_HEAD_BYTES: Final = 2048

Row = tuple[str, str, str]
"""Text, section, locator."""


@dataclass(slots=True)
class Collector:
    """Takes headings and paragraphs in the order of the document."""

    title: str = ""
    rows: list[Row] = field(default_factory=list)
    _headings: dict[int, str] = field(default_factory=dict)

    def heading(self, level: int, text: str, locator: str) -> None:
        """Take a heading; it is a paragraph, too, for it may name something."""
        text = " ".join(text.split())
        if not text:
            return
        self._headings = {above: name for above, name in self._headings.items() if above < level}
        self.paragraph(text, locator)
        self._headings[level] = text
        self.title = self.title or text

    def paragraph(self, text: str, locator: str) -> None:
        """Take a paragraph."""
        section = " › ".join(self._headings[level] for level in sorted(self._headings))
        rest = " ".join(text.split())
        while rest:
            cut = len(rest)
            if cut > MAXIMUM_PARAGRAPH_CHARACTERS:
                # Text without white space, such as Chinese, is cut anywhere.
                cut = rest.rfind(" ", 1, MAXIMUM_PARAGRAPH_CHARACTERS)
                cut = cut if cut > 0 else MAXIMUM_PARAGRAPH_CHARACTERS
            self.rows.append((rest[:cut], section, locator))
            rest = rest[cut:].lstrip()


def decode(data: bytes) -> str:
    """Return text that is UTF-8, or else what it says it is, or else Western European."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = _CHARSET.search(data[:_HEAD_BYTES])
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode(declared[1].decode("ascii") if declared else "cp1252", errors="replace")
    except LookupError:
        return data.decode("cp1252", errors="replace")


def read_text(data: bytes) -> tuple[str, list[Row]]:
    """Return title (none) and paragraphs; an empty line separates two."""
    found = Collector()
    lines: list[str] = []
    first = 1
    for number, line in enumerate([*decode(data).splitlines(), ""], start=1):
        if line.strip():
            first = first if lines else number
            lines.append(line)
        elif lines:
            found.paragraph(" ".join(lines), f"line {first}")
            lines = []
    return "", found.rows

"""Markdown (CommonMark with tables) → paragraphs: the text that a reader sees, under its headings.

Must not: keep markup; HTML inside Markdown is left out.
"""

from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from llmos.knowledge.formats.document_text import Collector, Row, decode

__all__ = ["read_markdown"]

_BREAKS: Final = frozenset({"softbreak", "hardbreak"})
_CODE: Final = frozenset({"fence", "code_block"})


def read_markdown(data: bytes) -> tuple[str, list[Row]]:
    """Return title (the first heading) and paragraphs."""
    found = Collector()
    level, line = 0, 1
    for token in MarkdownIt("commonmark").enable("table").parse(decode(data)):
        if token.map:
            line = token.map[0] + 1
        if token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "heading_close":
            level = 0
        elif token.type == "inline":
            text = _plain(token.children or [])
            if level:
                found.heading(level, text, f"line {line}")
            else:
                found.paragraph(text, f"line {line}")
        elif token.type in _CODE:
            found.paragraph(token.content, f"line {line}")
    return found.title, found.rows


def _plain(tokens: list[Token]) -> str:
    parts = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
        elif token.type in _BREAKS:
            parts.append(" ")
        elif token.type == "image":
            parts.append(_plain(token.children or []))
    return "".join(parts)

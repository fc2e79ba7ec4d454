"""HTML → paragraphs: the text of each block, scripts and hidden parts left out.

The tree is walked without recursion, for pages may nest as deep as they like. Must not: fetch or run anything.
"""

from collections.abc import Iterator
from typing import Any, Final

from selectolax.lexbor import LexborHTMLParser

from llmos.knowledge.formats.document_text import Collector, Row, decode

__all__ = ["read_html"]

_SKIPPED: Final = frozenset({"head", "script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select", "-comment"})
_INLINE: Final = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    ]
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_TEXT: Final = "-text"


def read_html(data: bytes) -> tuple[str, list[Row]]:
    """Return title and paragraphs."""
    tree = LexborHTMLParser(decode(data))
    title = tree.css_first("title")
    found = Collector(title=" ".join(title.text().split()) if title else "")
    if tree.body is None:
        return found.title, []
    pieces: list[str] = []
    heading, num_blocks = 0, 0
    for node, is_entered in _walk(tree.body):
        tag = node.tag
        if tag == _TEXT:
            pieces.append(node.text_content or "")
        elif tag == "br":
            pieces.append(" ")
        elif tag not in _INLINE:
            if any(piece.strip() for piece in pieces):
                num_blocks += 1
                text, locator = "".join(pieces), f"block {num_blocks}"
                if heading:
                    found.heading(heading, text, locator)
                else:
                    found.paragraph(text, locator)
            pieces = []
            heading = _HEADINGS.get(tag, 0) if is_entered else 0
    return found.title, found.rows


def _walk(root: Any) -> Iterator[tuple[Any, bool]]:
    """Return every node when it begins, elements also when they end."""
    node = root
    while True:
        yield node, True
        if node.tag != _TEXT and not _is_skipped(node) and node.child is not None:
            node = node.child
            continue
        while True:
            if node.tag != _TEXT:
                yield node, False
            if node.mem_id == root.mem_id:
                return
            if node.next is not None:
                node = node.next
                break
            node = node.parent


def _is_skipped(node: Any) -> bool:
    return node.tag in _SKIPPED or "hidden" in (node.attributes or {})

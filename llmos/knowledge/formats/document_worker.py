"""The confined process that reads a document: bytes in, JSON of title and paragraphs out.

Must not: be imported by who reads documents; its libraries parse what strangers wrote.
"""

import json
import logging
from collections.abc import Callable, Sequence

from llmos.knowledge.formats.document_text import Row

__all__ = ["work"]


def _reader(format: str) -> Callable[[bytes], tuple[str, list[Row]]]:
    if format == "HTML":
        from llmos.knowledge.formats.document_html import read_html

        return read_html
    if format == "Markdown":
        from llmos.knowledge.formats.document_markdown import read_markdown

        return read_markdown
    from llmos.knowledge.formats.document_pdf import read_pdf

    return read_pdf


def work(data: bytes, arguments: Sequence[str]) -> bytes:
    """Read a document of the format that is named first."""
    logging.disable(logging.CRITICAL)  # pypdf tells of every oddity; only what we raise is of use
    title, rows = _reader(arguments[0])(data)
    # A PDF can hold half of a surrogate pair, which is no text.
    return json.dumps([title, rows], ensure_ascii=False).encode("utf-8", errors="replace")

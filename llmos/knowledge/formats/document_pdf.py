"""PDF → paragraphs, page by page; words that were divided at the end of a line are joined.

Must not: recognise pictures of text.
"""

import io
import re
from typing import Final

import pypdf
from pypdf.errors import PyPdfError

from llmos.knowledge.formats.document_text import Collector, Row

__all__ = ["read_pdf"]

_DIVIDED: Final = re.compile(r"(?<=[^\W\d_])-\n(?=[a-z])")
_BETWEEN: Final = re.compile(r"\n[ \t]*\n")


def read_pdf(data: bytes) -> tuple[str, list[Row]]:
    """Return title and paragraphs; ValueError if it is no PDF, damaged or encrypted."""
    found = Collector()
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise ValueError("it is encrypted")
        title = " ".join((reader.metadata.title or "").split()) if reader.metadata else ""
        for number, page in enumerate(reader.pages, start=1):
            text = _DIVIDED.sub("", page.extract_text())
            for block in _BETWEEN.split(text):
                found.paragraph(block, f"page {number}")
    except (PyPdfError, KeyError, TypeError, AttributeError, RecursionError, IndexError) as error:
        # pypdf meets damage with whatever its code happened to do next.
        raise ValueError(f"it is damaged: {error}") from error
    return title, found.rows

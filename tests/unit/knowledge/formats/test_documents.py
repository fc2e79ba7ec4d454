"""Documents become paragraphs with their place; what cannot be read, or takes too long, is an error with a remedy."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import pytest

from llmos.errors import ConfigError
from llmos.knowledge.formats.document_html import read_html
from llmos.knowledge.formats.document_markdown import read_markdown
from llmos.knowledge.formats.document_pdf import read_pdf
from llmos.knowledge.formats.document_text import MAXIMUM_PARAGRAPH_CHARACTERS, read_text
from llmos.knowledge.formats.documents import Paragraph, read_document

MARKDOWN = """# Fever

A fever is *raised* temperature,
see [the page](http://example.org).

## Causes
- infection
- `heat`

| sign | share |
|---|---|
| chills | 40 % |

<script>alert(1)</script>
"""
HTML = """<!doctype html><html><head><title>Fever &amp; more</title><style>p {}</style></head><body>
<nav hidden>menu</nav><h1>Fever</h1><p>A <b>fever</b> is raised<br>temperature.</p><script>var x = 1</script>
<h2>Causes</h2><ul><li>infection</li><li>heat</li></ul><div>loose <p>inner</p> tail</div></body></html>"""


def pdf(*pages: str, stream: bytes = b"", packed: bytes = b"") -> bytes:
    """A PDF with a page for each text; or one page, with this content, or what it is when it is packed."""
    contents = [packed or zlib.compress(content, 9) for content in ([page.encode("latin-1") for page in pages] or [stream])]
    kids = " ".join(f"{3 + 2 * index} 0 R" for index in range(len(contents)))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode()]
    font = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for index, data in enumerate(contents):
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R /Resources %b >>" % (4 + 2 * index, font))
        objects.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(data), data))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%btrailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        count,
        table,
        count,
        len(out),
    )


def lines(*texts: str) -> str:
    return "BT /F1 12 Tf 14 TL 50 700 Td " + " ".join(f"({text}) Tj T*" for text in texts) + " ET"


def test_markdown_is_what_its_reader_sees_under_its_headings() -> None:
    assert read_markdown(MARKDOWN.encode()) == (
        "Fever",
        [
            ("Fever", "", "line 1"),
            ("A fever is raised temperature, see the page.", "Fever", "line 3"),
            ("Causes", "Fever", "line 6"),
            ("infection", "Fever › Causes", "line 7"),
            ("heat", "Fever › Causes", "line 8"),
            ("sign", "Fever › Causes", "line 10"),
            ("share", "Fever › Causes", "line 10"),
            ("chills", "Fever › Causes", "line 12"),
            ("40 %", "Fever › Causes", "line 12"),
        ],
    )


def test_html_is_the_text_of_its_blocks_without_scripts_and_hidden_parts() -> None:
    assert read_html(HTML.encode()) == (
        "Fever & more",
        [
            ("Fever", "", "block 1"),
            ("A fever is raised temperature.", "Fever", "block 2"),
            ("Causes", "Fever", "block 3"),
            ("infection", "Fever › Causes", "block 4"),
            ("heat", "Fever › Causes", "block 5"),
            ("loose", "Fever › Causes", "block 6"),
            ("inner", "Fever › Causes", "block 7"),
            ("tail", "Fever › Causes", "block 8"),
        ],
    )


def test_pages_may_nest_deeper_than_python_may_recurse() -> None:
    assert [row[0] for row in read_html(b"<div>" * 3_000 + b"deep")[1]] == ["deep"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("<p>发烧".encode(), "发烧"),
        ('<meta charset="gb18030"><p>发烧'.encode("gb18030"), "发烧"),
        ("<p>caf\xe9".encode("cp1252"), "café"),
        ("<p>שלום".encode("utf-16"), "שלום"),
    ],
    ids=["utf-8", "declared", "western", "utf-16"],
)
def test_pages_are_read_in_the_encoding_they_have(data: bytes, text: str) -> None:
    assert [row[0] for row in read_html(data)[1]] == [text]


def test_text_is_divided_at_empty_lines() -> None:
    assert read_text(b"\xef\xbb\xbfone\r\ntwo\r\n\r\n\r\n  three") == ("", [("one two", "", "line 1"), ("three", "", "line 5")])


def test_a_paragraph_without_end_is_cut_at_white_space_and_loses_nothing() -> None:
    text = "word " * 10_000
    rows = read_text(text.encode())[1]
    assert all(len(row[0]) <= MAXIMUM_PARAGRAPH_CHARACTERS for row in rows)
    assert " ".join(row[0] for row in rows) == text.strip()
    assert "".join(row[0] for row in read_text(("烧" * 50_000).encode())[1]) == "烧" * 50_000


def test_a_pdf_is_read_page_by_page_and_divided_words_are_joined() -> None:
    title, rows = read_pdf(pdf(lines("A fever is a raised tem-", "perature of the body."), lines("Page two.")))
    assert title == ""
    assert rows == [("A fever is a raised temperature of the body.", "", "page 1"), ("Page two.", "", "page 2")]


def test_a_document_is_read_by_its_name_and_titled_by_it_where_it_has_no_title(tmp_path: Path) -> None:
    (tmp_path / "fever.pdf").write_bytes(pdf(lines("Raised.")))
    document = read_document(tmp_path / "fever.pdf")
    assert (document.title, document.paragraphs) == ("fever", (Paragraph("Raised.", "", "page 1"),))
    (tmp_path / "note.txt").write_text("Text.")
    assert read_document(tmp_path / "note.txt").paragraphs[0].locator == "line 1"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.pdf", b"%PDF-1.4 nothing more", "cannot be read: it is damaged"),
        ("a.pdf", pdf(lines()), "has no text"),
        ("a.txt", b" \n ", "has no text"),
        ("a.docx", b"PK", "format of a.docx is unknown"),
    ],
    ids=["damaged", "a scan", "blank", "another format"],
)
def test_a_document_without_text_is_an_error(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        read_document(tmp_path / name)


SHOWN_FOR_EVER = pdf(stream=b"BT /F1 12 Tf " + b"(a) Tj " * 1_000_000 + b"ET")
"""What pypdf needs grows with the square of the texts on a page: this takes minutes."""


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.pdf", SHOWN_FOR_EVER), pytest.param("a.html", b"<div>" * 200_000 + b"deep", marks=pytest.mark.soak)],
    ids=["PDF", "HTML"],
)
def test_a_document_that_hangs_its_reader_is_given_up(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    started = time.monotonic()
    with pytest.raises(ConfigError, match=f"{name} took more than 1 s and was given up"):
        read_document(tmp_path / name, timeout_s=1)
    assert time.monotonic() - started < 10


@pytest.mark.soak
def test_a_pdf_that_unpacks_to_a_gigabyte_is_an_error_in_bounded_memory(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"(a) Tj \n" * 131_072) for _ in range(1024)) + packer.flush()
    (tmp_path / "a.pdf").write_bytes(pdf(packed=packed))
    assert len(packed) < 8 << 20
    with pytest.raises(ConfigError, match=r"a\.pdf (cannot be read|has no text|took more)"):
        read_document(tmp_path / "a.pdf", memory_bytes=1 << 30, timeout_s=20)


def test_a_document_that_is_too_large_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmos.knowledge.formats.documents.MAXIMUM_BYTES", 10)
    (tmp_path / "a.txt").write_text("eleven chars")
    with pytest.raises(ConfigError, match="split it"):
        read_document(tmp_path / "a.txt")

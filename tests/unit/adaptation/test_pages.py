"""The pages say what is known: no placeholder is left where a figure belongs."""

import re
from pathlib import Path

import pytest

import llmos

PAGES = sorted((Path(llmos.__file__).parents[1] / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_of_a_page_is_a_placeholder(page: Path) -> None:
    assert re.findall(r"^(?:[A-Z]{3,}|TODO.*|TBD.*|FIXME.*)$", page.read_text(), re.MULTILINE) == []

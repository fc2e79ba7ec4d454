"""`docs/api.md` says what the CRDs say."""

from __future__ import annotations

from docs import generate_api


def test_the_page_is_current() -> None:
    assert generate_api.render() == generate_api.PAGE.read_text(encoding="utf-8"), "run python docs/generate_api.py"

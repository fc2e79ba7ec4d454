"""The termination message: whole JSON within the kubelet's limit, whatever is in it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.workload.termination import _encode, write_termination

DIGEST = "sha256:" + "a" * 64


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200).map(lambda text: text * 60))
def test_any_text_fits(text: str) -> None:
    data = _encode({"reason": "JobFailed", "message": text, "digest": DIGEST, "inputsHash": DIGEST})
    assert len(data) <= 4096
    document = json.loads(data)
    assert (document["reason"], document["digest"], document["inputsHash"]) == ("JobFailed", DIGEST, DIGEST)
    assert document["message"] == text or (document["message"].endswith("…") and text.startswith(document["message"][:-1]))


def test_little_is_lost_of_a_long_text(tmp_path: Path) -> None:
    write_termination(reason="JobFailed", message="x" * 10_000, path=tmp_path / "log")
    assert 4000 <= (tmp_path / "log").stat().st_size <= 4096


def test_the_message_is_one_line_without_credentials(tmp_path: Path) -> None:
    write_termination(reason="JobFailed", message="first\nsecond  https://u:secret@host/x", path=tmp_path / "log")
    assert json.loads((tmp_path / "log").read_text()) == {"reason": "JobFailed", "message": "first second https://***@host/x"}


def test_outside_a_pod_it_is_only_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_termination(reason="Imported", message="done", path=tmp_path / "absent/log")
    assert "not written" in caplog.text

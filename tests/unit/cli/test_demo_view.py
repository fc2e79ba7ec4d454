"""The demo's view of conditions: what it shows, when it ends, when it gives up."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from llmos.cli import main as cli
from llmos.cli.demo.command import example_objects
from llmos.cli.demo.watch import read_row, wait_until_ready
from llmos.errors import PermanentError, TransientError
from llmos.local.kubectl import Kubectl, KubectlError


def _document(*, ready: str, reason: str = "Serving", stalled: bool = False, generation: int = 1, observed: int = 1) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "reason": reason, "message": f"{reason} it is"}]
    if stalled:
        conditions.append({"type": "Stalled", "status": "True", "reason": reason, "message": ""})
    return {
        "kind": "Model",
        "metadata": {"name": "minilm", "generation": generation},
        "status": {"observedGeneration": observed, "conditions": conditions},
    }


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def _wait(states: Iterator[list[dict[str, Any]]], *, timeout_s: float = 10, terminal: bool = False) -> tuple[str, Any]:
    time, out = FakeTime(), io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200)
    rows = wait_until_ready(lambda: next(states), console=console, timeout_s=timeout_s, clock=time.clock, sleep=time.sleep)
    return out.getvalue(), rows


def test_prints_each_change_once_and_ends_when_all_are_ready() -> None:
    running, done = [_document(ready="False", reason="JobRunning")], [_document(ready="True")]
    printed, rows = _wait(iter([running, running, done]))
    assert printed.count("JobRunning it is") == 1
    assert printed.count("Serving it is") == 1
    assert [row.ready for row in rows] == ["True"]


def test_a_stalled_object_ends_the_wait_with_its_reason_and_message() -> None:
    states = iter([[_document(ready="False", reason="ChecksumMismatch", stalled=True)]])
    with pytest.raises(PermanentError, match="Model/minilm is stalled: ChecksumMismatch: ChecksumMismatch it is"):
        _wait(states)


def test_running_out_of_time_names_what_it_waited_for() -> None:
    def forever() -> Iterator[list[dict[str, Any]]]:
        while True:
            yield [_document(ready="False", reason="PodUnschedulable")]

    with pytest.raises(TransientError, match=r"not ready after 5 s: Model/minilm: PodUnschedulable"):
        _wait(forever(), timeout_s=5)


def test_conditions_of_an_older_generation_do_not_count() -> None:
    assert read_row(_document(ready="True", generation=2, observed=1)).ready == "Unknown"


def test_an_object_nobody_has_looked_at_yet_is_unknown() -> None:
    row = read_row({"kind": "Model", "metadata": {"name": "new", "generation": 1}})
    assert (row.ready, row.reason, row.stalled) == ("Unknown", "Initializing", False)


@pytest.mark.parametrize("words", ["[spec.x: Invalid value]", "see [/usr/lib/x]"])
def test_brackets_in_a_message_are_shown_as_they_are(words: str) -> None:
    document = _document(ready="True")
    document["status"]["conditions"][0]["message"] = words
    for terminal in (False, True):
        printed, _ = _wait(iter([[document]]), terminal=terminal)
        assert words in printed


def test_one_call_that_fails_does_not_end_the_wait_and_half_a_minute_of_them_does() -> None:
    def refuse() -> list[dict[str, Any]]:
        raise KubectlError("etcdserver: request timed out")

    def wait(times: int) -> Any:
        time, states = FakeTime(), iter([lambda: [_document(ready="False")], *[refuse] * times, lambda: [_document(ready="True")]])
        console = Console(file=io.StringIO())
        return wait_until_ready(lambda: next(states)(), console=console, timeout_s=600, clock=time.clock, sleep=time.sleep)

    assert [row.ready for row in wait(20)] == ["True"]
    with pytest.raises(KubectlError, match="request timed out"):
        wait(40)


def test_only_the_objects_of_the_example_are_watched_in_their_order(tmp_path: Path) -> None:
    listed = [
        ("InferenceService", "phenotype"),
        ("Model", "a-stranger"),
        ("Model", "organ-system"),
        ("KnowledgeBase", "hpo"),
        ("Model", "minilm"),
    ]
    items = [{"kind": kind, "metadata": {"name": name}} for kind, name in listed]
    (tmp_path / "list.json").write_text(json.dumps({"items": items}))
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/list.json\n")
    program.chmod(0o755)
    found = example_objects(Kubectl(Path("/c"), program=program))
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [
        ("Model", "minilm"),
        ("KnowledgeBase", "hpo"),
        ("Model", "organ-system"),
        ("InferenceService", "phenotype"),
    ]


@pytest.mark.parametrize("words", ["[spec.x: Invalid value]", "see [/usr/lib/x]"])
def test_an_error_is_printed_as_it_was_said(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise PermanentError(words, reason="CommandFailed")

    out = io.StringIO()
    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(cli, "console", Console(file=out, width=200))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (out.getvalue(), ended.value.code) == (f"error: {words}\n", 65)

"""The demo's view of conditions: what it shows, when it ends, when it gives up."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from llmos.cli.demo.watch import read_row, wait_until_ready
from llmos.errors import PermanentError, TransientError


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


def _wait(states: Iterator[list[dict[str, Any]]], *, timeout_s: float = 10) -> tuple[str, Any]:
    time, out = FakeTime(), io.StringIO()
    console = Console(file=out, force_terminal=False, width=200)
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

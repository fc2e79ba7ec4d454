"""Progress reports: rarely, with a fresh token, and never at the work's expense."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmos.workload import ObjectRef, Reporter
from llmos.workload.config import Report

OBJECT = ObjectRef(kind="Model", namespace="demo", name="minilm", uid="u-1")


class Operator:
    """The report endpoint, as far as a reporter sees it."""

    def __init__(self, status: int = 202) -> None:
        self.status = status
        self.bodies: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.times: list[float] = []
        self.arrived = threading.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.read()))
        self.tokens.append(request.headers["authorization"])
        self.times.append(time.monotonic())
        self.arrived.set()
        return httpx.Response(self.status)

    def wait(self) -> None:
        assert self.arrived.wait(5), "no report arrived"
        self.arrived.clear()


@pytest.fixture
def report(tmp_path: Path) -> Report:
    (tmp_path / "token").write_text("one\n")
    return Report(url="https://operator.test/v1/reports", caBundle="", tokenFile=tmp_path / "token")


def reporter(report: Report, handle: Callable[[httpx.Request], httpx.Response], **options: Any) -> Reporter:
    return Reporter(report, OBJECT, transport=httpx.MockTransport(handle), **({"interval_s": 0.15} | options))


def test_a_report_names_object_phase_and_percent(report: Report) -> None:
    operator = Operator()
    with reporter(report, operator) as sender:
        sender.progress("Export", 40, "Float32")
        operator.wait()
    assert operator.bodies == [
        {
            "object": {"kind": "Model", "namespace": "demo", "name": "minilm", "uid": "u-1"},
            "phase": "Export",
            "message": "Float32",
            "percent": 40,
        }
    ]


def test_news_comes_at_most_once_an_interval_and_the_latest_wins(report: Report) -> None:
    operator = Operator()
    with reporter(report, operator) as sender:
        sender.progress("Train", 0)
        operator.wait()
        for percent in range(1, 100):
            sender.progress("Train", percent)
        operator.wait()
    assert [body["percent"] for body in operator.bodies] == [0, 99]
    assert operator.times[1] - operator.times[0] >= 0.14


def test_the_token_is_read_again_for_each_report(report: Report) -> None:
    operator = Operator()
    with reporter(report, operator, interval_s=0.01) as sender:
        sender.progress("Train", 1)
        operator.wait()
        report.token_file.write_text("two")
        sender.progress("Train", 2)
        operator.wait()
    assert operator.tokens == ["Bearer one", "Bearer two"]


def test_a_sidecar_repeats_what_it_serves(report: Report) -> None:
    operator = Operator()
    with reporter(report, operator, interval_s=0.01, repeat_s=0.02) as sender:
        sender.active(pod="phenotype-1", model="sha256:m", knowledge=[{"name": "hpo", "digest": "sha256:k"}])
        operator.wait()
        operator.wait()
    assert operator.bodies[0] == operator.bodies[1]
    assert operator.bodies[0]["active"] == {"knowledge": [{"name": "hpo", "digest": "sha256:k"}], "model": "sha256:m"}


def test_an_operator_that_is_away_or_refuses_costs_nothing(report: Report) -> None:
    calls = threading.Semaphore(0)

    def away(_request: httpx.Request) -> httpx.Response:
        calls.release()
        raise httpx.ConnectError("no route to host")

    with reporter(report, away, interval_s=0.01) as sender:
        for _ in range(2):
            sender.progress("Train", 1)
            assert calls.acquire(timeout=5), "it gave up after the first failure"
    refusing = Operator(status=403)
    with reporter(report, refusing, interval_s=0.01) as sender:
        sender.progress("Train", 1)
        refusing.wait()


def test_a_missing_token_or_a_broken_ca_costs_nothing(report: Report, tmp_path: Path) -> None:
    operator = Operator()
    report.token_file.unlink()
    with reporter(report, operator) as sender:
        sender.progress("Train", 1)
    broken = Report(url="https://operator.test/v1/reports", caBundle="not PEM", tokenFile=tmp_path / "token")
    with Reporter(broken, OBJECT) as sender:
        sender.progress("Train", 1)
    assert operator.bodies == []


def test_without_an_endpoint_no_thread_is_started() -> None:
    before = threading.active_count()
    with Reporter(None, OBJECT) as sender:
        sender.progress("Train", 1)
        assert threading.active_count() == before


def test_closing_does_not_wait_for_the_interval(report: Report) -> None:
    operator = Operator()
    started = time.monotonic()
    with reporter(report, operator, interval_s=60) as sender:
        sender.progress("Train", 1)
        operator.wait()
        sender.progress("Train", 2)
    assert time.monotonic() - started < 2
    assert len(operator.bodies) == 1


def test_a_plan_travels_with_every_later_report(report: Report) -> None:
    operator = Operator()
    with reporter(report, operator) as sender:
        sender.plan({"parameters": 7}, "7 parameters")
        operator.wait()
        sender.progress("Export", 0)
        operator.wait()
    assert [(body["phase"], body["plan"]) for body in operator.bodies] == [("Plan", {"parameters": 7}), ("Export", {"parameters": 7})]


def test_the_last_news_can_be_waited_for(report: Report) -> None:
    operator = Operator()
    with reporter(report, operator) as sender:
        sender.progress("Download", 100)
        operator.wait()
        sender.plan({"parameters": 7}, "too large")
        sender.flush()
    assert operator.bodies[-1]["message"] == "too large"


def test_each_phase_is_timed_and_one_that_comes_again_is_added_up() -> None:
    now = [0.0]
    reporter = Reporter(None, OBJECT, clock=lambda: now[0])
    for phase, seconds in (("Download", 3.0), ("Download", 1.0), ("Push", 2.0), ("Export", 5.0), ("Push", 0.5)):
        reporter.progress(phase)
        now[0] += seconds
    assert reporter.phase_seconds() == {"Download": 4.0, "Push": 2.5, "Export": 5.0}
    now[0] += 100
    assert reporter.phase_seconds()["Push"] == 2.5

"""The benchmark's judgement: what passes a bar, and what the audit log counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.audit import AuditLog
from bench.figures import Figure, bounded, informative, print_figures, ratio
from bench.objects import build_services, copies_of


def test_a_ratio_passes_only_if_its_interval_clears_the_bar() -> None:
    assert ratio("r", [3.0, 3.1, 3.2, 3.1, 3.0], bar=4, compare="", detail="").verdict == "pass"
    assert ratio("r", [5.0, 5.1, 5.2, 5.1, 5.0], bar=4, compare="", detail="").verdict == "FAIL"
    undecided = ratio("r", [3.0, 3.5, 3.9, 4.5, 5.0], bar=4, compare="", detail="")
    assert undecided.verdict == "unresolved"
    assert undecided.to_json()["ok"] is False


def test_few_repeats_have_no_interval() -> None:
    assert ratio("r", [3.0, 5.0], bar=4, compare="", detail="").interval is None


def test_a_count_is_judged_by_its_worst_run() -> None:
    assert bounded("writes", [0, 0, 1], "requests", bar=0).verdict == "FAIL"
    assert bounded("writes", [0, 0, 0], "requests", bar=0).verdict == "pass"


def test_the_last_line_is_json_with_a_verdict_for_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    print_figures([bounded("memory", [301.0], "MiB", bar=300), informative("floor", [1.0, 3.0], "s")])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == [
        {"name": "memory", "value": 301.0, "unit": "MiB", "bar": 300, "ok": False},
        {"name": "floor", "value": 2.0, "unit": "s", "bar": None, "ok": True},
    ]


def test_a_figure_without_a_bar_has_no_verdict() -> None:
    assert Figure("floor", 1.0, "s").verdict == ""


def write(path: Path, *entries: dict[str, Any], end: str = "\n") -> None:
    with path.open("a") as log:
        log.write("\n".join(json.dumps(entry) for entry in entries) + end)


def entry(verb: str, resource: str, subresource: str = "") -> dict[str, Any]:
    return {"verb": verb, "requestURI": "/x", "objectRef": {"resource": resource, "subresource": subresource}}


def test_the_audit_log_counts_writes_and_leaves_watches_out(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    assert log.read().total == 0
    write(
        tmp_path / "audit.log", entry("list", "pods"), entry("watch", "pods"), entry("patch", "models", "status"), entry("create", "events")
    )
    found = log.read()
    assert (found.total, found.num_writes) == (3, 2)
    assert "patch models/status 1" in found.describe()


def test_the_audit_log_is_read_on_from_where_it_stopped_even_inside_a_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    write(tmp_path / "audit.log", entry("get", "pods"), {"verb": "create"}, end="")
    (tmp_path / "audit.log").write_text((tmp_path / "audit.log").read_text()[:-5])
    assert log.read().total == 1
    with (tmp_path / "audit.log").open("a") as rest:
        rest.write('ate", "requestURI": "/apis?x=1"}\n')
    assert log.read().num_writes == 1


def test_every_service_gets_children_of_its_own_name() -> None:
    names = [service["metadata"]["name"] for service in build_services(3)]
    children = [{"kind": "Service", "metadata": {"name": names[0]}, "spec": {"selector": {"llmos.dev/inferenceservice": names[0]}}}]
    copies = list(copies_of(children, 3))
    assert [copy["metadata"]["name"] for copy in copies] == names
    assert [copy["spec"]["selector"]["llmos.dev/inferenceservice"] for copy in copies] == names

"""What an event does before anything is reconciled: whom it concerns, and whose object it is."""

from __future__ import annotations

from typing import Any

import pytest

from llmos_operator.clock import SystemClock
from llmos_operator.cluster import Cache
from llmos_operator.handlers.intake import Intake
from llmos_operator.metrics import Metrics
from llmos_operator.names import ObjectKey
from llmos_operator.report.store import ReportStore


def _model(**labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "llmos.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "minilm", "namespace": "demo", "uid": "1", "resourceVersion": "1", "generation": 1, "labels": labels},
        "spec": {"task": "FeatureExtraction", "source": {}},
    }


@pytest.mark.parametrize(
    ("labels", "enqueued"),
    [
        ({}, True),
        ({"llmos.dev/installation": "llmos-system.llmos"}, True),
        ({"llmos.dev/installation": "elsewhere.llmos"}, False),
    ],
    ids=[
        "an object without the label is anyone's",
        "an object labelled with this installation is ours",
        "another installation's object is left alone",
    ],
)
def test_an_object_is_enqueued_unless_it_is_another_installations(labels: dict[str, str], enqueued: bool) -> None:
    seen: list[ObjectKey] = []
    intake = Intake(Cache(), ReportStore(), Metrics(), SystemClock(), installation_id="llmos-system/llmos", enqueue=seen.append)
    body = _model(**labels)
    intake.remember(body)
    intake.happened({"type": "ADDED", "object": body})
    assert [key.name for key in seen] == (["minilm"] if enqueued else [])

"""Eight bits on the cluster: made, measured, judged, chosen and served; and what cannot run is said, not served."""

from __future__ import annotations

from typing import Any

import pytest

from llmos.cli.demo.ask import ask, forwarded
from llmos.cli.demo.checks import QUESTION
from tests.cluster.world import World, example_documents

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


def _example(kind: str, name: str) -> dict[str, Any]:
    return next(item for item in example_documents() if (item["kind"], item["metadata"]["name"]) == (kind, name))


def test_a_service_that_names_no_precision_serves_the_eight_bits_that_passed(demo: World) -> None:
    model, service = _example("Model", "organ-system"), _example("InferenceService", "phenotype")
    model["metadata"]["name"] = service["metadata"]["name"] = "eight-bits"
    model["spec"]["onnx"]["precisions"] = ["Float32", "BFloat16", "Int8Dynamic"]
    # Wide on purpose: how much eight bits cost on 2,403 items is measured by the gate's own tests and by bench.quantization.
    model["spec"]["evaluation"] = {**model["spec"]["evaluation"], "maximumDrop": "0.05"}
    del service["spec"]["precision"], service["spec"]["knowledge"]
    service["spec"]["model"] = {"name": "eight-bits"}
    demo.apply(model)
    demo.apply(service)

    version = demo.until_ready("Model", "eight-bits", timeout_s=600)["status"]["version"]
    exports = {item["precision"]: item for item in version["onnx"]}
    assert set(exports) == {"Float32", "Int8Dynamic"}
    refused = {item["precision"]: item["reason"] for item in version["refused"]}
    assert refused == {"BFloat16": "PrecisionUnsupported"}
    assert version["precision"] == "Int8Dynamic", version["precisionReason"]
    int8, float32 = exports["Int8Dynamic"], exports["Float32"]
    assert int8["batching"] == float32["batching"] == "Joined"
    assert float(int8["p50MillisecondsBatch1"]) < float(float32["p50MillisecondsBatch1"])
    assert int8["sizeBytes"] < 0.7 * float32["sizeBytes"]

    demo.until_ready("InferenceService", "eight-bits", timeout_s=180)
    argv = [*demo.kubectl.argv(), "port-forward", "service/eight-bits", ":8080"]
    with forwarded(argv, environment=demo.kubectl.environment()) as url:
        answer = ask(url, QUESTION)
    assert answer["model"]["precision"] == "Int8Dynamic"
    demo.run("delete", "inferenceservice", "eight-bits")
    demo.run("delete", "model", "eight-bits")

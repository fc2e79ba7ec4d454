"""The main job on a real cluster: apply the example, become ready, ask, and check the answer; then what must stay true afterwards."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import time
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from llmos.cli.demo.ask import ask, forwarded
from llmos.cli.demo.checks import QUESTION, check_demo
from llmos.local.cluster import Cluster
from tests.cluster.installation import Installation
from tests.cluster.world import EXAMPLE, ROOT, World, condition, example_documents, is_ready, names

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

VERSIONED = EXAMPLE[:4]


def _digest(document: dict[str, Any]) -> str:
    status = document["status"]
    return str((status.get("version") or status.get("snapshot"))["digest"])


def _forwarded(world: World) -> AbstractContextManager[str]:
    return forwarded([*world.kubectl.argv(), "port-forward", "service/phenotype", ":8080"], environment=world.kubectl.environment())


def _ask(world: World, text: str = QUESTION) -> dict[str, Any]:
    with _forwarded(world) as url:
        return ask(url, text)


def test_the_example_becomes_ready_and_answers_with_facts_from_the_graph(demo: World) -> None:
    objects = {(kind, name): demo.get(kind, name) for kind, name in EXAMPLE}
    checks = check_demo(
        answer=_ask(demo),
        training=objects["TrainingJob", "organ-system"] or {},
        model=objects["Model", "organ-system"] or {},
        knowledge=objects["KnowledgeBase", "hpo"] or {},
    )
    assert [f"{check.title}: {check.found}" for check in checks if not check.ok] == []


def test_each_ready_object_was_built_by_exactly_one_job(demo: World) -> None:
    jobs = demo.list("job")
    assert len(jobs) == len(VERSIONED), names(jobs)
    assert {job["metadata"]["labels"]["llmos.dev/attempt"] for job in jobs} == {"0"}


def test_triton_refuses_connections_on_the_address_of_the_pod(demo: World) -> None:
    pod = demo.list("pod", "llmos.dev/inferenceservice=phenotype")[0]
    # From inside the pod: there the address is certainly reachable, and nothing between could be what refuses.
    program = "import socket, sys\nfor port in (8000, 8001, 8002, 8080): print(port, socket.socket().connect_ex((sys.argv[1], port)))"
    found = demo.run("exec", pod["metadata"]["name"], "-c", "sidecar", "--", "python", "-c", program, pod["status"]["podIP"])
    assert found.split("\n")[:4] == [f"8000 {errno.ECONNREFUSED}", f"8001 {errno.ECONNREFUSED}", f"8002 {errno.ECONNREFUSED}", "8080 0"]


def test_bad_requests_are_answered_with_problem_documents(demo: World) -> None:
    with _forwarded(demo) as url, httpx.Client(base_url=url, trust_env=False) as client:
        empty = client.post("/v1/predict", json={})
        long = client.post("/v1/predict", json={"text": "a" * 5000})
        raw = client.post("/v2/models/model/infer", json={})
    assert {response.headers["content-type"] for response in (empty, long)} == {"application/problem+json"}
    assert (empty.status_code, long.status_code) == (422, 413)
    assert raw.status_code in (403, 404)


def test_an_operator_that_restarts_with_nothing_changed_writes_nothing(demo: World, restart_operator: Any) -> None:
    before = demo.resource_versions()
    restart_operator()
    time.sleep(10)
    assert demo.resource_versions() == before


def test_status_jobs_and_pods_deleted_all_return_without_work_being_repeated(demo: World) -> None:
    digests = {pair: _digest(demo.get(*pair) or {}) for pair in VERSIONED}
    demo.run("delete", "jobs", "--all", "--cascade=foreground", "--wait=true")
    for kind, name in EXAMPLE:
        demo.run("patch", kind.lower(), name, "--subresource=status", "--type=merge", "--patch", '{"status": null}')
    demo.run("delete", "pods", "--all", "--wait=true")
    for kind, name in EXAMPLE:
        demo.until_ready(kind, name, timeout_s=180)
    assert {pair: _digest(demo.get(*pair) or {}) for pair in VERSIONED} == digests
    assert demo.list("job") == []


def test_a_new_snapshot_is_switched_to_without_restarting_the_pod(demo: World) -> None:
    pods = {pod["metadata"]["uid"] for pod in demo.list("pod", "llmos.dev/inferenceservice=phenotype")}
    knowledge = next(document for document in example_documents() if document["kind"] == "KnowledgeBase")
    knowledge["spec"]["linking"]["minimumNameCharacters"] = 4
    old = _digest(demo.get("KnowledgeBase", "hpo") or {})
    demo.apply(knowledge)
    new = _digest(
        demo.until(
            lambda: demo.get("KnowledgeBase", "hpo"),
            lambda item: is_ready(item) and _digest(item) != old,
            timeout_s=300,
            what="the new snapshot is built",
        )
    )
    began = time.monotonic()
    demo.until(
        lambda: demo.get("InferenceService", "phenotype"),
        lambda item: condition(item, "SnapshotActive").get("status") == "True" and item["status"]["knowledge"][0]["digest"] == new,
        timeout_s=60,
        what="the service has switched",
    )
    assert time.monotonic() - began <= 15
    assert _ask(demo)["knowledge"][0]["digest"] == new
    assert {pod["metadata"]["uid"] for pod in demo.list("pod", "llmos.dev/inferenceservice=phenotype")} == pods

    demo.run("patch", "knowledgebase", "hpo", "--type=merge", "--patch", f'{{"spec": {{"snapshot": {{"pinned": "{old}"}}}}}}')
    demo.until(
        lambda: demo.get("InferenceService", "phenotype"),
        lambda item: item["status"]["knowledge"][0]["digest"] == old and is_ready(item),
        timeout_s=60,
        what="the service is back on the pinned snapshot",
    )
    assert _ask(demo)["knowledge"][0]["digest"] == old


def test_the_same_weights_from_addresses_are_the_same_payload(demo: World, cluster: Cluster, installation: Installation) -> None:
    """A registry serves its blobs by HTTP under their SHA-256: addresses as anybody's mirror has them."""
    weights = (demo.get("Model", "minilm") or {})["status"]["version"]["weights"]["digest"]
    base = f"http{'' if cluster.plain_http else 's'}://{cluster.registry}/v2/{installation.repository}/{demo.namespace}/model/minilm"
    with httpx.Client(trust_env=not cluster.is_local) as client:
        answer = client.get(f"{base}/manifests/{weights}", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    layers = answer.raise_for_status().json()["layers"]
    paths = [layer["annotations"]["org.cncf.model.filepath"] for layer in layers]
    files = [
        {"url": f"{base}/blobs/{layer['digest']}", "sha256": layer["digest"].removeprefix("sha256:"), "path": path}
        for layer, path in zip(layers, paths, strict=True)
    ]
    demo.apply(
        {
            **_document("Model", "minilm"),
            "metadata": {"name": "mirrored"},
            "spec": {"task": "FeatureExtraction", "source": {"http": {"files": files}}},
        }
    )
    ready = demo.until_ready("Model", "mirrored", timeout_s=300)
    assert ready["status"]["version"]["weights"]["digest"] == weights
    demo.run("delete", "model", "mirrored")


def test_a_model_below_its_minimum_says_by_how_much_and_is_served_by_nothing(demo: World) -> None:
    model = _document("Model", "organ-system")
    model["metadata"]["name"] = "too-good-to-be-true"
    model["spec"]["evaluation"]["minimum"] = "0.95"
    service = _document("InferenceService", "phenotype")
    service["metadata"]["name"] = "waiting"
    service["spec"]["model"]["name"] = model["metadata"]["name"]
    demo.apply(model, service)
    said = demo.until(
        lambda: condition(demo.get("Model", "too-good-to-be-true"), "Stalled"), bool, timeout_s=300, what="the gate has decided"
    )
    assert said["reason"] == "GateFailed"
    assert re.search(r"Float32: Accuracy is 0\.\d+ \(0\.\d+ to 0\.\d+\) and must be at least 0\.95: missed by 0\.\d+", said["message"])
    failed = demo.get("Model", "too-good-to-be-true") or {}
    assert "version" not in failed["status"]
    assert demo.until_reason("InferenceService", "waiting", "DependencyNotReady", timeout_s=60)
    assert demo.list("pod", "llmos.dev/inferenceservice=waiting") == []
    demo.run("delete", "inferenceservice", "waiting")
    demo.run("delete", "model", "too-good-to-be-true")


def test_eval_shows_what_the_model_was_measured_to_be_worth(demo: World) -> None:
    command = [str(ROOT / ".venv" / "bin" / "llmos"), "eval", "model/organ-system", "-n", demo.namespace, "--output", "json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    shown = json.loads(found.stdout)
    version = (demo.get("Model", "organ-system") or {})["status"]["version"]
    assert shown["digest"] == version["digest"]
    assert shown["measured"]["accuracy"] == next(item["metric"] for item in version["onnx"] if item["precision"] == shown["precision"])
    assert sum(row["items"] for row in shown["confusion"]) == version["evaluation"]["items"]
    assert shown["errors"]


def _document(kind: str, name: str) -> dict[str, Any]:
    return next(item for item in example_documents() if (item["kind"], item["metadata"]["name"]) == (kind, name))


def test_two_replicas_get_a_disruption_budget_and_zero_replicas_say_so(demo: World) -> None:
    demo.run("scale", "inferenceservice", "phenotype", "--replicas=0")
    demo.until_reason("InferenceService", "phenotype", "ScaledToZero", timeout_s=60)
    assert demo.list("poddisruptionbudget") == []
    demo.run("scale", "inferenceservice", "phenotype", "--replicas=2")
    demo.until(
        lambda: demo.get("InferenceService", "phenotype"),
        lambda service: is_ready(service) and service["status"]["readyReplicas"] == 2,
        timeout_s=180,
        what="both replicas of InferenceService phenotype being ready",
    )
    assert names(demo.list("poddisruptionbudget")) == {"phenotype"}

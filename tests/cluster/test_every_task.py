"""Every task with real weights on the cluster: imported, measured, Ready, and what its artifact does is as good as it should be.

Weights come from packages where a package has them for the task; the rest is trained here, in under a minute each, and lies in the
cluster's registry as anybody's artifacts do. What a Model's Job has made is fetched from the registry and asked with nothing but its own
files: the figure below which a task fails is its recipe's, in tests/real_models.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llmos.artifacts import Registry, RegistryAccess, Repository
from llmos.local.cluster import Cluster
from tests.cluster.installation import Installation
from tests.cluster.task_cases import CASES, Case, Workshop
from tests.cluster.world import World, condition

pytestmark = [pytest.mark.cluster, pytest.mark.soak, pytest.mark.timeout(1800)]

IN_THE_EXAMPLE = {"FeatureExtraction": "minilm", "TextClassification": "organ-system"}
"""Two tasks that the healthcare example shows, from a package and from a TrainingJob."""


@pytest.fixture(scope="session")
def workshop(cluster: Cluster, installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"), cluster=cluster, repository=installation.repository)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.task)
def test_a_real_model_of_the_task_becomes_ready_and_does_what_it_should(
    world: World, cluster: Cluster, installation: Installation, workshop: Workshop, case: Case, tmp_path: Path
) -> None:
    work = case.prepare(workshop)
    world.apply(
        {"apiVersion": "llmos.dev/v1alpha1", "kind": "Model", "metadata": {"name": "real"}, "spec": {"task": case.task, **work.spec}}
    )
    found = world.until_ready("Model", "real", timeout_s=1500)
    version = found["status"]["version"]
    assert_chosen(found, asked=work.spec["onnx"]["precisions"])
    for name, bound in case.ceilings.items():
        assert all(float(export[name] if name in export else export["measurements"][name]) <= bound for export in version["onnx"]), version
    if "evaluation" in work.spec:
        assert_gated(version, work.spec["evaluation"])

    digest = next(export["digest"] for export in version["onnx"] if export["precision"] == version["precision"])
    repository = Repository.parse(f"{cluster.registry}/{installation.repository}/{world.namespace}/model/real")
    with Registry(RegistryAccess(plain_http=cluster.plain_http)) as registry:
        payload = registry.fetch_payload(repository, digest, tmp_path / "payload")
    reached = work.measure(payload)
    assert reached >= case.floor, f"{case.task}: {reached:.3f}, and {case.floor} is the least"


@pytest.mark.parametrize("task", IN_THE_EXAMPLE)
def test_the_example_shows_the_two_tasks_that_are_left(demo: World, task: str) -> None:
    found = demo.get("Model", IN_THE_EXAMPLE[task])
    assert found
    assert found["spec"]["task"] == task
    assert_chosen(found, asked=found["spec"]["onnx"]["precisions"])
    version = found["status"]["version"]
    assert all(float(export["maximumDifference"]) < 0.001 for export in version["onnx"] if export["precision"] == "Float32")
    if "evaluation" in found["spec"]:
        assert_gated(version, found["spec"]["evaluation"])


def test_no_task_is_left_out(cluster: Cluster) -> None:
    tasks = cluster.kubectl().get("crd", "models.llmos.dev")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert {*IN_THE_EXAMPLE, *(case.task for case in CASES)} == set(tasks["properties"]["spec"]["properties"]["task"]["enum"])


def assert_chosen(found: dict[str, Any], *, asked: list[str]) -> None:
    """What was asked for is there or refused; one of it is chosen, and status and condition say why."""
    version = found["status"]["version"]
    made, refused = ({item["precision"] for item in version.get(name, [])} for name in ("onnx", "refused"))
    assert made | refused == set(asked)
    assert not made & refused
    assert version["precision"] in made
    assert version["precisionReason"]
    assert f"{version['precision']} is served where a service names none" in condition(found, "Ready")["message"]


def assert_gated(version: dict[str, Any], asked: Mapping[str, Any]) -> None:
    """Every export has its metric with an interval, and the whole interval of each is on the right side of the bound."""
    assert version["evaluation"]["items"] > 0
    for export in version["onnx"]:
        low, value, high = (float(export[name]) for name in ("metricLow", "metric", "metricHigh"))
        assert low <= value <= high
        assert low >= float(asked.get("minimum", low))
        assert high <= float(asked.get("maximum", high))

"""Which cluster is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmos.errors import ConfigError
from llmos.local.cluster import Cluster, ensure, existing


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text("{}")
    return path


def test_the_current_cluster_is_taken_as_it_is(kubeconfig: Path) -> None:
    environment = {"CLUSTER": "current", "KUBECONFIG": str(kubeconfig), "LLMOS_REGISTRY": "registry.example:443", "LLMOS_REGISTRY_TLS": "1"}
    assert ensure(environment) == Cluster(kubeconfig, "registry.example:443", is_local=False, plain_http=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"LLMOS_REGISTRY": ""}, "needs LLMOS_REGISTRY"),
        ({"KUBECONFIG": "/nowhere/config"}, "/nowhere/config does not exist"),
        ({"CLUSTER": "remote"}, "CLUSTER must be `local` or `current`, not 'remote'"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(kubeconfig: Path, change: dict[str, str], message: str) -> None:
    environment = {"CLUSTER": "current", "KUBECONFIG": str(kubeconfig), "LLMOS_REGISTRY": "r:5000"} | change
    with pytest.raises(ConfigError, match=message):
        ensure(environment)


def test_a_local_cluster_that_was_never_started_is_not_started_by_looking(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="start it with `llmos up`"):
        existing({"LLMOS_STATE": str(tmp_path / "state")})
    assert list(tmp_path.iterdir()) == []

"""What the demo gives the chart: the cluster's registry, this machine's index and proxies, and no secret that others could read."""

from __future__ import annotations

from typing import Any

import pytest

from llmos.cli.demo.install import chart_values
from llmos.errors import ConfigError


def values(environment: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    images = {name: f"r:5000/llmos/{name}@sha256:{'a' * 64}" for name in ("operator", "trainer", "sidecar", "triton")}
    return chart_values(images, registry="r:5000", environment=environment or {}, **options)


def env(document: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in document["workloads"]["env"]}


@pytest.mark.parametrize("plain_http", [True, False])
def test_the_cluster_says_how_its_registry_is_spoken_to_and_no_variable_does(plain_http: bool) -> None:
    for left_over in ("", "1"):
        document = values({"LLMOS_REGISTRY_TLS": left_over}, plain_http=plain_http)
        assert document["artifacts"] == {"repository": "r:5000/llmos", "plainHTTP": plain_http}


def test_pods_behind_a_proxy_reach_the_cluster_directly() -> None:
    proxy = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "intranet.example"}
    assert {"intranet.example", ".svc", "10.244.0.1"} <= set(env(values(proxy))["NO_PROXY"].split(","))
    elsewhere = set(env(values(proxy, is_local=False))["NO_PROXY"].split(","))
    assert {"intranet.example", ".svc"} <= elsewhere
    assert "10.244.0.1" not in elsewhere, "that is an address of the local cluster only"
    assert env(values()) == {}


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY"])
def test_a_password_in_a_url_stays_on_this_machine(name: str) -> None:
    environment = {name: "https://me:hunter2@index.example/simple"}
    with pytest.raises(ConfigError, match=rf"{name} carries a user name or password.* secretKeyRef") as caught:
        values(environment, is_local=False)
    assert "hunter2" not in str(caught.value)
    assert env(values(environment, is_local=True))[name] == environment[name], "the local cluster is this machine"
    assert env(values({name: "https://index.example/simple"}, is_local=False))[name] == "https://index.example/simple"


def test_an_image_without_a_digest_is_refused() -> None:
    with pytest.raises(ConfigError, match="registry/repository@sha256"):
        chart_values({"operator": "r:5000/llmos/operator:latest"}, registry="r:5000", environment={})

"""What is rendered for containerd, kubelet and the others, and the list of components."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from llmos.local.components import build_components
from llmos.local.configuration import render_configuration
from llmos.local.settings import NODE_ADDRESS, REGISTRY, LocalSettings

SETTINGS = LocalSettings(state=Path("/srv/state"))


def rendered(name: str, *, may_raise_oom_score: bool = True) -> str:
    files = render_configuration(SETTINGS, may_raise_oom_score=may_raise_oom_score)
    (content,) = (content for path, content in files.items() if path.name == name)
    return content


def test_every_rendered_path_lies_in_the_state_or_the_run_folder() -> None:
    cri = tomllib.loads(rendered("containerd.toml"))
    assert cri["root"].startswith("/srv/state/")
    assert cri["state"].startswith(str(SETTINGS.run))
    assert json.loads(rendered("kubelet.yaml"))["podLogsDir"].startswith("/srv/state/")
    assert json.loads(rendered("10-llmos.conflist"))["plugins"][0]["ipam"]["dataDir"].startswith(str(SETTINGS.run))


def test_containerd_lowers_oom_scores_only_where_it_may() -> None:
    for may in (True, False):
        cri = tomllib.loads(rendered("containerd.toml", may_raise_oom_score=may))["plugins"]["io.containerd.grpc.v1.cri"]
        assert cri["restrict_oom_score_adj"] is not may


def test_containerd_speaks_plain_http_to_the_local_registry_and_to_no_other() -> None:
    files = render_configuration(SETTINGS, may_raise_oom_score=True)
    hosts = [path for path in files if path.name == "hosts.toml"]
    assert [path.parent.name for path in hosts] == [REGISTRY]
    assert list(tomllib.loads(files[hosts[0]])["host"]) == [f"http://{REGISTRY}"]


def test_the_kubelet_evicts_by_absolute_sizes_because_percentages_delete_images_on_large_disks() -> None:
    kubelet = json.loads(rendered("kubelet.yaml"))
    assert kubelet["evictionHard"]["nodefs.available"] == "1Gi"
    assert kubelet["imageGCHighThresholdPercent"] == 100


def test_nothing_but_the_node_address_and_loopback_is_listened_on() -> None:
    components = build_components(SETTINGS, kubernetes=Path("/k"), registry=Path("/r"))
    addresses = {component.port[0] for component in components if component.port is not None}
    assert addresses == {NODE_ADDRESS, "127.0.0.1"}
    (api_server,) = (component for component in components if component.name == "kube-apiserver")
    assert f"--bind-address={NODE_ADDRESS}" in api_server.argv


def test_no_two_components_want_the_same_port() -> None:
    ports = [component.port for component in build_components(SETTINGS, kubernetes=Path("/k"), registry=Path("/r")) if component.port]
    assert len(ports) == len(set(ports))


def test_the_api_server_starts_after_etcd_and_before_its_controllers() -> None:
    stages = {component.name: component.stage for component in build_components(SETTINGS, kubernetes=Path("/k"), registry=Path("/r"))}
    assert stages["etcd"] < stages["kube-apiserver"] < stages["kube-controller-manager"]


def test_a_changed_flag_or_configuration_changes_the_fingerprint() -> None:
    (etcd, *_) = build_components(SETTINGS, kubernetes=Path("/k"), registry=Path("/r"))
    (other, *_) = build_components(SETTINGS, kubernetes=Path("/k2"), registry=Path("/r"))
    assert len({etcd.fingerprint("a"), etcd.fingerprint("b"), other.fingerprint("a")}) == 3

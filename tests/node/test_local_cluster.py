"""The local cluster as people use it and as accidents leave it: a second one, in namespaces of its own, beside whatever runs here."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from llmos.local.buildah import Buildah
from llmos.local.images import ensure_local_image
from llmos.local.settings import REGISTRY
from llmos.local.toolchain import Toolchain
from tests.node.isolated import LLMOS, Isolated

pytestmark = pytest.mark.node

NAMESPACE = "trial"
WEB = "python -m http.server 8080 --directory /data"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Isolated]:
    inner = Isolated.start(tmp_path_factory.mktemp("node") / "state")
    Toolchain(inner.settings).kubernetes()  # the inner machine has no way out to fetch anything
    Toolchain(inner.settings).registry()
    try:
        yield inner
    finally:
        inner.close()


@pytest.fixture(scope="module")
def up(machine: Isolated) -> Isolated:
    machine.llmos("up")
    return machine


@pytest.fixture(scope="module")
def image(up: Isolated) -> str:
    """An image with Python, in the inner cluster's registry."""
    local = ensure_local_image(up.settings, "sidecar")
    push = "import sys; from llmos.local.buildah import Buildah; from llmos.local.settings import LocalSettings; "
    push += "print(Buildah(LocalSettings()).push(sys.argv[1], sys.argv[2], plain_http=True, zstd=True))"
    assert Buildah(up.settings).has(local)
    digest = up.run(sys.executable, "-c", push, local, f"{REGISTRY}/llmos/sidecar:trial").strip()
    return f"{REGISTRY}/llmos/sidecar@{digest}"


@pytest.fixture(scope="module")
def web(up: Isolated, image: str) -> Isolated:
    """Two pods behind a Service, under the restricted level, that serve what lies on a volume."""
    up.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": web_objects(image)}))
    up.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=120s")
    eventually_answers(up)  # kube-proxy learns of ready pods a moment after everybody else
    return up


def web_objects(image: str) -> list[dict[str, object]]:
    container = {
        "name": "web",
        "image": image,
        "command": ["sh", "-c", f"echo hello > /data/hello && exec {WEB}"],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "securityContext": {"runAsNonRoot": True, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    labels = {"app": "web"}
    deployment = {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}

    def named(name: str, **more: object) -> dict[str, object]:
        return {"name": name, "namespace": NAMESPACE, **more}

    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": enforced}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named("data"), "spec": claim},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named("web"), "spec": deployment},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": named("web"),
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]


def ask_by_name(machine: Isolated) -> str:
    """One pod asks the Service by its DNS name."""
    ask = "import urllib.request as u; print(u.urlopen('http://web.trial.svc.cluster.local/hello', timeout=5).read().decode())"
    return machine.kubectl("-n", NAMESPACE, "exec", "deployment/web", "--", "python", "-c", ask).strip()


def eventually_answers(machine: Isolated, *, timeout_s: float = 60.0) -> None:
    """Pods, Service, DNS and the volume work again."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            assert ask_by_name(machine) == "hello"
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def test_a_killed_up_is_finished_by_the_next_one(machine: Isolated) -> None:
    for delay_s in (0.5, 1.5, 3.0, 6.0):
        starting = machine.start_llmos("up")
        time.sleep(delay_s)
        victims = [
            line.split()[0] for line in machine.run("ps", "-eo", "pid=,args=").splitlines() if "main()" in line and "ps -eo" not in line
        ]
        if victims:
            machine.run("kill", "-KILL", *victims, code=None)
        starting.kill()
        starting.wait()
    machine.llmos("up")
    assert json.loads(machine.llmos("status", "--json"))["healthy"]


def test_every_component_is_healthy_and_a_second_up_changes_nothing(up: Isolated) -> None:
    before = json.loads(up.llmos("status", "--json"))
    assert before["healthy"]
    assert len(before["components"]) == 10
    up.llmos("up")
    assert json.loads(up.llmos("status", "--json")) == before


def test_restricted_pods_reach_a_service_by_name_and_share_a_volume(web: Isolated) -> None:
    assert ask_by_name(web) == "hello"
    assert "GET /hello" in "".join(web.kubectl("-n", NAMESPACE, "logs", "--selector=app=web", "--tail=-1"))


def test_a_privileged_pod_is_refused_where_the_restricted_level_is_enforced(web: Isolated, image: str) -> None:
    done = subprocess.run(
        web.command(*LLMOS, "kubectl", "-n", NAMESPACE, "run", "bad", f"--image={image}", "--privileged"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert 'violates PodSecurity "restricted' in done.stderr


def test_port_forward_reaches_a_pod(web: Isolated) -> None:
    llmos = shlex.join(LLMOS)
    script = f"""{llmos} kubectl -n {NAMESPACE} port-forward service/web 18080:80 > {web.settings.run}/forward & forward=$!
    until grep -q Forwarding {web.settings.run}/forward; do sleep 0.1; done
    python3 -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:18080/hello', timeout=5).read().decode())"
    kill $forward"""
    assert web.run("timeout", "30", "sh", "-c", script).strip() == "hello"


def test_a_claim_that_cannot_be_served_says_why(web: Isolated) -> None:
    spec = {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "bad", "namespace": NAMESPACE}, "spec": spec}
    web.kubectl("apply", "-f", "-", text=json.dumps(claim))
    deadline = time.monotonic() + 20
    events = ""
    while "ReadOnlyMany is not offered" not in events and time.monotonic() < deadline:
        events = web.kubectl(
            "-n", NAMESPACE, "get", "events", "--field-selector=involvedObject.name=bad", "-o=jsonpath={.items[*].message}"
        )
        time.sleep(0.2)
    assert "ReadOnlyMany is not offered" in events
    web.kubectl("-n", NAMESPACE, "delete", "pvc", "bad")


def test_a_deleted_claim_takes_its_folder_with_it(web: Isolated) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "short", "namespace": NAMESPACE}, "spec": spec}
    volumes = web.settings.state / "volumes"
    before = set(volumes.iterdir())
    web.kubectl("apply", "-f", "-", text=json.dumps(claim))
    web.kubectl("-n", NAMESPACE, "wait", "pvc/short", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s")
    assert len(set(volumes.iterdir()) - before) == 1
    web.kubectl("-n", NAMESPACE, "delete", "pvc", "short")
    deadline = time.monotonic() + 20
    while set(volumes.iterdir()) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert set(volumes.iterdir()) == before


def test_up_heals_after_every_component_was_killed(web: Isolated) -> None:
    components = json.loads(web.llmos("status", "--json"))["components"]
    web.run("kill", "-KILL", *(str(component["pid"]) for component in components))
    web.llmos("status", code=1)
    web.llmos("up")
    after = json.loads(web.llmos("status", "--json"))
    assert after["healthy"]
    assert not {component["pid"] for component in after["components"]} & {component["pid"] for component in components}
    eventually_answers(web)


def test_up_heals_a_component_that_hangs(web: Isolated) -> None:
    pids = {component["name"]: str(component["pid"]) for component in json.loads(web.llmos("status", "--json"))["components"]}
    web.run("kill", "-STOP", pids["kube-scheduler"])
    web.llmos("up")
    after = json.loads(web.llmos("status", "--json"))
    assert after["healthy"]
    assert {component["name"]: str(component["pid"]) for component in after["components"]}["kube-scheduler"] != pids["kube-scheduler"]


def test_up_heals_a_lost_bridge_and_lost_rules(web: Isolated) -> None:
    web.run("sh", "-c", "nft delete table ip llmos; ip address flush dev llmos0; ip link set llmos0 down")
    web.llmos("up")
    eventually_answers(web)


def test_down_leaves_nothing_and_up_brings_the_objects_back(web: Isolated) -> None:
    web.llmos("down")
    assert web.traces() == {kind: [] for kind in web.traces()}
    web.llmos("up")
    eventually_answers(web, timeout_s=90)


def test_down_works_when_everything_was_killed_and_purge_removes_the_state(web: Isolated) -> None:
    components = json.loads(web.llmos("status", "--json"))["components"]
    web.run("kill", "-KILL", *(str(component["pid"]) for component in components))
    web.llmos("down", "--purge")
    assert web.traces() == {kind: [] for kind in web.traces()}
    assert not web.settings.state.exists()
    web.llmos("down")  # once more is fine

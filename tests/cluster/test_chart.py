"""The chart, with a real Helm and a real API server: what may be set, what is made, what the operator may do, and what stays.

Releases here are of their own: in a namespace of this module, with an image that nobody can pull, so that no second operator ever runs.
What an operator then does is the business of the other modules.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmos.local.cluster import Cluster
from llmos.local.helm import Helm, HelmError
from llmos.local.kubectl import Kubectl, KubectlError, poll_until
from llmos_operator.settings import Settings, load_settings

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "llmos"
GOLDEN = ROOT / "tests" / "golden" / "chart" / "permissions.txt"
DIGEST = "sha256:" + "a" * 64
LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/part-of")
OWNERSHIP = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace", "helm.sh/resource-policy")

Values = dict[str, Any]
REQUIRED: Values = {"images": {"registry": "registry.invalid"}, "artifacts": {"repository": "registry.invalid/llmos"}}
BESIDE: Values = {**REQUIRED, "crds": {"install": False}, "rbac": {"aggregate": False}}
"""For a release beside another one."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release, in its own namespace; nothing waits for its pods, which cannot start."""

    helm: Helm
    kubectl: Kubectl
    name: str
    namespace: str

    @property
    def operator(self) -> str:
        return f"{self.name}-llmos-operator"

    def install(self, values: Values, *flags: str) -> None:
        self._run("install", self.name, str(CHART), *flags, values=values)

    def upgrade(self, values: Values) -> None:
        self._run("upgrade", self.name, str(CHART), values=values)

    def uninstall(self) -> None:
        self.helm.uninstall(self.name, namespace=self.namespace)

    def template(self, values: Values) -> str:
        return self._run("template", self.name, str(CHART), values=values)

    def get(self, kind: str, name: str = "") -> dict[str, Any]:
        found = self.kubectl.get(kind, name or self.operator)
        assert found is not None
        return found

    def permissions(self, namespace: str, *, expected: list[str]) -> list[str]:
        """What the operator may do there beyond what every ServiceAccount may, as kubectl prints it.

        The API server learns of new roles a moment after they are stored: it is given some time to come to what is expected.
        """
        deadline = time.monotonic() + 20
        while True:
            found = sorted(self._can_i(self.operator, namespace) - self._can_i("default", namespace))
            if found == expected or time.monotonic() > deadline:
                return found

    def _can_i(self, account: str, namespace: str) -> set[str]:
        subject = f"--as=system:serviceaccount:{self.namespace}:{account}"
        lines = self.kubectl.within(namespace).run("auth", "can-i", "--list", "--no-headers", subject).splitlines()
        return {" ".join(line.split()) for line in lines}

    def _run(self, *args: str, values: Values) -> str:
        return self.helm.run(*args, f"--namespace={self.namespace}", "--values=-", input=json.dumps(values))


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that enforces the restricted level."""
    name = f"llmos-chart-{uuid.uuid4().hex[:6]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kubectl().apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    cluster.kubectl().delete("namespace", name, wait=False)


@pytest.fixture
def release(cluster: Cluster, namespace: str) -> Iterator[Release]:
    """A release that is not installed yet and is gone afterwards."""
    made = Release(cluster.helm(), cluster.kubectl(namespace), f"t{uuid.uuid4().hex[:6]}", namespace)
    yield made
    made.uninstall()


@pytest.fixture
def crd_ownership(cluster: Cluster) -> Iterator[None]:
    """Let a test own the CRDs, and give them back (or remove them) afterwards."""
    kubectl = cluster.kubectl()
    before = {crd["metadata"]["name"]: crd["metadata"] for crd in _crds(kubectl)}
    yield
    for crd in _crds(kubectl):
        name = crd["metadata"]["name"]
        if name not in before:
            # Not waiting here: all four go at once.
            kubectl.delete("crd", name, wait=False)
            continue
        annotations = {key: before[name].get("annotations", {}).get(key) for key in OWNERSHIP}
        labels = {key: before[name].get("labels", {}).get(key) for key in LABELS}
        patch = json.dumps({"metadata": {"annotations": annotations, "labels": labels}})
        kubectl.run("patch", "crd", name, "--type=merge", f"--patch={patch}")
    poll_until(lambda: {crd["metadata"]["name"] for crd in _crds(kubectl)} == before.keys(), what="the CRDs are as before", timeout_s=180)


def _crds(kubectl: Kubectl) -> list[dict[str, Any]]:
    return [crd for crd in kubectl.list("crd") if crd["spec"]["group"] == "llmos.dev"]


def _documents(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(text) if item}


def test_the_operator_may_do_exactly_what_the_golden_file_says(release: Release) -> None:
    release.install(BESIDE)
    golden = GOLDEN.read_text().splitlines()
    assert release.permissions("default", expected=golden) == golden


def test_with_watch_namespaces_it_may_do_so_only_there(release: Release) -> None:
    release.install({**BESIDE, "watchNamespaces": [release.namespace]})
    golden = GOLDEN.read_text().splitlines()
    assert release.permissions(release.namespace, expected=golden) == golden
    elsewhere = ["tokenreviews.authentication.k8s.io [] [] [create]"]
    assert release.permissions("default", expected=elsewhere) == elsewhere


def test_the_pod_is_admitted_at_the_restricted_level_and_found_by_its_service(release: Release) -> None:
    release.install(BESIDE)
    selector = release.get("service")["spec"]["selector"]
    words = ",".join(f"{key}={value}" for key, value in selector.items())
    (pod,) = poll_until(lambda: release.kubectl.list("pod", selector=words), what="the operator's pod is admitted", timeout_s=120)
    assert release.get("networkpolicy")["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_an_upgrade_keeps_the_report_certificate_and_pods_can_verify_it(release: Release, tmp_path: Path) -> None:
    release.install(BESIDE)
    secret = release.get("secret", f"{release.operator}-report-tls")["data"]
    release.upgrade({**BESIDE, "logLevel": "DEBUG"})
    assert release.get("secret", f"{release.operator}-report-tls")["data"] == secret

    for key, value in secret.items():
        (tmp_path / key).write_bytes(base64.b64decode(value))
    host = release.get("configmap")["data"]["operator.yaml"].split("https://")[1].split(":")[0]
    assert host == f"{release.operator}.{release.namespace}.svc"
    _shake_hands(tmp_path, host)
    _shake_hands(tmp_path, f"{host}.cluster.local")
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(tmp_path, "other.svc")


def _shake_hands(folder: Path, host: str) -> None:
    """Do a TLS handshake in memory: the operator's side with its certificate, a pod's side trusting ca.crt only."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client_context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    client.do_handshake()


def test_a_change_of_configuration_restarts_the_operator_and_a_change_of_nothing_does_not(release: Release) -> None:
    release.install(BESIDE)
    first = release.get("deployment")["spec"]["template"]
    release.upgrade(BESIDE)
    assert release.get("deployment")["spec"]["template"] == first
    release.upgrade({**BESIDE, "logLevel": "DEBUG"})
    assert release.get("deployment")["spec"]["template"]["metadata"]["annotations"] != first["metadata"]["annotations"]


def test_an_uninstall_removes_everything_but_the_crds(release: Release) -> None:
    release.install(BESIDE)
    kinds = "deployment,service,configmap,secret,serviceaccount,networkpolicy,role,rolebinding,clusterrole,clusterrolebinding"
    mine = f"app.kubernetes.io/instance={release.name}"
    assert len(release.kubectl.list(kinds, selector=mine, everywhere=True)) == 10
    release.uninstall()
    assert release.kubectl.list(kinds, selector=mine, everywhere=True) == []


@pytest.mark.usefixtures("crd_ownership")
def test_crds_and_objects_survive_an_uninstall_and_a_reinstall_adopts_them(release: Release) -> None:
    with_crds: Values = {**BESIDE, "crds": {"install": True}}
    release.install(with_crds, "--take-ownership")
    # It follows a TrainingJob that is not there, so no operator that may be running makes anything for it.
    spec = {"task": "TextClassification", "source": {"trainingJob": {"name": "absent"}}}
    document = {"apiVersion": "llmos.dev/v1alpha1", "kind": "Model", "metadata": {"name": "survivor"}, "spec": spec}
    poll_until(lambda: _try_apply(release.kubectl, document), what="the API serves Models", timeout_s=120)
    before = {crd["metadata"]["uid"] for crd in _crds(release.kubectl)} | {release.get("model", "survivor")["metadata"]["uid"]}

    release.uninstall()
    release.install(with_crds)

    after = {crd["metadata"]["uid"] for crd in _crds(release.kubectl)} | {release.get("model", "survivor")["metadata"]["uid"]}
    assert after == before
    assert len(before) == 5


def _try_apply(kubectl: Kubectl, document: dict[str, Any]) -> bool:
    try:
        kubectl.apply(document)
    except KubectlError:
        return False
    return True


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "artifacts.repository must be set: host and path of the OCI registry"),
        ({"artifacts": REQUIRED["artifacts"]}, "images.registry must be set: the registry that holds llmos/operator"),
        ({**REQUIRED, "serviceAccount": {"create": False}}, "serviceAccount.name must be set where serviceAccount.create is false"),
        ({**REQUIRED, "replicas": 2}, "additional properties 'replicas' not allowed"),
        ({**REQUIRED, "artifacts": {"repository": "https://registry.invalid/llmos"}}, "at '/artifacts/repository'"),
        ({**REQUIRED, "images": {"registry": "registry.invalid", "triton": {"digest": "sha256:12"}}}, "at '/images/triton/digest'"),
        ({**REQUIRED, "queue": {"workers": 0}}, "minimum: got 0, want 1"),
        ({**REQUIRED, "logLevel": "debug"}, "value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "given",
)
def test_bad_values_are_refused_with_a_sentence(release: Release, values: Values, sentence: str) -> None:
    with pytest.raises(HelmError) as refusal:
        release.template(values)
    assert sentence in refusal.value.message


def test_a_chart_for_a_kubernetes_that_is_too_old_is_refused(release: Release) -> None:
    with pytest.raises(HelmError, match=r"chart requires kubeVersion: >=1\.30\.0-0"):
        release.helm.run("template", str(CHART), "--kube-version=1.29.9", "--values=-", input=json.dumps(REQUIRED))


def test_every_image_can_be_overridden_by_registry_repository_tag_and_digest(release: Release) -> None:
    images: Values = {
        "registry": "one.invalid",
        "operator": {"tag": "v7"},
        "trainer": {"registry": "two.invalid:5000/mirror", "digest": DIGEST, "tag": "unused"},
        "sidecar": {"repository": "other/sidecar"},
        "triton": {"repository": "nvidia/triton", "tag": "26.10"},
    }
    documents = _documents(release.template({**REQUIRED, "images": images}))
    assert (
        documents["Deployment", release.operator]["spec"]["template"]["spec"]["containers"][0]["image"] == "one.invalid/llmos/operator:v7"
    )
    assert yaml.safe_load(documents["ConfigMap", release.operator]["data"]["operator.yaml"])["images"] == {
        "trainer": f"two.invalid:5000/mirror/llmos/trainer@{DIGEST}",
        "sidecar": "one.invalid/other/sidecar:0.1.0",
        "triton": "one.invalid/nvidia/triton:26.10",
    }


def test_the_operator_understands_every_setting_that_the_chart_gives_it(release: Release, tmp_path: Path) -> None:
    values: Values = {
        **REQUIRED,
        "artifacts": {"repository": "r.invalid/llmos", "plainHTTP": True, "caSecretName": "ca", "credentialsSecretName": "login"},
        "imagePullSecrets": [{"name": "pull"}],
        "workloads": {"caBundleConfigMapName": "bundle", "env": [{"name": "PIP_INDEX_URL", "value": "https://p.invalid"}]},
        "networkPolicies": {"enabled": False},
        "watchNamespaces": ["a", "b"],
        "queue": {"workers": 3, "resyncSeconds": 1200, "rollingServices": 7},
        "logLevel": "WARNING",
        "clusterDomain": "example.internal",
    }
    documents = _documents(release.template(values))
    (tmp_path / "operator.yaml").write_text(documents["ConfigMap", release.operator]["data"]["operator.yaml"])
    expected = Settings.model_validate(
        {
            **{key: values[key] for key in ("artifacts", "imagePullSecrets", "workloads", "watchNamespaces", "queue", "logLevel")},
            "installationId": f"{release.namespace}/{release.name}",
            "images": {name: f"registry.invalid/llmos/{name}:0.1.0" for name in ("trainer", "sidecar", "triton")},
            "report": {
                "url": f"https://{release.operator}.{release.namespace}.svc:8443/v1/reports",
                "port": 8443,
                "certificateDirectory": "/etc/llmos/report-tls",
            },
            "networkPolicies": {"enabled": False, "operatorNamespace": release.namespace},
        }
    )
    assert load_settings(tmp_path / "operator.yaml") == expected
    assert ("NetworkPolicy", release.operator) not in documents
    pod = documents["Deployment", release.operator]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    mounted = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert {"/etc/llmos/registry-ca", "/etc/llmos/registry"} <= mounted


def test_with_a_certificate_of_ones_own_every_rendering_is_the_same(release: Release) -> None:
    """Argo CD and `helm template` have no cluster to look into: a certificate made at each rendering would never settle."""
    values = {**REQUIRED, "report": {"tls": {"secretName": "from-cert-manager"}}}
    first = release.template(values)
    assert release.template(values) == first
    assert not [key for key in _documents(first) if key[0] == "Secret"]
    assert release.template(REQUIRED) != release.template(REQUIRED)


def test_crds_are_rendered_as_they_stand_and_kept(release: Release) -> None:
    documents = _documents(release.template(REQUIRED))
    rendered = {name: item for (kind, name), item in documents.items() if kind == "CustomResourceDefinition"}
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        source = yaml.safe_load(path.read_text())
        found = rendered.pop(source["metadata"]["name"])
        assert found["spec"] == source["spec"]
        assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert rendered == {}
    assert not [key for key in _documents(release.template(BESIDE)) if key[0] == "CustomResourceDefinition"]


def test_a_sweep_is_scheduled_on_request(release: Release) -> None:
    assert not [key for key in _documents(release.template(REQUIRED)) if key[0] == "CronJob"]
    values = {**REQUIRED, "retention": {"schedule": "30 3 * * 0", "graceDays": 1, "keepVersions": 2}}
    documents = _documents(release.template(values))
    ((_, name),) = [key for key in documents if key[0] == "CronJob"]
    job = documents["CronJob", name]["spec"]
    pod = job["jobTemplate"]["spec"]["template"]
    assert job["schedule"] == "30 3 * * 0"
    assert pod["spec"]["containers"][0]["args"] == ["--grace-days", "1", "--keep", "2"]
    # The service account gives no token by itself, and without one nobody knows what is used.
    assert pod["spec"]["automountServiceAccountToken"] is True
    # Its pods must not stand behind the operator's Service.
    selector = documents["Deployment", release.operator]["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= pod["metadata"]["labels"].items()


def test_a_service_monitor_is_made_on_request(release: Release) -> None:
    assert ("ServiceMonitor", release.operator) not in _documents(release.template(REQUIRED))
    metrics = {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}
    monitor = _documents(release.template({**REQUIRED, "metrics": metrics}))["ServiceMonitor", release.operator]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"][0]["port"] == "metrics"

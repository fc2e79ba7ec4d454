"""What builders promise beyond the golden files."""

import json
from typing import Any

import pytest
from world import settings

from llmos_operator.api import InferenceServiceSpec, parse_spec
from llmos_operator.api.v1alpha1 import Resources
from llmos_operator.desired import Installation, ServiceInputs, Source, build_children
from llmos_operator.desired.inference_service import active_knowledge
from llmos_operator.desired.pod import merged_resources
from llmos_operator.names import ObjectKey, job_name

DIGEST = "sha256:" + "a" * 64
DEFAULTS = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "6Gi"}}


def children(spec: dict[str, Any], report_ca: str | None = "CA", **changes: Any) -> dict[str, dict[str, Any]]:
    parsed = parse_spec("InferenceService", {"model": {"name": "m"}, **spec})
    assert isinstance(parsed, InferenceServiceSpec)
    inputs = ServiceInputs(ObjectKey("InferenceService", "demo", "s"), "uid", parsed, Source("r/m", DIGEST), ())
    return {body["kind"]: body for body in build_children(inputs, Installation(settings(**changes), report_ca))}


@pytest.mark.parametrize(
    ("chosen", "requests", "limits"),
    [
        ({}, {"cpu": "500m", "memory": "1Gi"}, {"memory": "6Gi"}),
        ({"limits": {"memory": "16Gi"}}, {"cpu": "500m", "memory": "1Gi"}, {"memory": "16Gi"}),
        ({"limits": {"memory": "512Mi"}}, {"cpu": "500m"}, {"memory": "512Mi"}),
        ({"requests": {"memory": "8Gi"}}, {"cpu": "500m", "memory": "8Gi"}, {}),
        ({"requests": {"cpu": 2}}, {"cpu": 2, "memory": "1Gi"}, {"memory": "6Gi"}),
    ],
)
def test_a_users_resources_win_and_never_contradict_a_default(chosen: Any, requests: Any, limits: Any) -> None:
    assert merged_resources(DEFAULTS, Resources.model_validate(chosen)) == {"requests": requests, "limits": limits}


def test_the_longest_name_gives_a_job_name_that_fits() -> None:
    assert len(job_name("x" * 50, DIGEST, 999)) <= 63


def test_without_an_endpoint_pods_get_no_token_and_report_nowhere() -> None:
    template = children({}, report_ca=None)["Deployment"]["spec"]["template"]
    assert "report-token" not in str(template["spec"])
    assert '"report": null' in template["metadata"]["annotations"]["llmos.dev/config"]


def test_triton_listens_on_loopback_only_and_is_probed_through_the_sidecar() -> None:
    triton = children({})["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    addresses = [argument for argument in triton["command"] if "address" in argument]
    assert addresses == ["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"]
    assert triton["livenessProbe"]["httpGet"]["port"] == 8080


def test_the_snapshot_is_not_in_the_pod_template() -> None:
    assert "snapshot" not in str(children({})["Deployment"]["spec"]["template"]["metadata"])


def test_egress_is_open_where_a_proxy_leads_out() -> None:
    assert children({})["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    proxied = {"workload": {"env": [{"name": "https_proxy", "value": "http://proxy"}]}}
    assert children(proxied)["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress"]


def test_a_registry_by_address_narrows_egress_to_it() -> None:
    rule = children({}, artifacts={"repository": "10.244.0.1:5000/llmos"})["NetworkPolicy"]["spec"]["egress"][1]
    assert rule == {"ports": [{"port": 5000, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.244.0.1/32"}}]}


def test_network_policies_can_be_switched_off() -> None:
    assert "NetworkPolicy" not in children({}, networkPolicies={"enabled": False})


def test_every_pod_meets_the_restricted_level() -> None:
    pod = children({})["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod["containers"], *pod["initContainers"]):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False


def test_a_cache_is_mounted_where_registry_blobs_are_fetched_and_the_pod_is_told_its_size() -> None:
    with_cache = children({"workload": {"cache": {"claimName": "blobs", "sizeLimit": "1Gi"}}})["Deployment"]["spec"]["template"]
    pod = with_cache["spec"]
    assert {"name": "cache", "persistentVolumeClaim": {"claimName": "blobs"}} in pod["volumes"]
    containers = (*pod["initContainers"], *pod["containers"])
    assert [item["name"] for item in containers if any(m["name"] == "cache" for m in item["volumeMounts"])] == ["fetch", "sidecar"]
    config = json.loads(with_cache["metadata"]["annotations"]["llmos.dev/config"])
    assert config["artifacts"]["cache"] == {"folder": "/cache", "sizeBytes": 1 << 30}
    assert "cache" not in json.dumps(children({})["Deployment"]["spec"]["template"])


def test_sparql_reaches_the_pod_only_where_it_is_offered_and_its_workers_have_memory() -> None:
    def pod(spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], int]:
        template = children(spec)["Deployment"]["spec"]["template"]
        config = json.loads(template["metadata"]["annotations"]["llmos.dev/config"])
        limits = template["spec"]["containers"][1]["resources"]["limits"]
        return config, limits, template["spec"]["terminationGracePeriodSeconds"]

    without = pod({})
    assert "sparql" not in without[0]
    assert pod({"sparql": {"mode": "Off", "timeoutSeconds": 60}}) == without
    config, limits, grace_s = pod({"sparql": {"timeoutSeconds": 30, "prefixes": [{"prefix": "HP", "iri": "http://x/"}]}})
    assert config["sparql"] == {
        "timeoutSeconds": 30,
        "maximumRows": 10000,
        "workers": 2,
        "prefixes": [{"prefix": "HP", "iri": "http://x/"}],
    }
    assert (limits, grace_s) == ({"memory": "2048Mi"}, 50)


def test_partitions_stand_beside_the_digest_sorted_and_only_where_they_are_asked_for() -> None:
    spec = {"model": {"name": "m"}, "knowledge": [{"name": "hpo", "partitions": ["ward", "staff"]}, {"name": "icd"}]}
    parsed = parse_spec("InferenceService", spec)
    assert isinstance(parsed, InferenceServiceSpec)
    found = json.loads(active_knowledge((("hpo", Source("r/hpo", DIGEST)), ("icd", Source("r/icd", DIGEST))), parsed))["knowledge"]
    assert [item.get("partitions") for item in found] == [["staff", "ward"], None]

"""The real API server accepts and refuses what the samples say: CEL rules, unknown fields, lists with keys, defaults.

Everything is a dry run but the few objects whose later change must be refused; they live in a namespace of this module's own. Where the
cluster has no LLMOS yet, its CRDs are created for the module and removed again.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmos.local.cluster import Cluster
from tests.cluster.cluster_access import Document, Refused, RestClient
from tests.cluster.crds import CRD_PATH, live_crds
from tests.unit.crds.crd_samples import RefusedCase, accepted, load_crds, refused

pytestmark = pytest.mark.cluster

CRDS = load_crds()
ACCEPTED = accepted()
REFUSED = refused()
DRY_RUN = {"dryRun": "All"}


class Api:
    """The calls this module makes, on objects of the four kinds in one namespace."""

    def __init__(self, rest: RestClient, namespace: str) -> None:
        self.rest = rest
        self._namespace = namespace

    def path(self, document: Document) -> str:
        plural = CRDS[document["kind"]]["spec"]["names"]["plural"]
        return f"/apis/llmos.dev/v1alpha1/namespaces/{self._namespace}/{plural}"

    def path_of(self, document: Document) -> str:
        return f"{self.path(document)}/{document['metadata']['name']}"

    def try_out(self, document: Document) -> Document:
        return self.rest.create(self.path(document), document, fieldValidation="Strict", **DRY_RUN)


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[Api]:
    rest = RestClient(cluster.kubeconfig)
    namespace = f"llmos-api-{uuid.uuid4().hex[:8]}"
    with contextlib.closing(rest), _crds(rest):
        rest.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            yield Api(rest, namespace)
        finally:
            rest.delete(f"/api/v1/namespaces/{namespace}")


@pytest.fixture
def existing(api: Api, request: pytest.FixtureRequest) -> Iterator[Document]:
    """Create the accepted sample that the test names, and remove it afterwards."""
    document = ACCEPTED[request.param] if isinstance(request.param, str) else request.param.base
    api.rest.create(api.path(document), document)
    yield document
    api.rest.delete(api.path_of(document))


@contextlib.contextmanager
def _crds(rest: RestClient) -> Iterator[None]:
    """Create the CRDs the cluster lacks and remove them again; those it has are these (`these_crds`)."""
    missing = {name: crd for crd in CRDS.values() if (name := crd["metadata"]["name"]) not in live_crds(rest)}
    try:
        for crd in missing.values():
            rest.create(CRD_PATH, crd)
        _wait(lambda: all(_is_established(live_crds(rest)[name]) for name in missing), "the API server did not establish the CRDs")
        time.sleep(1 if missing else 0)  # established is a moment earlier than served
        yield
    finally:
        for name in missing.keys() & live_crds(rest).keys():
            rest.delete(f"{CRD_PATH}/{name}")
        _wait(lambda: not missing.keys() & live_crds(rest).keys(), "the API server did not remove the CRDs")


def _wait(is_done: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.1)


def _is_established(crd: Document) -> bool:
    # A CRD that was created this moment has `conditions: null`.
    return any(c["type"] == "Established" and c["status"] == "True" for c in crd.get("status", {}).get("conditions") or [])


def _is_part(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _is_part(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_is_part, part, whole))
    return bool(part == whole)


def _assert_says(refusal: Refused, case: RefusedCase) -> None:
    assert refusal.status in (400, 422)
    assert case.field in refusal.message
    assert case.expect in refusal.message


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(api: Api, document: Document) -> None:
    stored = api.try_out(document)
    assert _is_part(document["spec"], stored["spec"]), "nothing the user wrote may be changed or dropped"


@pytest.mark.parametrize("case", [case for case in REFUSED if not case.update], ids=lambda case: case.id)
def test_refused(api: Api, case: RefusedCase) -> None:
    with pytest.raises(Refused) as refusal:
        api.try_out(case.document)
    _assert_says(refusal.value, case)


@pytest.mark.parametrize(
    ("existing", "case"),
    [pytest.param(case, case, id=case.id) for case in REFUSED if case.update],
    indirect=["existing"],
)
def test_refused_as_a_later_change(api: Api, existing: Document, case: RefusedCase) -> None:
    with pytest.raises(Refused) as refusal:
        api.rest.merge(api.path_of(existing), {"spec": case.document["spec"]}, **DRY_RUN)
    _assert_says(refusal.value, case)


@pytest.mark.parametrize("existing", ["accepted/trainingjob-minimal.yaml"], indirect=True)
def test_what_may_change_on_a_training_job_changes(api: Api, existing: Document) -> None:
    change: Document = {
        "suspend": True,
        "activeDeadlineSeconds": 60,
        "ttlSecondsAfterFinished": 60,
        "workload": {"resources": {"limits": {"cpu": 1}}},
    }
    assert _is_part(change, api.rest.merge(api.path_of(existing), {"spec": change})["spec"])
    removed = api.rest.merge(api.path_of(existing), {"spec": dict.fromkeys(change)})["spec"]
    assert removed["suspend"] is False, "the default comes back"
    assert not {"activeDeadlineSeconds", "ttlSecondsAfterFinished", "workload"} & removed.keys()


@pytest.mark.parametrize("existing", ["accepted/inferenceservice-minimal.yaml"], indirect=True)
def test_an_inference_service_is_scaled_through_its_subresource(api: Api, existing: Document) -> None:
    api.rest.merge(f"{api.path_of(existing)}/scale", {"spec": {"replicas": 5}})
    assert api.rest.get(api.path_of(existing))["spec"]["replicas"] == 5


def test_defaults_are_visible_in_the_stored_object(api: Api) -> None:
    def stored(name: str) -> Document:
        spec: Document = api.try_out(ACCEPTED[f"accepted/{name}-minimal.yaml"])["spec"]
        return spec

    training = stored("trainingjob")
    assert training["split"] == {"heldOutPercent": 30, "seed": 0}
    assert training["hyperparameters"] == {"epochs": 2, "batchSize": 64, "learningRate": "0.001", "maximumTokens": 128, "seed": 0}
    assert (training["baseline"], training["suspend"]) == ("CharacterTfidf", False)
    assert stored("model")["onnx"] == {"precisions": ["Float32"], "maximumDifference": "0.001", "maximumTokens": 256}
    assert stored("knowledgebase")["linking"] == {"languages": ["en"], "minimumNameCharacters": 3}
    assert stored("inferenceservice") == {
        "model": {"name": "organ-system", "update": "Automatic"},
        "replicas": 1,
        "grounding": {"maximumFacts": 20},
        "limits": {"maximumTextCharacters": 4096, "timeoutSeconds": 10},
    }

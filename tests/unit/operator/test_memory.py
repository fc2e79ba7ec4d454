"""What the operator remembers of the cluster: slim, newest first, and nothing that is gone."""

import random
from typing import Any

from world import PHENOTYPE, TRAINED_MODEL

from llmos_operator.cluster import Cache
from llmos_operator.cluster.audit import Audit
from llmos_operator.cluster.fake import FakeCluster
from llmos_operator.cluster.managers import ownership_patch
from llmos_operator.cluster.slim import slim_child, slim_custom_resource, slim_pod
from llmos_operator.names import API_VERSION, MANAGED_BY, ObjectKey

SERVICE = ObjectKey("InferenceService", "demo", "s")


def resource(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": "demo", "uid": f"uid-{name}", **metadata},
        "spec": spec,
    }


def child(kind: str, *, version: str = "1", uid: str = "c", owner: str = "uid-s", **fields: Any) -> dict[str, Any]:
    reference = {"apiVersion": API_VERSION, "kind": "InferenceService", "name": "s", "uid": owner, "controller": True}
    metadata = {
        "name": "s",
        "namespace": "demo",
        "uid": uid,
        "resourceVersion": version,
        "ownerReferences": [reference],
        "labels": MANAGED_BY,
    }
    return {"kind": kind, "metadata": metadata, **fields}


def test_an_older_event_does_not_undo_what_our_own_write_answered() -> None:
    cache = Cache()
    cache.upsert(child("Service", version="12", spec={"new": True}))
    cache.upsert(child("Service", version="9", spec={"new": False}))
    assert cache.owned(SERVICE, uid="uid-s", kind="Service")[0]["spec"] == {"new": True}


def test_a_new_object_of_the_same_name_replaces_the_old_whatever_its_version() -> None:
    cache = Cache()
    cache.upsert(child("Service", version="12", uid="old"))
    cache.upsert(child("Service", version="3", uid="new"))
    cache.remove(child("Service", uid="old"))
    assert cache.owned(SERVICE, uid="uid-s", kind="Service")[0]["metadata"]["uid"] == "new"


def test_children_of_an_earlier_owner_of_that_name_are_not_its() -> None:
    cache = Cache()
    cache.upsert(child("Service", owner="uid of the one before"))
    assert cache.owned(SERVICE, uid="uid-s", kind="Service") == []


def test_who_refers_to_whom_follows_the_spec() -> None:
    cache = Cache()
    key = ObjectKey("InferenceService", "demo", "s")
    cache.upsert(resource("InferenceService", "s", PHENOTYPE, resourceVersion="1"))
    assert cache.referrers(ObjectKey("Model", "demo", "minilm")) == (key,)
    assert cache.referrers(ObjectKey("KnowledgeBase", "demo", "hpo")) == (key,)
    assert cache.referrers(ObjectKey("Model", "other", "minilm")) == ()
    cache.upsert(resource("InferenceService", "s", {"model": {"name": "other"}}, resourceVersion="2"))
    assert cache.referrers(ObjectKey("Model", "demo", "minilm")) == ()
    assert cache.referrers(ObjectKey("Model", "demo", "other")) == (key,)
    cache.discard(key)
    assert cache.referrers(ObjectKey("Model", "demo", "other")) == ()


def test_what_is_not_ours_is_not_kept() -> None:
    cache = Cache()
    foreign = child("Service")
    foreign["metadata"]["ownerReferences"] = []
    cache.upsert(foreign)
    assert len(cache) == 0


def test_managed_fields_and_configurations_of_pods_are_let_go() -> None:
    noise = {
        "managedFields": [{"fieldsV1": {"f:spec": {}}}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"},
    }
    slim = slim_custom_resource(resource("Model", "m", TRAINED_MODEL, **noise))
    assert slim["metadata"]["annotations"] == {"a": "b"}
    assert "managedFields" not in slim["metadata"]
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "demo", "annotations": {"llmos.dev/config": "{}", "a": "b"}}, "spec": {}}
    assert slim_pod(pod)["metadata"]["annotations"] == {"a": "b"}


def test_another_owner_of_replicas_is_remembered() -> None:
    def deployment(manager: str) -> dict[str, Any]:
        body = child("Deployment", spec={"replicas": 3})
        body["metadata"]["managedFields"] = [{"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
        return slim_child(body)

    assert deployment("kube-controller-manager")["replicasManagedElsewhere"]
    assert not deployment("llmos-operator")["replicasManagedElsewhere"]


async def test_what_was_deleted_behind_the_watchs_back_is_noticed() -> None:
    cluster, cache, seen = FakeCluster(), Cache(), []
    cache.upsert(cluster.put(resource("Model", "gone", TRAINED_MODEL)))
    cache.upsert(cluster.put(resource("Model", "stays", TRAINED_MODEL)))
    cache.upsert(cluster.put(child("Service", spec={})))
    cluster.objects.pop(ObjectKey("Model", "demo", "gone"))
    cluster.objects.pop(ObjectKey("Service", "demo", "s"))
    audit = Audit(cluster, cache, namespaces=(), enqueue=seen.append, rng=random.Random(1))
    for kind in ("Model", "Service", "Pod"):
        await audit.check(kind)
    assert seen == [ObjectKey("Model", "demo", "gone"), SERVICE]
    assert cache.get(ObjectKey("Model", "demo", "stays")) is not None
    assert len(cache) == 1


def test_what_create_recorded_becomes_what_apply_records() -> None:
    entry = {"manager": "llmos-operator", "operation": "Update"}
    other = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"}
    live = {"metadata": {"resourceVersion": "7", "managedFields": [other, entry]}}
    patch = ownership_patch(live)
    assert patch is not None
    assert patch[0] == {"op": "replace", "path": "/metadata/managedFields/1/operation", "value": "Apply"}
    applied = {"metadata": {"resourceVersion": "7", "managedFields": [{**entry, "operation": "Apply"}, entry]}}
    assert ownership_patch(applied) is None
    assert ownership_patch({"metadata": {"resourceVersion": "7", "managedFields": [other]}}) is None


def test_a_late_answer_does_not_bring_a_deleted_object_back_but_a_newer_one_does() -> None:
    cache = Cache()
    cache.upsert(child("Service", version="5"))
    cache.remove(child("Service", version="9"))
    cache.upsert(child("Service", version="7"))
    assert len(cache) == 0
    # A watch by label says DELETED of what only lost its label: it may come back.
    cache.upsert(child("Service", version="10"))
    assert len(cache) == 1

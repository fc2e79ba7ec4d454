"""What an object says when the cluster does not do as it is asked."""

import pytest
from world import MINILM, PHENOTYPE, World

from llmos_operator.cluster import ClusterUnavailable, ObjectExists
from llmos_operator.names import ObjectKey

SERVICE = ObjectKey("Service", "demo", "phenotype")


def unavailable(key: ObjectKey) -> ClusterUnavailable:
    return ClusterUnavailable("failed calling webhook: no endpoints", reason="ApiUnavailable", key=key, status=500)


async def test_a_new_object_says_what_keeps_it_even_if_every_pass_fails(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    for _ in range(2):
        world.cluster.failures.append(("create", "Job", unavailable(key)))
        with pytest.raises(ClusterUnavailable):
            await world.reconcile(key)
    assert world.condition(key) == ("Unknown", "ApiUnavailable")
    assert world.condition(key, "Reconciling") == ("True", "ApiUnavailable")
    assert "failed calling webhook" in world.message(key)
    await world.settle(key)
    assert world.condition(key) == ("Unknown", "Initializing")


async def test_a_passing_failure_takes_nothing_from_an_object_that_is_ready(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    await world.make_ready(key)
    world.store.lose(world.status(key)["version"]["digest"])
    world.clock.advance(3600)
    before = world.status(key)
    world.cluster.failures.append(("patch_status", "Model", unavailable(key)))
    with pytest.raises(ClusterUnavailable):
        await world.reconcile(key)
    assert world.status(key) == before


async def test_a_mistake_of_ours_is_said_without_its_insides(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    world.cluster.failures.append(("create", "Job", KeyError("a secret")))
    with pytest.raises(KeyError):
        await world.reconcile(key)
    assert world.condition(key) == ("Unknown", "OperatorError")
    assert "secret" not in world.message(key)


async def test_children_of_an_earlier_object_of_that_name_are_waited_for(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    owner = {"kind": "InferenceService", "name": "phenotype", "uid": "of-the-deleted-one", "controller": True}
    metadata = {"name": "phenotype", "namespace": "demo", "ownerReferences": [owner]}
    world.cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}})
    key = world.add("InferenceService", "phenotype", {"model": {"name": "minilm"}})
    with pytest.raises(ClusterUnavailable):
        await world.reconcile(key)
    assert world.condition(key, "Stalled") is None
    assert world.condition(key, "Reconciling") == ("True", "ApiUnavailable")
    world.cluster.remove(SERVICE)
    await world.settle(key)
    assert world.condition(key, "Stalled") is None
    assert SERVICE in world.cluster.objects


async def test_a_conflict_that_left_nothing_behind_is_tried_again(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", MINILM))
    key = world.add("InferenceService", "phenotype", {**PHENOTYPE, "knowledge": []})
    conflict = ObjectExists("there is an object of this name already", reason="NameConflict", key=SERVICE, status=409)
    world.cluster.failures.append(("create", "Service", conflict))
    with pytest.raises(ClusterUnavailable):
        await world.reconcile(key)
    await world.settle(key)
    assert SERVICE in world.cluster.objects

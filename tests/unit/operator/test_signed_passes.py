"""Where the installation asks for signatures: nothing unsigned is admitted, signing heals it, and what serves goes on."""

import pytest
from pydantic import ValidationError
from test_service_passes import DEPLOYMENT, serve
from world import HPO, MINILM, PHENOTYPE, World, settings

from llmos_operator.names import ObjectKey
from llmos_operator.reconcile.rechecks import EVERY_S
from tests.unit.artifacts.cosign import new_key, pem_of

MODEL = ObjectKey("Model", "demo", "minilm")


async def test_a_version_is_admitted_when_it_is_signed_and_is_not_made_again_meanwhile(world: World) -> None:
    world.store.signed = set()
    key = world.add("Model", "minilm", MINILM)
    version = world.publish(key)
    again = await world.settle(key)
    assert world.condition(key) == ("False", "SignatureMissing")
    assert world.condition(key, "Stalled") is None
    assert f"@{version.digest} is not signed; this goes on by itself when it is signed" in world.message(key)
    assert world.children("Job") == []
    assert again == 60
    world.store.signed.add(version.digest)
    await world.settle(key)
    assert world.condition(key) == ("True", "Imported")


async def test_a_reference_by_digest_needs_a_signature_too(world: World) -> None:
    key = world.add("Model", "minilm", MINILM)
    version = await world.make_ready(key)
    world.cluster.change(key, spec={**MINILM, "onnx": {"maximumTokens": 64}})
    await world.make_ready(key)
    world.start()
    world.store.signed = set()
    world.add("KnowledgeBase", "hpo", HPO)
    service = world.add("InferenceService", "phenotype", {**PHENOTYPE, "model": {"name": "minilm", "digest": version}})
    await world.settle(service)
    assert world.condition(service) == ("False", "SignatureMissing")
    assert world.children("Deployment") == []


async def test_asking_for_signatures_later_takes_nothing_from_what_serves(world: World) -> None:
    service = await serve(world)
    template = world.cluster.objects[DEPLOYMENT]["spec"]["template"]
    world.store.signed = set()
    world.clock.advance(2 * EVERY_S)
    await world.settle(MODEL)
    assert world.condition(MODEL) == ("False", "SignatureMissing")
    await world.settle(service)
    assert world.condition(service) == ("True", "Serving")
    assert world.cluster.objects[DEPLOYMENT]["spec"]["template"] == template


async def test_the_key_travels_to_the_pods_only_where_there_is_one(world: World) -> None:
    await world.settle(world.add("Model", "minilm", MINILM))
    assert "publicKey" not in world.job()["spec"]["template"]["metadata"]["annotations"]["llmos.dev/config"]
    asking = World(
        settings=settings(artifacts={"repository": "registry.example:5000/llmos", "verification": {"publicKey": pem_of(new_key())}})
    )
    await asking.settle(asking.add("Model", "minilm", MINILM))
    assert '"publicKey": "-----BEGIN PUBLIC KEY-----' in asking.job()["spec"]["template"]["metadata"]["annotations"]["llmos.dev/config"]
    assert asking.settings.artifacts.operator_access().public_key is not None


def test_a_key_that_is_none_stops_the_operator_at_its_start() -> None:
    with pytest.raises(ValidationError, match="holds no"):
        settings(artifacts={"repository": "registry.example:5000/llmos", "verification": {"publicKey": "secret"}})

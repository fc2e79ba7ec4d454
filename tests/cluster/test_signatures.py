"""An installation that asks for signatures: what is built waits to be signed, is admitted then, and nothing that serves is taken down.

Long, because a key in the chart rolls every service twice: it is set, and taken away again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from llmos.artifacts import RegistryAccess, Repository
from llmos.local.cluster import Cluster
from tests.cluster.installation import Installation
from tests.cluster.world import World, example_documents, is_ready
from tests.unit.artifacts.cosign import new_key, pem_of, push_signature

pytestmark = [pytest.mark.cluster, pytest.mark.soak, pytest.mark.timeout(1200)]


@pytest.fixture
def key(demo: World, installation: Installation) -> Iterator[ec.EllipticCurvePrivateKey]:
    """The private half of the key that the chart has meanwhile."""
    made = new_key()
    artifacts: dict[str, Any] = installation.values["artifacts"]
    installation.upgrade(artifacts={**artifacts, "verification": {"publicKey": pem_of(made)}})
    yield made
    installation.upgrade()
    demo.until_ready("InferenceService", "phenotype", timeout_s=300)


def test_what_is_built_is_admitted_when_it_is_signed_and_what_serves_goes_on(
    demo: World, world: World, installation: Installation, cluster: Cluster, key: ec.EllipticCurvePrivateKey
) -> None:
    hpo = next(item for item in example_documents() if item["kind"] == "KnowledgeBase")
    world.apply({**hpo, "metadata": {"name": "signed"}})
    said = world.until_reason("KnowledgeBase", "signed", "SignatureMissing", timeout_s=300)["message"]
    digest = said.partition("@")[2][:71]
    assert f"cosign sign --key cosign.key --tlog-upload=false {cluster.registry}/{installation.repository}" in said
    # Its model is unsigned: its new pod waits, and the old one answers.
    service = demo.get("InferenceService", "phenotype")
    assert is_ready(service), service
    assert service
    assert service["status"]["readyReplicas"] == 1
    where = Repository.parse(f"{cluster.registry}/{installation.repository}").child(world.namespace, "knowledgebase", "signed")
    push_signature(RegistryAccess(plain_http=cluster.plain_http), where, digest, key)
    found = world.until_ready("KnowledgeBase", "signed", timeout_s=180)
    assert found["status"]["snapshot"]["digest"] == digest
    assert len(world.list("job", "llmos.dev/knowledgebase=signed")) == 1

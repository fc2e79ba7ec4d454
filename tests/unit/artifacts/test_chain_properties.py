"""Properties of the chain, over random histories in a registry: untouched it holds; whatever is changed is found, and named by its path."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.artifacts import (
    BrokenLink,
    LinkState,
    Provenance,
    Registry,
    RegistryAccess,
    Repository,
    Version,
    canonical_json,
    digest_bytes,
    inputs_hash,
    trace_chain,
    verify_chain,
)
from llmos.artifacts.manifests import PROVENANCE_ARTIFACT, build_document_manifest, parse_manifest
from tests.unit.artifacts.memory_registry import MemoryRegistry

REPOSITORY = Repository("registry.test", "demo/model/minilm")
ROLES = {
    "Model": (("trainingJob", "TrainingJob"),),
    "TrainingJob": (("base", "Model"), ("knowledge/a", "KnowledgeBase"), ("knowledge/b", "KnowledgeBase")),
    "KnowledgeBase": (),
}
MEMORY = MemoryRegistry()


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry(RegistryAccess(plain_http=True), transport=MEMORY.transport(), sleep=lambda _: None) as found:
        yield found


@dataclass(frozen=True)
class History:
    """Versions in a registry, the latest last."""

    versions: list[Version]

    @property
    def root(self) -> Version:
        return self.versions[-1]

    def reachable(self) -> list[Version]:
        known = {item.digest: item for item in self.versions}
        found, todo = {}, [self.root.digest]
        while todo:
            digest = todo.pop()
            if digest not in found:
                found[digest] = known[digest]
                todo += known[digest].provenance.parents.values()
        return list(found.values())

    def at(self, path: str) -> str:
        """The digest that the roles of a path lead to."""
        known = {item.digest: item for item in self.versions}
        digest = self.root.digest
        while path:
            role = next(role for role in known[digest].provenance.parents if f"{path}/".startswith(f"{role}/"))
            digest, path = known[digest].provenance.parents[role], path[len(role) :].lstrip("/")
        return digest


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw up to seven versions, each made from earlier ones of the right kinds."""
    MEMORY.manifests.clear()
    MEMORY.blobs.clear()
    versions: list[Version] = []
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(sorted(ROLES)))
        parents = {}
        for role, wanted in ROLES[kind]:
            earlier = [item.digest for item in versions if item.provenance.kind == wanted]
            if earlier and draw(st.booleans()):
                parents[role] = draw(st.sampled_from(earlier))
        versions.append(put(kind, {"number": number}, parents))
    return History(versions)


def put(kind: str, spec: dict[str, Any], parents: dict[str, str]) -> Version:
    hashed = inputs_hash(kind=kind, spec=spec, parents=parents)
    provenance = Provenance(kind=kind, inputs_hash=hashed, spec=spec, parents=parents, payloads=(), tools={})
    document = canonical_json(provenance.to_document())
    manifest = build_document_manifest(PROVENANCE_ARTIFACT, document)
    MEMORY.blobs[REPOSITORY.path, digest_bytes(document)] = document
    MEMORY.manifests[REPOSITORY.path, digest_bytes(manifest)] = manifest
    return Version(digest_bytes(manifest), provenance)


def check(registry: Registry, history: History) -> BrokenLink | None:
    """What a reader finds who knows nothing but the latest digest."""
    root = registry.load_version(REPOSITORY, history.root.digest)
    if not isinstance(root, Version):
        return BrokenLink("itself", history.root.digest, LinkState.Mismatch if root else LinkState.Missing, "")
    return verify_chain(root, lambda link: registry.load_version(REPOSITORY, link.digest))


def flipped(data: bytes, position: int) -> bytes:
    at = position % len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@given(history=histories())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_an_untouched_history_holds_and_every_version_of_it_is_traced(registry: Registry, history: History) -> None:
    assert check(registry, history) is None
    traced = trace_chain(history.root, lambda link: registry.load_version(REPOSITORY, link.digest))
    assert {link.digest for link in traced} == {item.digest for item in history.reachable()}
    assert all(history.at(link.path) == link.digest for link in traced)
    once = [link.digest for link in traced if not link.is_repeated]
    assert len(once) == len(set(once))


@given(history=histories(), data=st.data())
@settings(max_examples=120, deadline=None, derandomize=True)
def test_whatever_is_changed_is_found_and_named(registry: Registry, history: History, data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(history.reachable()))
    manifest_key = (REPOSITORY.path, victim.digest)
    blob_key = (REPOSITORY.path, parse_manifest(MEMORY.manifests[manifest_key]).layers[0].digest)
    how = data.draw(
        st.sampled_from(["flip document", "flip manifest", "drop document", "drop manifest", "another's manifest", "other parent"])
    )
    position = data.draw(st.integers(0, 10_000))
    match how:
        case "flip document":
            MEMORY.blobs[blob_key] = flipped(MEMORY.blobs[blob_key], position)
        case "flip manifest":
            MEMORY.manifests[manifest_key] = flipped(MEMORY.manifests[manifest_key], position)
        case "drop document":
            del MEMORY.blobs[blob_key]
        case "drop manifest":
            del MEMORY.manifests[manifest_key]
        case "another's manifest":
            MEMORY.manifests[manifest_key] = MEMORY.manifests[REPOSITORY.path, put("KnowledgeBase", {"number": "another"}, {}).digest]
        case "other parent":
            # As somebody would who can write to the registry, and makes all digests but the one that names it agree.
            forged = put(
                victim.provenance.kind, dict(victim.provenance.spec), {"knowledge/forged": put("KnowledgeBase", {"n": "x"}, {}).digest}
            )
            MEMORY.manifests[manifest_key] = MEMORY.manifests[REPOSITORY.path, forged.digest]
    broken = check(registry, history)
    assert broken is not None
    assert broken.digest == victim.digest
    assert broken.state is (LinkState.Missing if how == "drop manifest" else LinkState.Mismatch)
    if broken.path != "itself":
        assert history.at(broken.path) == victim.digest


@given(history=histories(), data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_tombstone_in_place_of_any_parent_holds(registry: Registry, history: History, data: st.DataObject) -> None:
    parents = [item for item in history.reachable() if item is not history.root]
    if not parents:
        return
    victim = data.draw(st.sampled_from(parents))
    del MEMORY.manifests[REPOSITORY.path, victim.digest]
    registry.push_tombstone(REPOSITORY, victim.digest, data.draw(st.sampled_from([LinkState.Pruned, LinkState.Forgotten])), "a test")
    assert check(registry, history) is None

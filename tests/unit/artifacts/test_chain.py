"""Walking the chain of digests: what holds, what is broken, and what the broken link is called."""

from typing import Any

import pytest

from llmos.artifacts import (
    Damaged,
    Link,
    LinkState,
    Provenance,
    Version,
    canonical_json,
    digest_bytes,
    inputs_hash,
    trace_chain,
    verify_chain,
    verify_chain_async,
)


def version(kind: str, parents: dict[str, Version] | None = None, **spec: Any) -> Version:
    digests = {role: parent.digest for role, parent in (parents or {}).items()}
    provenance = Provenance(
        kind=kind, inputs_hash=inputs_hash(kind=kind, spec=spec, parents=digests), spec=spec, parents=digests, payloads=(), tools={}
    )
    return Version(digest_bytes(canonical_json(provenance.to_document())), provenance)


BASE = version("Model", name="base")
KNOWLEDGE = version("KnowledgeBase")
TRAINING = version("TrainingJob", {"base": BASE, "knowledge/hpo": KNOWLEDGE})
MODEL = version("Model", {"trainingJob": TRAINING})
WHOLE: dict[str, Version | LinkState] = {item.digest: item for item in (BASE, KNOWLEDGE, TRAINING)}


def check(loaded: dict[str, Version | LinkState]) -> Any:
    return verify_chain(MODEL, lambda link: loaded.get(link.digest))


def test_a_whole_chain_holds() -> None:
    assert check(WHOLE) is None


@pytest.mark.parametrize("state", [LinkState.Pruned, LinkState.Forgotten])
def test_a_tombstone_is_a_valid_end(state: LinkState) -> None:
    assert check(WHOLE | {TRAINING.digest: state}) is None
    assert check(WHOLE | {BASE.digest: state}) is None


def test_a_missing_parent_is_named_by_its_path() -> None:
    broken = check({TRAINING.digest: TRAINING, KNOWLEDGE.digest: KNOWLEDGE})
    assert (broken.path, broken.digest, broken.state) == ("trainingJob/base", BASE.digest, LinkState.Missing)
    assert "trainingJob/base" in broken.message
    assert BASE.digest in broken.message


def test_the_nearest_broken_link_comes_first() -> None:
    assert check({}).path == "trainingJob"


def test_another_version_in_a_parents_place_is_a_mismatch() -> None:
    broken = check(WHOLE | {BASE.digest: version("Model", name="other")})
    assert (broken.path, broken.state) == ("trainingJob/base", LinkState.Mismatch)


def test_a_parent_of_the_wrong_kind_is_a_mismatch() -> None:
    knowledge_as_base = version("TrainingJob", {"base": KNOWLEDGE})
    broken = verify_chain(knowledge_as_base, lambda _link: KNOWLEDGE)
    assert broken is not None
    assert broken.state is LinkState.Mismatch
    assert "must be a Model" in broken.problem


def test_a_version_whose_inputs_hash_lies_is_a_mismatch() -> None:
    honest = BASE.provenance
    lying = Provenance(kind="Model", inputs_hash=honest.inputs_hash, spec={"name": "changed"}, parents={}, payloads=(), tools={})
    broken = check(WHOLE | {BASE.digest: Version(BASE.digest, lying)})
    assert (broken.path, broken.state) == ("trainingJob/base", LinkState.Mismatch)
    itself = verify_chain(Version(BASE.digest, lying), lambda _link: None)
    assert itself is not None
    assert itself.path == "itself"


def test_a_shared_parent_is_loaded_once_and_the_loader_learns_who_asks() -> None:
    asked: list[Link] = []

    def load(link: Link) -> Version | LinkState | None:
        asked.append(link)
        return WHOLE.get(link.digest)

    both = version("TrainingJob", {"base": BASE, "knowledge/a": KNOWLEDGE, "knowledge/b": KNOWLEDGE})
    assert verify_chain(both, load) is None
    assert [(link.role, link.child) for link in asked] == [("base", both), ("knowledge/a", both)]


def test_one_digest_in_two_roles_is_judged_in_both() -> None:
    confused = version("TrainingJob", {"base": BASE, "knowledge/a": BASE})
    broken = verify_chain(confused, lambda _link: BASE)
    assert broken is not None
    assert (broken.path, broken.problem) == ("knowledge/a", "a parent in this role must be a KnowledgeBase, and it is a Model")


def test_a_trace_goes_on_behind_a_broken_link() -> None:
    traced = trace_chain(MODEL, lambda link: (WHOLE | {BASE.digest: Damaged("a byte is wrong")}).get(link.digest))
    assert [(link.path, link.state) for link in traced] == [
        ("", LinkState.Present),
        ("trainingJob", LinkState.Present),
        ("trainingJob/base", LinkState.Mismatch),
        ("trainingJob/knowledge/hpo", LinkState.Present),
    ]
    assert traced[2].problem == "a byte is wrong"


async def test_the_async_walk_is_the_same() -> None:
    async def load(link: Link) -> Version | LinkState | None:
        return {TRAINING.digest: TRAINING}.get(link.digest)

    assert await verify_chain_async(MODEL, load) == check({TRAINING.digest: TRAINING})


def test_states_say_whether_they_break_the_chain() -> None:
    assert {state for state in LinkState if state.is_broken} == {LinkState.Missing, LinkState.Mismatch}

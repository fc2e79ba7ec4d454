"""What goes and what stays: properties over random histories, and the repositories that are left alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.artifacts import Payload, Provenance, Repository, Version, canonical_json, digest_bytes, inputs_hash
from llmos.retention import Fate, Marks, RepositoryContents, SweepPlan, plan_sweep

ROOT = Repository("registry.test", "llmos")
NOW = datetime(2026, 1, 10, tzinfo=UTC)
WEEK = timedelta(days=7)


def digest(text: str) -> str:
    return digest_bytes(text.encode())


def version(number: int, parents: list[Version], payloads: list[str]) -> Version:
    digests = {f"role/{index}": parent.digest for index, parent in enumerate(parents)}
    hashed = inputs_hash(kind="Model", spec={"n": number}, parents=digests)
    named = [Payload("weights", item, 10) for item in payloads]
    provenance = Provenance(kind="Model", inputs_hash=hashed, spec={"n": number}, parents=digests, payloads=named, tools={})
    return Version(digest_bytes(canonical_json(provenance.to_document())), provenance)


def contents(name: str, versions: list[Version], **changes: Any) -> RepositoryContents:
    payloads = frozenset(item.digest for each in versions for item in each.provenance.payloads)
    fields: dict[str, Any] = {"is_owned": True, "idle_since": dict.fromkeys(payloads, NOW - WEEK), **changes}
    return RepositoryContents(ROOT.child("demo", "model", name), tuple(versions), fields.pop("payloads", payloads), **fields)


def marks(*used: str, **changes: Any) -> Marks:
    return replace(Marks(frozenset(used), frozenset(), frozenset(), ()), **changes)


def plan(*every: RepositoryContents, used: Marks, grace: timedelta = WEEK, **changes: Any) -> SweepPlan:
    return plan_sweep(every, used, root=ROOT, now=NOW, grace=grace, **changes)


@st.composite
def libraries(draw: st.DrawFn) -> tuple[list[RepositoryContents], frozenset[str], dict[str, Version]]:
    """Draw repositories of versions made from one another, sharing payloads, and which of them are used."""
    versions: list[Version] = []
    placed: dict[str, list[Version]] = {"a": [], "b": [], "c": []}
    for number in range(draw(st.integers(1, 8))):
        parents = draw(st.lists(st.sampled_from(versions), max_size=2, unique_by=lambda item: item.digest)) if versions else []
        payloads = draw(st.lists(st.sampled_from([digest(f"p{each}") for each in range(6)]), min_size=1, max_size=2, unique=True))
        versions.append(version(number, parents, payloads))
        placed[draw(st.sampled_from(sorted(placed)))].append(versions[-1])
    used = frozenset(item.digest for item in versions if draw(st.booleans()))
    return [contents(name, each) for name, each in placed.items() if each], used, {item.digest: item for item in versions}


@given(library=libraries(), grace=st.sampled_from([timedelta(0), WEEK, 2 * WEEK]))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_nothing_that_is_used_or_was_made_use_of_ever_goes_and_all_else_does(library: Any, grace: timedelta) -> None:
    repositories, used, versions = library
    reachable, todo = set(), list(used)
    while todo:
        reachable.add(found := todo.pop())
        todo += versions[found].provenance.parents.values()
    done = plan(*repositories, used=marks(*used), grace=grace)
    by_name = {each.repository: each for each in done.repositories}
    for each in repositories:
        needed = {item.digest for one in each.versions if one.digest in reachable for item in one.provenance.payloads}
        fates = {item.digest: item.fate for item in by_name[each.repository].payloads}
        assert {name for name, fate in fates.items() if fate is Fate.Kept} == needed
        assert {fate for name, fate in fates.items() if name not in needed} <= {Fate.Pruned if grace <= WEEK else Fate.Waiting}
    assert done.num_used == len(reachable)


ONE = version(1, [], [digest("p")])


@pytest.mark.parametrize(
    ("since", "fate"),
    [(None, Fate.Noted), (NOW - WEEK + timedelta(seconds=1), Fate.Waiting), (NOW - WEEK, Fate.Pruned)],
)
def test_the_grace_period_counts_from_the_sweep_that_saw_it_first(since: datetime | None, fate: Fate) -> None:
    found = plan(contents("a", [ONE], idle_since={digest("p"): since} if since else {}), used=marks())
    assert [item.fate for item in found.repositories[0].payloads] == [fate]


def test_an_inputs_hash_uses_the_version_made_from_it() -> None:
    """The status was wiped, and a Job still names what it was made for."""
    assert plan(contents("a", [ONE]), used=marks(ONE.provenance.inputs_hash)).of(Fate.Kept)


def test_a_payload_that_no_version_names_goes_without_a_tombstone() -> None:
    (item,) = plan(contents("a", [], payloads=frozenset({digest("p")}), idle_since={digest("p"): NOW - WEEK}), used=marks()).of(Fate.Pruned)
    assert (item.is_named, item.what) == (False, "no version names it")


@pytest.mark.parametrize(
    ("changes", "used", "reason"),
    [
        ({"is_shared": True}, marks(), "another installation"),
        ({"is_owned": False}, marks(), "does not carry this installation's mark"),
        ({}, marks(busy=frozenset({"demo/model/a"})), "a Job works for it"),
        ({"damage": "in-x: its provenance is malformed"}, marks(), "cannot be read: in-x"),
    ],
)
def test_what_is_not_surely_ours_and_unused_is_left_alone(changes: dict[str, Any], used: Marks, reason: str) -> None:
    (found,) = plan(contents("a", [ONE], **changes), used=used).repositories
    assert reason in found.left_alone
    assert found.payloads == ()


def test_an_existing_objects_repository_needs_no_mark() -> None:
    found = plan(contents("a", [ONE], is_owned=False), used=marks(repositories=frozenset({"demo/model/a"})))
    assert found.of(Fate.Pruned)


def test_a_namespace_that_was_not_looked_at_is_left_alone() -> None:
    assert plan(contents("a", [ONE]), used=marks(), namespaces=("other",)).repositories[0].left_alone
    assert plan(contents("a", [ONE]), used=marks(), namespaces=("demo",)).of(Fate.Pruned)


def test_a_report_that_only_measurements_name_stays_with_its_version_and_goes_with_it() -> None:
    made = version(1, [], [digest("weights")])
    evaluated = replace(made, measurements={"evaluation": {"report": digest("report")}})
    payloads = frozenset({digest("weights"), digest("report")})
    repository = contents("a", [evaluated], payloads=payloads, idle_since=dict.fromkeys(payloads, NOW - WEEK))
    for used, fate in ((marks(evaluated.digest), Fate.Kept), (marks(), Fate.Pruned)):
        found = {item.digest: (item.fate, item.what) for item in plan(repository, used=used).of(fate)}
        assert found[digest("report")] == (fate, "evaluation report")

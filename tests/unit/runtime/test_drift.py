"""Metrics of linking: what was not found, and whether texts speak of other things than they used to."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.runtime import drift as drift_module
from llmos.runtime.app import Service
from llmos.runtime.drift import NUM_BUCKETS, WINDOW_MENTIONS, EntityDrift, jensen_shannon
from tests.unit.knowledge.conftest import OBO
from tests.unit.runtime.conftest import Pod, http_client

COUNTS = st.lists(st.integers(0, 50), min_size=8, max_size=8).filter(any)


@given(COUNTS, COUNTS)
def test_the_divergence_is_symmetric_between_none_and_one_bit_and_none_for_equal_shares(first: list[int], second: list[int]):
    found = jensen_shannon(first, second)
    assert 0 <= found <= 1
    assert found == pytest.approx(jensen_shannon(second, first))
    assert jensen_shannon(first, [count * 3 for count in first]) == pytest.approx(0, abs=1e-9)


def test_known_values_of_the_divergence():
    assert jensen_shannon([5, 0], [0, 7]) == 1
    # Half of one share and all of the other: 1/2 (1/2 log2 2/3 * ...) worked out by hand.
    expected = 0.5 * (0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25)) + 0.5 * math.log2(1 / 0.75)
    assert jensen_shannon([1, 1], [2, 0]) == pytest.approx(expected)


def test_the_same_texts_show_chance_and_other_texts_show_a_change():
    rng = random.Random(1)
    entities = [f"HP:{number:07}" for number in range(500)]
    weights = [1 / (rank + 1) for rank in range(500)]
    drift = EntityDrift()
    assert drift.add(rng.choices(entities, weights, k=WINDOW_MENTIONS - 1)) is None
    assert drift.add(["HP:0000001"]) is None, "the first window is what others are compared with"
    same = [drift.add(rng.choices(entities, weights, k=WINDOW_MENTIONS)) for _ in range(20)]
    assert max(same) < 0.05
    assert sum(same) / 20 == pytest.approx((NUM_BUCKETS - 1) / (4 * WINDOW_MENTIONS * math.log(2)), rel=0.3)
    assert drift.add(rng.choices(entities, weights[::-1], k=WINDOW_MENTIONS)) > 0.2


async def test_what_was_not_linked_and_the_drift_are_metrics_and_a_switch_starts_anew(
    pod: Pod, service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drift_module, "WINDOW_MENTIONS", 2)
    async with http_client(service) as client:

        async def lines(*texts: str) -> dict[str, float]:
            for text in texts:
                assert (await client.post("/v1/predict", json={"text": text})).status_code == 200
            found = (line.rpartition(" ") for line in (await client.get("/metrics")).text.splitlines() if 'knowledge="hpo"' in line)
            return {name.partition("{")[0]: float(value) for name, _, value in found}

        first = await lines("seizures and a large head", "nothing of that kind")
        assert first["llmos_linked_texts_total"] == 2
        assert first["llmos_unlinked_texts_total"] == 1
        assert first["llmos_linked_words_total"] == 9
        assert first["llmos_unlinked_words_total"] == 6
        assert first["llmos_linked_entities_total"] == 2
        assert "llmos_linked_entity_drift" not in first
        assert (await lines("large head, seizure"))["llmos_linked_entity_drift"] == 0
        assert (await lines("low muscle tone, low muscle tone"))["llmos_linked_entity_drift"] == 1
        pod.activate(pod.push_knowledge(OBO.replace("Large head", "Big head")))
        assert await service.knowledge.step()
        assert "llmos_linked_entity_drift" not in await lines("seizure, seizure")

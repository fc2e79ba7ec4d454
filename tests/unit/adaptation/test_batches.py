from hypothesis import given
from hypothesis import strategies as st

from llmos.adaptation.batches import plan_batches

LENGTHS = [3 + number % 17 for number in range(1000)]


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200), st.integers(1, 40), st.integers(0, 9))
def test_every_text_is_seen_once_an_epoch(lengths: list[int], batch_size: int, epoch: int) -> None:
    batches = plan_batches(lengths, batch_size=batch_size, seed=0, epoch=epoch)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)


def test_the_order_is_the_seed_s_and_the_epoch_s() -> None:
    plans = [plan_batches(LENGTHS, batch_size=16, seed=seed, epoch=epoch) for seed, epoch in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    assert plans[0] != plans[3]


def test_texts_of_a_batch_are_of_about_one_length() -> None:
    def padding(batches: list[list[int]]) -> int:
        return sum(
            len(batch) * max(LENGTHS[position] for position in batch) - sum(LENGTHS[position] for position in batch) for batch in batches
        )

    unsorted = [list(range(start, min(start + 16, 1000))) for start in range(0, 1000, 16)]
    assert padding(plan_batches(LENGTHS, batch_size=16, seed=0, epoch=0)) * 4 < padding(unsorted)

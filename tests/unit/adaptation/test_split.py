import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.adaptation import Item, TaxonomyDataset, is_held_out, split_by_group
from llmos.errors import ConfigError
from llmos.models import Label


def dataset(groups: dict[str, list[str]], *, size: int = 2) -> TaxonomyDataset:
    """Labels with their groups; `size` items in each."""
    items = [
        Item(f"{group}-{number}", f"{group} {number}", label, (group,))
        for label, names in groups.items()
        for group in names
        for number in range(size)
    ]
    return TaxonomyDataset(tuple(items), tuple(Label(label, label.upper()) for label in groups))


MANY = dataset({"a": [f"a{n}" for n in range(20)], "b": [f"b{n}" for n in range(20)]})


def test_whole_groups_are_held_out_and_nothing_is_lost() -> None:
    split = split_by_group(MANY, held_out_percent=30, seed=0)
    assert not {item.groups for item in split.train} & {item.groups for item in split.held_out}
    assert sorted((*split.train, *split.held_out), key=lambda item: item.id) == sorted(MANY.items, key=lambda item: item.id)
    assert split.num_straddling == 0


def test_an_item_of_groups_on_both_sides_is_on_neither() -> None:
    sides = {is_held_out(f"a{n}", percent=30, seed=0): f"a{n}" for n in range(20)}
    both = Item("both", "both", "a", (sides[False], sides[True]))
    split = split_by_group(TaxonomyDataset((*MANY.items, both), MANY.labels), held_out_percent=30, seed=0)
    assert split.num_straddling == 1
    assert both not in split.train + split.held_out


@given(st.integers(0, 1000), st.sets(st.integers(0, 19), min_size=1))
def test_a_group_stays_on_its_side_when_others_come_and_go(seed: int, kept: set[int]) -> None:
    sides = {group: is_held_out(group, percent=30, seed=seed) for group in (f"a{n}" for n in kept)}
    assert sides == {group: is_held_out(group, percent=30, seed=seed) for group in sides}
    smaller = {f"a{n}" for n in kept}
    items = tuple(item for item in MANY.items if item.label == "b" or item.groups[0] in smaller)
    try:
        split = split_by_group(TaxonomyDataset(items, MANY.labels), held_out_percent=30, seed=seed)
    except ConfigError:
        return
    assert all(sides[item.groups[0]] for item in split.held_out if item.label == "a")
    assert not any(sides[item.groups[0]] for item in split.train if item.label == "a")


def test_about_the_asked_share_of_many_groups_is_held_out() -> None:
    held_out = sum(is_held_out(str(number), percent=30, seed=0) for number in range(10_000))
    # Binomial: a standard deviation is 46, and this is five of them.
    assert 2770 < held_out < 3230


def test_the_side_of_a_group_is_the_one_it_had_in_earlier_releases() -> None:
    assert [number for number in range(20) if is_held_out(f"HP:{number:07d}", percent=30, seed=4)] == [0, 1, 5, 6, 10, 11, 13, 16, 17]


def test_another_seed_holds_out_other_groups() -> None:
    first, second = (split_by_group(MANY, held_out_percent=30, seed=seed).held_out for seed in (0, 1))
    assert first != second


def test_a_label_without_anything_to_learn_from_is_named_with_a_seed_that_works() -> None:
    one_group_each = dataset({"a": ["x"], "b": ["y"], "c": [f"c{n}" for n in range(10)]})
    bad = next(seed for seed in range(100) if is_held_out("x", percent=30, seed=seed) and not is_held_out("y", percent=30, seed=seed))
    with pytest.raises(ConfigError, match=r"leaves nothing to learn 1 of 3 labels from, a \(A\) first.*split\.seed (\d+) works") as caught:
        split_by_group(one_group_each, held_out_percent=30, seed=bad)
    good = int(str(caught.value).split("split.seed ")[-1].split()[0])
    assert split_by_group(one_group_each, held_out_percent=30, seed=good).held_out


def test_a_split_that_holds_nothing_out_is_refused() -> None:
    two = dataset({"a": ["x"], "b": ["y"]})
    none = next(seed for seed in range(100) if not any(is_held_out(group, percent=30, seed=seed) for group in "xy"))
    with pytest.raises(ConfigError, match=r"holds out no item.*lower split.heldOutPercent"):
        split_by_group(two, held_out_percent=30, seed=none)

import pytest

from llmos.adaptation import Item, TaxonomyDataset, build_taxonomy_dataset
from llmos.errors import ConfigError
from llmos.models import Label

#            root
#        heart      lung        (label "eye" has too few)
#     valve muscle  airway eye
#     v1 v2  m1      a1        both: below valve and below airway
EDGES = [
    ("heart", "root"), ("lung", "root"), ("eye", "root"), ("valve", "heart"), ("muscle", "heart"), ("airway", "lung"), ("lobe", "lung"),
    ("v1", "valve"), ("v2", "valve"), ("m1", "muscle"), ("a1", "airway"), ("both", "valve"), ("both", "airway"), ("vm", "valve"),
    ("vm", "muscle"), ("lens", "eye"), ("elsewhere", "other root"),
]  # fmt: skip
ENTITIES = [(id, id.capitalize()) for id in {name for edge in EDGES for name in edge}]


def build(**changes: object) -> TaxonomyDataset:
    arguments = {"entities": ENTITIES, "edges": EDGES, "root": "root", "minimum_items_per_label": 2, "group_depth": 2, **changes}
    return build_taxonomy_dataset(**arguments)  # type: ignore[arg-type]


def test_an_example_is_a_name_with_its_only_ancestor_just_below_the_root() -> None:
    items = {item.id: item for item in build().items}
    assert items["v1"] == Item(id="v1", text="V1", label="heart", groups=("valve",))
    assert items["a1"].label == "lung"


def test_what_has_two_such_ancestors_is_no_example() -> None:
    assert "both" not in {item.id for item in build().items}


def test_the_labels_themselves_are_no_examples() -> None:
    assert not {"heart", "lung", "root"} & {item.id for item in build().items}


def test_labels_with_too_few_examples_are_left_out_with_them() -> None:
    dataset = build()
    assert dataset.labels == (Label("heart", "Heart"), Label("lung", "Lung"))
    assert "lens" not in {item.id for item in dataset.items}
    assert {label.id for label in build(minimum_items_per_label=1).labels} == {"eye", "heart", "lung"}


def test_an_example_where_branches_meet_belongs_to_all_its_groups() -> None:
    groups = {item.id: item.groups for item in build().items}
    assert groups["vm"] == ("muscle", "valve")
    assert groups["valve"] == ("valve",)


def test_an_example_nearer_to_the_root_than_groups_are_is_its_own_group() -> None:
    assert {item.id: item.groups for item in build(group_depth=3).items}["airway"] == ("airway",)


def test_the_order_of_what_comes_in_does_not_matter() -> None:
    assert build(entities=reversed(ENTITIES), edges=reversed(EDGES)) == build()


def test_a_cycle_ends() -> None:
    assert build(edges=[*EDGES, ("valve", "v1")]).labels == build().labels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": "nowhere"}, "data.taxonomy.root is 'nowhere', which is no entity"),
        ({"root": "v1"}, "'v1' has nothing below it by data.taxonomy.relation"),
        ({"edges": []}, "has nothing below it"),
        ({"minimum_items_per_label": 4}, "1 labels have at least 4 examples, and a classifier needs two"),
    ],
)
def test_a_hierarchy_that_gives_no_task_is_refused_with_the_remedy(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(**changes)
    assert caught.value.reason == "InvalidSpec"

"""Examples from a hierarchy: the text is an entity's name, the label its ancestor just below the root.

The relation that gives the labels gives no feature: the model sees a name and nothing else. Must not: split; a group only says which
examples must stay on one side. Pure: the same graph gives the same items in the same order.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from llmos.errors import ConfigError
from llmos.models.labels import Label

__all__ = ["Item", "TaxonomyDataset", "build_taxonomy_dataset"]

Children = Mapping[str, Set[str]]


@dataclass(frozen=True, slots=True)
class Item:
    """One example."""

    id: str
    """The entity."""

    text: str
    """Its preferred name."""

    label: str
    """Id of its ancestor just below the root."""

    groups: tuple[str, ...]
    """Ids of its ancestors (or itself) at the group depth, sorted; more than one where branches meet again."""


@dataclass(frozen=True, slots=True)
class TaxonomyDataset:
    """All examples and the labels they have."""

    items: tuple[Item, ...]
    """Sorted by entity id."""

    labels: tuple[Label, ...]
    """Sorted by id; a label's position is the model's output column."""


def build_taxonomy_dataset(
    entities: Iterable[tuple[str, str]],
    edges: Iterable[tuple[str, str]],
    *,
    root: str,
    minimum_items_per_label: int = 100,
    group_depth: int = 2,
) -> TaxonomyDataset:
    """Make examples of every entity below `root` that has exactly one ancestor just below it.

    The children of the root are the labels and no examples themselves: their names give the answer away.

    Args:
        entities: (id, preferred name).
        edges: (child, parent).
        root: the entity whose children are the labels.
        minimum_items_per_label: labels with fewer examples are left out, with their examples.
        group_depth: how far below the root the ancestors are that form groups (shortest way); an example nearer to the root is its own.

    Raises: ConfigError (InvalidSpec) if the root is unknown or has no children, or fewer than two labels are left.
    """
    names = dict(entities)
    children: dict[str, set[str]] = defaultdict(set)
    for child, parent in edges:
        children[parent].add(child)
    if root not in names:
        raise ConfigError(f"data.taxonomy.root is {root!r}, which is no entity of the knowledge base", reason="InvalidSpec")
    if not children[root]:
        raise ConfigError(f"data.taxonomy.root {root!r} has nothing below it by data.taxonomy.relation; check both", reason="InvalidSpec")
    labels_of = _collect_ancestors(children, children[root])
    depths = _measure_depths(children, root)
    groups_of = _collect_ancestors(children, {id for id, depth in depths.items() if depth == group_depth})
    items = [
        Item(id, names[id], next(iter(labels)), tuple(sorted(groups_of.get(id, {id}))))
        for id, labels in sorted(labels_of.items())
        if len(labels) == 1 and id not in children[root] and names.get(id)
    ]
    counts = Counter(item.label for item in items)
    kept = sorted(label for label, count in counts.items() if count >= minimum_items_per_label)
    if len(kept) < 2:
        raise ConfigError(
            f"below {root!r}, {len(kept)} labels have at least {minimum_items_per_label} examples, and a classifier needs two; "
            "lower data.taxonomy.minimumItemsPerLabel or choose another root",
            reason="InvalidSpec",
        )
    return TaxonomyDataset(
        items=tuple(item for item in items if item.label in set(kept)),
        labels=tuple(Label(id=label, name=names.get(label) or label) for label in kept),
    )


def _collect_ancestors(children: Children, ancestors: Iterable[str]) -> dict[str, set[str]]:
    """Return, for everything at or below one of the ancestors, which of them those are; a cycle is walked once."""
    found: dict[str, set[str]] = defaultdict(set)
    for ancestor in ancestors:
        waiting = [ancestor]
        while waiting:
            id = waiting.pop()
            if ancestor not in found[id]:
                found[id].add(ancestor)
                waiting.extend(children.get(id, ()))
    return found


def _measure_depths(children: Children, root: str) -> dict[str, int]:
    """Return the length of the shortest way down from the root to everything below it."""
    depths = {root: 0}
    waiting = deque([root])
    while waiting:
        id = waiting.popleft()
        for child in children.get(id, ()):
            if child not in depths:
                depths[child] = depths[id] + 1
                waiting.append(child)
    return depths
